"""A report as plain tables: for ``metrics.json``, ``per_genre/`` and MLflow."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deepsound.evaluation.coverage import COVERAGES
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.report import Distances, Report

_MACROS = ("macro_precision", "macro_recall", "macro_f1")

_SHARE_FIELDS = (
    *("predicted", "predicted_low", "predicted_high"),
    *("estimated", "estimated_low", "estimated_high"),
)


def headline_numbers(metrics: CollectionMetrics) -> dict[str, float]:
    """The defined headline figures by name, with ``_low`` and ``_high``; undefined ones are left out."""
    return {name: value for name, value in _headline(metrics).items() if value is not None}


def listed_numbers(metrics: CollectionMetrics) -> dict[str, float]:
    """Those of :func:`headline_numbers` that runs are listed by: MLflow draws a chart of every metric of a run."""
    listed = ("accuracy", "macro_f1")
    return {name: value for name, value in headline_numbers(metrics).items() if name.startswith(listed)}


def figure_rows(figures: Mapping[str, float]) -> list[dict[str, Any]]:
    """A row for each figure, named ``of/figure``, with its ``_low`` and ``_high`` beside it, null without."""
    bounds = {f"{name}_{bound}" for name in figures for bound in ("low", "high")}
    return [
        {
            **dict(zip(("of", "figure"), name.rsplit("/", 1), strict=True)),
            "value": value,
            **{bound: figures.get(f"{name}_{bound}") for bound in ("low", "high")},
        }
        for name, value in figures.items()
        if name not in bounds
    ]


def _headline(metrics: CollectionMetrics) -> dict[str, float | None]:
    values = {name: getattr(metrics, name) for name in ("accuracy", "accuracy_low", "accuracy_high", *_MACROS)}
    for name in _MACROS:
        values[f"{name}_low"], values[f"{name}_high"] = getattr(metrics, f"{name}_interval") or (None, None)
    return values


def metrics_to_plain(metrics: CollectionMetrics) -> dict[str, Any]:
    """The metric part of ``metrics.json``; undefined figures are null."""
    return {
        "n_labelled": metrics.n_labelled,
        **_headline(metrics),
        "interval_unit": metrics.interval_unit,
        "n_artists": metrics.n_artists,
        "remarks": list(metrics.remarks),
        "labels": [line.genre for line in metrics.per_genre],
        "confusion_matrix": metrics.confusion.tolist(),
    }


def per_genre_rows(metrics: CollectionMetrics) -> list[dict[str, Any]]:
    """The figures of each genre's tracks."""
    return [asdict(line) for line in metrics.per_genre]


def report_to_rows(report: Report) -> list[dict[str, Any]]:
    """The rows of ``per_genre/``.

    Those of a genre's true tracks as :func:`~deepsound.report.report.per_genre_rows` has them; of all tracks
    that were predicted as it ``n_scored_as``, ``n_ood``, ``mean_confidence`` and ``calibration_error``; its
    ``predicted_share`` and ``estimated_share`` of the collection, each with ``_low`` and ``_high``.
    """
    shares = report.shares.shares if report.shares is not None else [None] * len(report.genres)
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
        for row, genre, share in zip(per_genre_rows(report.metrics), report.genres, shares, strict=True)
    ]


def report_to_plain(report: Report) -> dict[str, Any]:
    """The part of ``metrics.json`` that one model's scores decide; undefined figures are null."""
    reliability, coverage = report.reliability, report.coverage
    scored = [genre for genre in report.genres if genre.mean_confidence is not None]
    confidence = sum(genre.n_tracks * (genre.mean_confidence or 0.0) for genre in scored)
    return {
        "n_tracks": report.n_tracks,
        "n_scored": report.n_scored,
        "n_failed": report.n_failed,
        "failures": dict(report.failures),
        **metrics_to_plain(report.metrics),
        "n_foreign_label": report.labels.get("unmapped", 0),
        "label_outcomes": dict(report.labels),
        "taken_labels": [asdict(one) for one in report.taken_labels],
        "mean_confidence": confidence / report.n_scored if report.n_scored else None,
        "calibration_error": None if reliability is None else reliability.ece,
        "adaptive_calibration_error": None if reliability is None else reliability.adaptive_ece,
        "adaptive_calibration_error_by_chance_high": (
            None if reliability is None else reliability.adaptive_ece_by_chance_high
        ),
        "accuracy_at_coverage": (
            None if coverage is None else {f"{share:g}": coverage.accuracy_at(share) for share in COVERAGES}
        ),
        "aurc": None if coverage is None else coverage.aurc,
        "n_ood": report.n_ood,
        "n_sampled": report.n_sampled,
        "ood": None if report.distances is None else _distances_to_plain(report.distances),
        "shares_notes": None if report.shares is None else list(report.shares.notes),
        "slices": None if report.slices is None else report.slices.to_plain(),
        "drift": None if report.drift is None else list(report.drift.words),
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
        "accuracy_of_accepted_interval": list(distances.accepted_interval or ()) or None,
    }
