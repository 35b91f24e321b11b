"""The evaluation of a collection as plain tables: for ``metrics.json``, ``per_genre/`` and MLflow."""

from dataclasses import asdict
from typing import Any

from deepsound.evaluation.collection import CollectionEvaluation, Distances
from deepsound.evaluation.coverage import COVERAGES
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.report import metrics_to_plain, per_genre_rows

_SHARE_FIELDS = (
    *("predicted", "predicted_low", "predicted_high"),
    *("estimated", "estimated_low", "estimated_high"),
)


def collection_genre_rows(evaluation: CollectionEvaluation) -> list[dict[str, Any]]:
    """The rows of ``per_genre/``.

    Those of a genre's true tracks as :func:`~deepsound.evaluation.report.per_genre_rows` has them; of all tracks
    that were predicted as it ``n_scored_as``, ``n_ood``, ``mean_confidence`` and ``calibration_error``; its
    ``predicted_share`` and ``estimated_share`` of the collection, each with ``_low`` and ``_high``.
    """
    shares = evaluation.shares.shares if evaluation.shares is not None else [None] * len(evaluation.genres)
    return [
        {
            **row,
            "n_scored_as": genre.n_tracks,
            "n_ood": genre.n_ood,
            "mean_confidence": genre.mean_confidence,
            "calibration_error": genre.calibration_error,
            **{
                name.replace("predicted", "predicted_share").replace("estimated", "estimated_share"): (
                    None if share is None else getattr(share, name)
                )
                for name in _SHARE_FIELDS
            },
        }
        for row, genre, share in zip(per_genre_rows(evaluation.metrics), evaluation.genres, shares, strict=True)
    ]


def collection_to_plain(evaluation: CollectionEvaluation) -> dict[str, Any]:
    """The part of ``metrics.json`` that one model's scores decide; undefined figures are null."""
    reliability, coverage = evaluation.reliability, evaluation.coverage
    scored = [genre for genre in evaluation.genres if genre.mean_confidence is not None]
    confidence = sum(genre.n_tracks * (genre.mean_confidence or 0.0) for genre in scored)
    return {
        "n_tracks": evaluation.n_tracks,
        "n_scored": evaluation.n_scored,
        "n_failed": evaluation.n_failed,
        "failures": dict(evaluation.failures),
        **metrics_to_plain(evaluation.metrics),
        "n_foreign_label": evaluation.labels.get("unmapped", 0),
        "label_outcomes": dict(evaluation.labels),
        "mean_confidence": confidence / evaluation.n_scored if evaluation.n_scored else None,
        "calibration_error": None if reliability is None else reliability.ece,
        "adaptive_calibration_error": None if reliability is None else reliability.adaptive_ece,
        "adaptive_calibration_error_by_chance_high": (
            None if reliability is None else reliability.adaptive_ece_by_chance_high
        ),
        "accuracy_at_coverage": (
            None if coverage is None else {f"{share:g}": coverage.accuracy_at(share) for share in COVERAGES}
        ),
        "aurc": None if coverage is None else coverage.aurc,
        "n_ood": evaluation.distances.n_ood,
        "ood": _distances_to_plain(evaluation.distances),
        "shares_notes": None if evaluation.shares is None else list(evaluation.shares.notes),
        "drift": None if evaluation.drift is None else list(evaluation.drift.words),
    }


def comparison_to_plain(comparison: PairedComparison) -> dict[str, Any]:
    """A paired comparison as ``comparison.json`` holds it."""
    return {"n_tracks": comparison.n_tracks, **asdict(comparison)}


def _distances_to_plain(distances: Distances) -> dict[str, Any]:
    rule = distances.rule
    n_right, n_labelled = distances.accepted_accuracy
    return {
        "score": rule.score,
        "threshold": rule.threshold,
        "false_alarm_rate": rule.false_alarm_rate,
        "promise": rule.describe(),
        "detection": {name: asdict(detection) for name, detection in distances.detection.items()},
        "n_labelled_accepted": n_labelled,
        "accuracy_of_accepted": n_right / n_labelled if n_labelled else None,
    }
