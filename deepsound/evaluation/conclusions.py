"""From counts of a scored collection to what they say."""

from collections.abc import Sequence

import numpy as np

from deepsound.evaluation.adjusted_counts import estimate_shares_by_counts as estimate_shares
from deepsound.evaluation.collection import CollectionEvaluation, Distances, PredictedGenre
from deepsound.evaluation.coverage import CoverageCurve, curve_from_counts
from deepsound.evaluation.detection import SIDES, Detection, detection_from_ranks
from deepsound.evaluation.drift import compare
from deepsound.evaluation.metrics import compute_metrics
from deepsound.evaluation.ood import OodRule
from deepsound.evaluation.reliability import Reliability, reliability_from_counts
from deepsound.evaluation.tally import KNOWN, OTHER, Tally, from_units

_N_BINS = 40
# How much of the histogram lies beyond the farthest track of home, in spans of home.
_BEYOND = 1.0


def distance_edges(rule: OodRule) -> np.ndarray | None:
    """Bins for out-of-distribution scores: home, and as much again beyond it [shape=(n_bins + 1,)]."""
    if rule.home_scores is None:
        return None
    low, high = rule.home_scores[0], max(rule.home_scores[-1], rule.threshold)
    span = (high - low) or 1.0
    return np.linspace(low, high + _BEYOND * span, _N_BINS + 1)


def evaluate_collection(
    tally: Tally, *, genres: Sequence[str], rule: OodRule, validation_confusion: np.ndarray | None
) -> CollectionEvaluation:
    """What the counts say.

    Parameters
    ----------
    genres : sequence of str
        The taxonomy, in the order of the counts.
    rule : OodRule
        What the tracks were called out-of-distribution by.
    validation_confusion : np.ndarray [shape=(n_genres, n_genres), int] or None
        How the model takes tracks that it was not trained on: rows true, columns predicted.
    """
    tables, failures = tally.tables, tally.failures()
    n_scored = int(tables["confusion"].sum())
    has_labels = bool(tables["level_tracks"].any())
    # How genres are predicted is known of tracks like those of home only.
    n_accepted = (tables["confusion"] - tables["ood"]).sum(axis=0)
    shares = None
    if validation_confusion is not None and n_accepted.any():
        shares = estimate_shares(n_accepted, confusion=validation_confusion, genres=genres)
    return CollectionEvaluation(
        metrics=compute_metrics(tables["confusion"][:-1], genres=genres),
        n_tracks=n_scored + sum(failures.values()),
        n_scored=n_scored,
        failures=failures,
        labels=tally.outcomes(),
        genres=tuple(_predicted_genre(tally, index, genre) for index, genre in enumerate(genres)),
        reliability=_reliability(tally) if has_labels else None,
        coverage=_coverage(tally) if has_labels else None,
        distances=_distances(tally, rule),
        shares=shares,
        drift=None if tally.plan.drift is None else compare(tally.plan.drift, tally.drift_counts()),
    )


def _predicted_genre(tally: Tally, index: int, genre: str) -> PredictedGenre:
    tables = tally.tables
    n_tracks = int(tables["confusion"][:, index].sum())
    n_labelled = int(tables["bin_tracks"][index].sum())
    gaps = tables["bin_right"][index] - from_units(tables["bin_confidence"][index])
    return PredictedGenre(
        genre=genre,
        n_tracks=n_tracks,
        n_ood=int(tables["ood"][:, index].sum()),
        mean_confidence=float(from_units(tables["confidence"][index]) / n_tracks) if n_tracks else None,
        calibration_error=float(np.abs(gaps).sum() / n_labelled) if n_labelled else None,
    )


def _levels(tally: Tally) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, tracks and right ones among them, of each level that occurs; each mean once."""
    n_tracks, n_right, units = (tally.tables[f"level_{name}"] for name in ("tracks", "right", "confidence"))
    there = n_tracks > 0
    means, places = np.unique(from_units(units[there]) / n_tracks[there], return_inverse=True)
    counts = np.zeros((2, len(means)), np.int64)
    for row, values in zip(counts, (n_tracks, n_right), strict=True):
        np.add.at(row, places, values[there])
    return means, counts[0], counts[1]


def _reliability(tally: Tally) -> Reliability:
    confidences, n_tracks, n_right = _levels(tally)
    return reliability_from_counts(confidences, n_tracks=n_tracks, n_right=n_right)


def _coverage(tally: Tally) -> CoverageCurve:
    confidences, n_tracks, n_right = _levels(tally)
    return curve_from_counts(confidences, n_tracks=n_tracks, n_right=n_right)


def _distances(tally: Tally, rule: OodRule) -> Distances:
    tables, home, edges = tally.tables, tally.plan.home_scores, tally.plan.edges
    accepted = (tables["confusion"] - tables["ood"])[:-1]
    return Distances(
        rule=rule,
        edges=edges,
        home=None if home is None or edges is None else np.histogram(np.clip(home, edges[0], edges[-1]), edges)[0],
        collection=tables.get("distance"),
        detection=_detections(tally) if home is not None else {},
        n_ood=int(tables["ood"].sum()),
        n_scored=int(tables["confusion"].sum()),
        accepted_accuracy=(int(np.trace(accepted)), int(accepted.sum())),
    )


def _detections(tally: Tally) -> dict[str, Detection]:
    below, up_to = (tally.tables[f"rank_{side}"] for side in SIDES)
    kinds = {"all": slice(None), "known genres": slice(KNOWN, KNOWN + 1), "other labels": slice(OTHER, OTHER + 1)}
    return {
        name: detection_from_ranks(below[rows].sum(axis=0), up_to[rows].sum(axis=0))
        for name, rows in kinds.items()
        if below[rows].any()
    }
