"""Segments to scores, and scores of segments to predictions of tracks: one UDF, one join, one groupBy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from deepsound.evaluation.predictions import PREDICTION_SCHEMA
from deepsound.label_maps.label_map import LabelMap, map_labels
from deepsound.models.own_extraction import NamedModel
from deepsound.models.rows import REASONS
from deepsound.spark.heads import ship_head
from deepsound.spark.udf import batch_udf, head_udf
from deepsound.taxonomy import Taxonomy

# Columns of segments/ that place a segment in its track; foreign folders may lack some.
PLACES = {"segment_index": "int", "start_s": "double", "duration_s": "double"}
# Means of the same numbers in another order differ by less: a rerun thus gives the same.
_DIGITS = 12
_MAPPED = pa.struct([pa.field("genre", pa.string()), pa.field("outcome", pa.string())])


@dataclass(frozen=True, kw_only=True)
class ScoringModel:
    """A model and what the collection's labels are in its words."""

    named: NamedModel
    label_map: LabelMap | None

    @property
    def genres(self) -> tuple[str, ...]:
        """The full taxonomy."""
        return self.named.bundle.taxonomy.genres


def score_segments(spark: SparkSession, segments: DataFrame, models: Sequence[ScoringModel]) -> DataFrame:
    """Scores of single segments: track_id, :data:`PLACES`, and a column of scores a model, called by its name."""
    places = [
        (F.col(name) if name in segments.columns else F.lit(None)).cast(kind).alias(name)
        for name, kind in PLACES.items()
    ]
    scores = []
    for model in models:
        bundle = model.named.bundle
        udf = head_udf(ship_head(spark, bundle.head).load, ood_score=bundle.ood.score)
        scores.append(udf(*map(F.col, bundle.columns)).alias(model.named.name))
    return segments.select("track_id", *places, *scores)


def timeline(scored: DataFrame, name: str) -> DataFrame:
    """Which genre when, by one model: the rows of SCORES' ``segments/``."""
    fields = ("predicted_genre", "confidence", "probabilities", "ood_score")
    return scored.select("track_id", *PLACES, *(F.col(f"`{name}`.{field}").alias(field) for field in fields))


def mean_by_track(scored: DataFrame, models: Sequence[ScoringModel]) -> DataFrame:
    """Scores of tracks: track_id, n_segments, and a struct a model: probabilities, ood_score, reason.

    The mean over all of a track's segments; one segment without a score leaves its track without, for that reason.
    """
    means = []
    # Reasons as numbers: for the smallest of texts, Spark would sort all segments.
    reasons = F.array(*map(F.lit, REASONS))
    for model in models:
        of_model = F.col(f"`{model.named.name}`")
        probabilities = F.array(
            *(F.round(F.avg(of_model["probabilities"][i]), _DIGITS) for i in range(len(model.genres)))
        )
        ood_score = F.round(F.avg(of_model["ood_score"]), _DIGITS)
        means.append(
            F.struct(
                probabilities.alias("probabilities"),
                ood_score.alias("ood_score"),
                _pick(REASONS, F.min(F.array_position(reasons, of_model["reason"]))).alias("reason"),
            ).alias(model.named.name)
        )
    return scored.groupBy("track_id").agg(F.count("*").cast("int").alias("n_segments"), *means)


def _pick(texts: Sequence[str], place: Column) -> Column:
    """The text at a place, counted from 1; null where that is null, for which ``element_at`` takes the last."""
    return F.when(place.isNotNull(), F.element_at(F.array(*map(F.lit, texts)), place.cast("int")))


def predict_tracks(tracks: DataFrame, means: DataFrame, model: ScoringModel) -> DataFrame:
    """The rows of ``predictions/``: every track once, with its prediction or with the reason for none.

    Parameters
    ----------
    tracks : DataFrame
        ``tracks/``, or those of them that are asked about.
    means : DataFrame
        From :func:`mean_by_track`, with this model among its own.
    """
    bundle = model.named.bundle
    artist = F.col("artist") if "artist" in tracks.columns else F.lit(None).cast("string")
    label_udf = _label_udf(bundle.taxonomy, model.label_map)
    # The scores of segments count n_segments, too; those of tracks/ say how many there should be.
    asked = tracks.select("track_id", artist.alias("artist"), "genre", "status", "error_code").withColumn(
        "mapped", label_udf(F.col("genre").cast("string"))
    )
    joined = asked.join(
        means.select("track_id", "n_segments", F.col(f"`{model.named.name}`").alias("m")), "track_id", "left"
    )
    is_scored = (F.col("status") == "ok") & F.col("n_segments").isNotNull() & F.col("m.reason").isNull()
    probabilities = F.col("m.probabilities")
    best = F.array_max(probabilities)
    is_ood = F.col("m.ood_score") > bundle.ood.threshold

    def of_scored(column: Column) -> Column:
        return F.when(is_scored, column)

    columns: dict[str, Column] = {
        "track_id": F.col("track_id"),
        "artist": F.col("artist"),
        "genre": F.col("mapped.genre"),
        "label": F.col("genre").cast("string"),
        "label_outcome": F.col("mapped.outcome"),
        "predicted_genre": of_scored(_pick(model.genres, F.array_position(probabilities, best))),
        # A mean of probabilities may miss 1 by rounding.
        "confidence": of_scored(F.least(best, F.lit(1.0))),
        "probabilities": of_scored(probabilities),
        "ood_score": of_scored(F.col("m.ood_score")),
        "is_ood": of_scored(is_ood),
        "n_segments": F.coalesce(F.col("n_segments"), F.lit(0)),
        # A track that is readable but has no segment must not vanish either.
        "error_code": F.when(~is_scored, F.coalesce("error_code", "m.reason", F.lit("internal"))),
    }
    return joined.select(*(columns[name].alias(name) for name in PREDICTION_SCHEMA.names))


def _label_udf(taxonomy: Taxonomy, label_map: LabelMap | None) -> Callable[..., Column]:
    def map_batch(batch: pa.Array) -> pa.Array:
        outcomes = map_labels(batch.to_pylist(), taxonomy=taxonomy, label_map=label_map)
        columns = [[outcome.genre for outcome in outcomes], [outcome.outcome for outcome in outcomes]]
        return pa.StructArray.from_arrays([pa.array(c, pa.string()) for c in columns], fields=list(_MAPPED))

    return batch_udf(lambda: map_batch, _MAPPED)
