"""From predictions to a report: one way for a test set, the folds of a cross-validation, and a collection."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from deepsound.evaluation.counts import Counts, count_table
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.detection import Detection, evaluate_detection
from deepsound.evaluation.drift.report import DriftReport
from deepsound.evaluation.intervals import Interval
from deepsound.evaluation.metrics import compute_metrics
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.evaluation.predictions import Predictions, read_predictions
from deepsound.evaluation.quantification import Quantification
from deepsound.evaluation.reliability import compute_ece, compute_reliability
from deepsound.evaluation.report import Distances, PredictedGenre, Report
from deepsound.evaluation.slices import Slices
from deepsound.evaluation.units import clustered_proportion_interval
from deepsound.label_maps.label_map import TakenLabel

_N_BINS = 40
# How much of the histogram lies beyond the farthest held-out track, in spans of the held-out ones.
_BEYOND = 1.0


def evaluate(
    table: pa.Table,
    *,
    genres: Sequence[str],
    rule: OodRule | None = None,
    counts: Counts | None = None,
    shares: Quantification | None = None,
    drift: DriftReport | None = None,
    slices: Slices | None = None,
    taken_labels: Sequence[TakenLabel] = (),
) -> Report:
    """What predictions say.

    Parameters
    ----------
    table : pa.Table
        Predictions as :data:`~deepsound.evaluation.predictions.PREDICTION_SCHEMA` has them, or a random sample of
        a larger table's scored rows.
    rule : OodRule, optional
        What tracks were called out-of-distribution by.
    counts : Counts, optional
        Of the whole table, where ``table`` is a sample of it.

    Raises
    ------
    ParameterError
        The table does not hold predictions, or those of other genres.
    """
    predictions = read_predictions(table, genres=genres)
    counts = counts or count_table(table, predictions)
    labelled = predictions.is_labelled
    confidences, is_right = predictions.confidences[labelled], predictions.is_right[labelled]
    units = predictions.units[labelled]
    return Report(
        metrics=compute_metrics(counts.confusion[:-1], spread=counts.spread, genres=genres),
        n_tracks=counts.n_tracks,
        n_scored=counts.n_scored,
        failures=counts.failures,
        labels=counts.outcomes,
        taken_labels=tuple(taken_labels),
        genres=tuple(_predicted_genre(counts, predictions, index) for index in range(len(genres))),
        reliability=compute_reliability(confidences, is_right=is_right, units=units) if labelled.any() else None,
        coverage=compute_coverage(confidences, is_right=is_right, units=units) if labelled.any() else None,
        distances=None if rule is None else _measure_distances(counts, predictions, rule),
        shares=shares,
        drift=drift,
        slices=slices,
        n_sampled=len(predictions),
    )


def _predicted_genre(counts: Counts, predictions: Predictions, index: int) -> PredictedGenre:
    n_tracks = int(counts.confusion[:, index].sum())
    return PredictedGenre(
        genre=predictions.genres[index],
        n_tracks=n_tracks,
        n_ood=int(counts.ood[:, index].sum()),
        mean_confidence=float(counts.confidence[index] / n_tracks) if n_tracks else None,
        calibration_error=_calibration_error(predictions, predictions.predicted_indices == index),
    )


def _calibration_error(predictions: Predictions, is_in: np.ndarray) -> float | None:
    """Expected calibration error of some tracks; None where none has a known genre."""
    judged = is_in & predictions.is_labelled
    if not judged.any():
        return None
    is_right = predictions.is_right[judged].astype(np.int64)
    return compute_ece(predictions.confidences[judged], n_tracks=np.ones_like(is_right), n_right=is_right)


def distance_edges(rule: OodRule) -> np.ndarray | None:
    """Bins for out-of-distribution scores: those of held-out tracks, and as much beyond [shape=(n_bins + 1,)]."""
    if rule.home_scores is None:
        return None
    low, high = rule.home_scores[0], max(rule.home_scores[-1], rule.threshold)
    span = (high - low) or 1.0
    return np.linspace(low, high + _BEYOND * span, _N_BINS + 1)


def _measure_distances(counts: Counts, predictions: Predictions, rule: OodRule) -> Distances:
    accepted = (counts.confusion - counts.ood)[:-1]
    is_accepted = predictions.is_labelled & ~predictions.is_ood
    edges, scores = distance_edges(rule), predictions.ood_scores
    held_out = None if rule.home_scores is None else np.asarray(rule.home_scores, np.float64)
    artists = None if rule.home_units is None else np.asarray(rule.home_units, np.int64)
    return Distances(
        rule=rule,
        edges=edges,
        home=_histogram(held_out, edges),
        collection=_histogram(scores, edges),
        detection={}
        if held_out is None or scores is None
        else _detections(predictions, scores, held_out, artists),
        n_ood=int(counts.ood.sum()),
        n_scored=counts.n_scored,
        ood_interval=_share_interval(predictions.is_ood, predictions.units),
        accepted_accuracy=(int(np.trace(accepted)), int(accepted.sum())),
        accepted_interval=_share_interval(predictions.is_right[is_accepted], predictions.units[is_accepted]),
    )


def _histogram(scores: np.ndarray | None, edges: np.ndarray | None) -> np.ndarray | None:
    """Tracks in each bin; what lies outside of all is counted in the outermost."""
    if scores is None or edges is None:
        return None
    counts: np.ndarray = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
    return counts


def _share_interval(is_so: np.ndarray, units: np.ndarray) -> Interval | None:
    if not len(is_so):
        return None
    return clustered_proportion_interval(is_so.astype(np.float64), clusters=units)


def _detections(
    predictions: Predictions, scores: np.ndarray, held_out: np.ndarray, artists: np.ndarray | None
) -> dict[str, Detection]:
    labelled = predictions.is_labelled
    kinds = {
        "all": np.ones(len(predictions), bool),
        "known genres": labelled,
        "other labels": ~labelled & predictions.has_label,
    }
    return {
        name: evaluate_detection(
            held_out, scores[is_in], home_units=artists, foreign_units=predictions.units[is_in]
        )
        for name, is_in in kinds.items()
        if is_in.any()
    }
