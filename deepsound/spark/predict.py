"""Segment features to track predictions: a pandas UDF around :class:`deepsound.models.head.Head`."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from deepsound.models.bundle import Bundle
from deepsound.spark.heads import ShippedHead, ship_head


def score_columns(n_genres: int) -> list[str]:
    """Names of the segment scores: one probability per genre, then the out-of-distribution score."""
    return [*(f"p{index}" for index in range(n_genres)), "ood"]


def make_scorer(shipped: ShippedHead, *, n_genres: int, ood_score: str):  # type: ignore[no-untyped-def]
    """A pandas UDF from a feature column (list<float>) to a struct of :func:`score_columns`, all double.

    The head travels once per executor and is built once per Python worker.
    """
    names = score_columns(n_genres)

    def score_batches(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        head = shipped.load()
        for batch in batches:
            if not len(batch):
                yield pd.DataFrame({name: np.zeros(0) for name in names})
                continue
            features = np.stack(batch.tolist()).astype(np.float32, copy=False)
            scores = head.score(features.reshape(len(batch), *head.spec.shape), ood_scores=[ood_score])
            yield pd.DataFrame(np.column_stack([scores.probabilities, scores.ood[ood_score]]), columns=names)

    result = T.StructType([T.StructField(name, T.DoubleType()) for name in names])
    return pandas_udf(score_batches, result)  # type: ignore[call-overload]


def predict_tracks(spark: SparkSession, segments: DataFrame, *, bundle: Bundle) -> DataFrame:
    """One row per track that has segments.

    Parameters
    ----------
    segments : DataFrame
        track_id and the model's feature column.

    Returns
    -------
    DataFrame
        track_id, probabilities (mean over segments, taxonomy order), ood_score (mean too), n_scored_segments,
        is_finite (no segment gave NaN).
    """
    n_genres = len(bundle.taxonomy)
    scorer = make_scorer(ship_head(spark, bundle.head), n_genres=n_genres, ood_score=bundle.ood.score)
    scored = segments.select("track_id", scorer(F.col(bundle.feature)).alias("scores"))
    means = [F.avg(f"scores.{name}").alias(name) for name in score_columns(n_genres)]
    per_track = scored.groupBy("track_id").agg(
        *means,
        F.count("*").cast("int").alias("n_scored_segments"),
        # A NaN leaves a pandas UDF as null, which means would pass over in silence.
        (F.count("*") == F.count("scores.ood")).alias("is_finite"),
    )
    probabilities = F.array(*(F.col(f"p{index}") for index in range(n_genres)))
    return per_track.select(
        "track_id",
        probabilities.alias("probabilities"),
        F.col("ood").alias("ood_score"),
        "n_scored_segments",
        "is_finite",
    )


def to_predictions(tracks: DataFrame, scored: DataFrame, *, bundle: Bundle) -> DataFrame:
    """The rows of ``predictions/``: every track once, with its prediction or with the reason for none.

    Parameters
    ----------
    tracks : DataFrame
        Rows of ``tracks/``.
    scored : DataFrame
        From :func:`predict_tracks`.
    """
    genres = F.array(*(F.lit(genre) for genre in bundle.taxonomy.genres))
    joined = tracks.select("track_id", "genre", "error_code", "status").join(scored, "track_id", "left")
    is_scored = (F.col("status") == "ok") & F.coalesce("is_finite", F.lit(False))
    confidence = F.array_max("probabilities")
    position = F.array_position("probabilities", confidence).cast("int")

    def if_scored(column: Column) -> Column:
        return F.when(is_scored, column)

    # A readable track without a usable segment is not the model's to judge, and must not vanish either.
    reason = F.coalesce(
        "error_code", F.when(~F.col("is_finite"), F.lit("not_finite")).otherwise(F.lit("internal"))
    )
    return joined.select(
        "track_id",
        "genre",
        if_scored(F.element_at(genres, position)).alias("predicted_genre"),
        if_scored(confidence).alias("confidence"),
        if_scored(F.col("probabilities")).alias("probabilities"),
        if_scored(F.col("ood_score")).alias("ood_score"),
        if_scored(F.col("ood_score") > bundle.ood.threshold).alias("is_ood"),
        F.coalesce("n_scored_segments", F.lit(0)).alias("n_segments"),
        F.when(~is_scored, reason).alias("error_code"),
    )
