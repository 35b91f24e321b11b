"""What a model's predictions of a collection come to, and how two models compare on it."""

import itertools
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deepsound.config import ScoreSettings
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.paired import PairedComparison, PairSums, compare_pairs
from deepsound.evaluation.render.plain import report_to_plain, report_to_rows
from deepsound.label_maps.label_map import LabelMap, TakenLabel
from deepsound.settings import to_plain
from deepsound.spark.aggregate import count_predictions, labelled_of
from deepsound.spark.examples import collect_examples
from deepsound.spark.features import FeatureFrames
from deepsound.spark.predict import ScoringModel
from deepsound.spark.samples import (
    estimate_from_sample,
    find_slices_of_sample,
    measure_drift,
    sample_predictions,
)
from deepsound.spark.score_result import ModelPair, ModelScores

# Labels that are looked through, and listed: free words have no end.
_N_LABELS, _N_TAKEN = 10_000, 50


def conclude(
    predictions: DataFrame,
    model: ScoringModel,
    frames: FeatureFrames,
    *,
    settings: ScoreSettings,
    input_path: str,
) -> ModelScores:
    """Everything that is said of one model's predictions.

    Parameters
    ----------
    predictions : DataFrame
        :data:`~deepsound.evaluation.predictions.PREDICTION_SCHEMA`, as they were written.
    """
    bundle, genres = model.named.bundle, model.genres
    counts = count_predictions(predictions, genres=genres)
    n_labelled, n_accepted = int(counts.confusion[:-1].sum()), int((counts.confusion - counts.ood).sum())
    report = evaluate(
        sample_predictions(predictions, n_scored=counts.n_scored),
        genres=genres,
        rule=bundle.ood,
        counts=counts,
        shares=estimate_from_sample(predictions, bundle, n_accepted=n_accepted),
        drift=measure_drift(frames.tracks, frames.segments, predictions, bundle, n_scored=counts.n_scored),
        slices=find_slices_of_sample(predictions, frames.tracks, bundle, n_scored=counts.n_scored)
        if n_labelled
        else None,
        taken_labels=find_taken_labels(predictions, model.label_map),
    )
    summary = {
        **report_to_plain(report),
        "label_map": None if model.label_map is None else model.label_map.identity(),
        "model": model.named.uri,
        "model_run_id": bundle.run_id,
        "fingerprint": bundle.feature_fingerprint,
        "input": input_path,
        "collection": frames.summary.name_collection(input_path),
        "settings": to_plain(settings),
    }
    return ModelScores(
        model=model.named,
        report=report,
        per_genre=report_to_rows(report),
        summary=summary,
        examples=collect_examples(predictions, frames, model, n_scored=counts.n_scored, settings=settings.report),
    )


def find_taken_labels(predictions: DataFrame, label_map: LabelMap | None) -> list[TakenLabel]:
    """The commonest labels that a map took for their last words."""
    if label_map is None or not label_map.by_ending:
        return []
    known = predictions.where("predicted_genre is not null and label_outcome in ('mapped', 'ambiguous')")
    rows = known.groupBy("label").count().orderBy(F.desc("count"), "label").limit(_N_LABELS).collect()
    return label_map.list_taken({row["label"]: row["count"] for row in rows})[:_N_TAKEN]


def compare_all(predictions: Sequence[DataFrame], names: Sequence[str]) -> tuple[ModelPair, ...]:
    """Each two of some models, on the tracks that both have scored and know the genre of."""
    return tuple(
        ModelPair(a=names[a], b=names[b], comparison=_compare(predictions[a], predictions[b]))
        for a, b in itertools.combinations(range(len(names)), 2)
    )


def _compare(a: DataFrame, b: DataFrame) -> PairedComparison | None:
    right = (F.col("genre") == F.col("predicted_genre")).cast("long")
    of_a = labelled_of(a).select("track_id", "unit", right.alias("a"))
    of_b = labelled_of(b).select("track_id", right.alias("b"))
    by_unit = (
        of_a.join(of_b, "track_id")
        .groupBy("unit")
        .agg(
            F.count("*").alias("n"),
            F.sum("a").alias("a"),
            F.sum("b").alias("b"),
            F.sum(F.col("a") * F.col("b")).alias("both"),
        )
        .withColumn("lean", F.abs(F.col("a") - F.col("b")))
    )
    rows = by_unit.groupBy("lean").agg(
        F.count("*").alias("n_units"),
        *(F.sum(name).alias(name) for name in ("n", "a", "b", "both")),
        *(F.sum(F.col(x) * F.col(y)).alias(f"{x}{y}") for x, y in ("nn", "na", "nb", "aa", "ab", "bb")),
    )
    found = rows.collect()
    if not found:
        return None
    total = {name: sum(row[name] for row in found) for name in rows.columns if name != "lean"}
    return compare_pairs(
        PairSums(
            n_both=total["both"],
            n_only_a=total["a"] - total["both"],
            n_only_b=total["b"] - total["both"],
            n_neither=total["n"] - total["a"] - total["b"] + total["both"],
            n_units=total["n_units"],
            **{name: total[name] for name in ("nn", "na", "nb", "aa", "ab", "bb")},
            flips={row["lean"]: row["n_units"] for row in found if row["lean"]},
        )
    )
