"""A scoring run in MLflow, linked to the run that trained the model, and its scorecard."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import deepsound
from deepsound.config import ScoreSettings
from deepsound.credentials import without_credentials
from deepsound.evaluation.examples import Examples
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.figures import draw_confusion, draw_predicted_genres
from deepsound.evaluation.render.html.collection import collection_page
from deepsound.evaluation.render.html.page import link_or_text
from deepsound.evaluation.render.plain import figure_rows, headline_numbers, listed_numbers
from deepsound.evaluation.render.text import format_report
from deepsound.evaluation.report import Report
from deepsound.models.bundle import Bundle
from deepsound.settings import flatten, to_command, to_plain
from deepsound.training import lineage, tracking
from deepsound.training.lineage import FeaturesDataset
from deepsound.training.provenance import library_versions

_LISTED = ("n_tracks", "n_labelled", "n_failed", "n_ood", "calibration_error")
_FIGURES = (*_LISTED, "n_scored", "mean_confidence", "aurc")


def draw_scorecard(
    report: Report,
    *,
    summary: Mapping[str, Any],
    bundle: Bundle,
    examples: Examples,
    comparisons: Mapping[tuple[str, str], PairedComparison],
) -> str:
    """The scorecard of a scored collection, as HTML; ``summary`` is the content of ``metrics.json``."""
    summary = without_credentials(summary)
    label_map = summary["label_map"]
    facts = {
        "model": str(summary["model"]),
        "trained by": link_or_text(
            f"run {bundle.run_id or 'outside MLflow'}", url=tracking.url_of_run(bundle.run_id)
        ),
        "input": str(summary["input"]),
        "feature": f"{bundle.feature}, {bundle.head.spec.layout.describe()} a segment",
        "feature fingerprint": bundle.feature_fingerprint,
        "labels": "as they are" if label_map is None else f"by the map {label_map['name']} {label_map['version']}",
    }
    settings = {key: str(value) for key, value in flatten(summary["settings"]).items()}
    return collection_page(
        report,
        title=_title(summary, bundle),
        subtitle=f"{summary['model']}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        examples=examples,
        comparisons=comparisons,
        command=score_command(summary),
        facts=facts,
        folded={
            "Settings of the scoring": settings,
            "Versions": {"deepsound": deepsound.__version__, **library_versions()},
        },
        footer=f"deepsound {deepsound.__version__}. Intervals are 95 %.",
    )


def score_command(summary: Mapping[str, Any]) -> str:
    """What scores the same, from the content of ``metrics.json``."""
    words = ["--input", str(summary["input"]), "--model", str(summary["model"]), "--output", "scores"]
    return to_command(["score", *words], summary["settings"], default=to_plain(ScoreSettings()))


def log_scoring(
    report: Report,
    *,
    summary: dict[str, Any],
    per_genre: list[dict[str, Any]],
    examples: Examples,
    bundle: Bundle,
    scorecard: str,
) -> str:
    """Log one scored collection; the id of its run.

    ``summary`` is the content of ``metrics.json``, ``per_genre`` the rows of ``per_genre/``, ``scorecard`` from
    :func:`draw_scorecard`.
    """
    summary = without_credentials(summary)
    metrics = report.metrics
    tags = {
        "deepsound.job": "score",
        "deepsound.feature": bundle.feature,
        "deepsound.network": bundle.network or "none",
        "deepsound.model": str(summary["model"]),
        "deepsound.model_run_id": bundle.run_id or "unknown",
        "deepsound.feature_fingerprint": bundle.feature_fingerprint,
    }
    settings = {**summary["settings"], "input": summary["input"], "model": summary["model"]}
    title = _title(summary, bundle)
    name = f"{_collection(summary)} · {str(summary['model']).removeprefix('models:/')}"
    with tracking.start_run(name, tags=tags, settings=settings) as run_id:
        lineage.log_input(_describe_input(summary, bundle), context="scored")
        lineage.log_model_input(bundle.run_id)
        figures = _collect_figures(report, summary)
        tracking.log_metrics(_choose_listed(figures, report), prefix="collection/")
        rows = figure_rows({f"collection/{name}": value for name, value in figures.items()})
        tracking.log_rows(rows, "figures.json")
        if metrics.n_labelled:
            tracking.log_figure(draw_confusion(metrics, title=title), "pictures/confusion_matrix.png")
        counts = [row["n_scored_as"] for row in per_genre]
        figure = draw_predicted_genres(bundle.taxonomy.genres, counts, title=title)
        tracking.log_figure(figure, "pictures/predicted_genres.png")
        tracking.log_rows(per_genre, "per_genre.json")
        if examples.mistakes:
            tracking.log_rows(_list_mistakes(examples), "mistakes.json")
        tracking.log_text(scorecard, "scorecard.html")
        trained_by = tracking.link_to_run(bundle.run_id)
        tracking.describe_run(
            f"{tracking.picture('predicted_genres.png', run_id)}\n\n```\n{format_report(report)}\n```\n\n"
            f"Model: {summary['model']}, {trained_by}\n\nAll of it, to show around: the artifact scorecard.html\n"
        )
    return run_id


def _list_mistakes(examples: Examples) -> list[dict[str, Any]]:
    columns = ("track_id", "true_genre", "predicted_genre", "confidence", "is_ood")
    return [{name: getattr(examples.tracks[i], name) for name in columns} for i in examples.mistakes]


def _describe_input(summary: Mapping[str, Any], bundle: Bundle) -> FeaturesDataset:
    """The scored collection, as MLflow is told of it: the digest is of what the job knows of it anyway."""
    told = ("input", "fingerprint", "n_tracks", "n_scored", "n_failed", "label_outcomes")
    return FeaturesDataset(
        str(summary["input"]),
        name=str(summary["collection"]),
        identity={"subset": summary["settings"]["subset"], **{name: summary[name] for name in told}},
        feature=bundle.feature,
        shape=bundle.head.spec.shape,
        profile={name: summary[name] for name in ("n_tracks", "n_labelled", "n_scored", "n_failed")},
    )


def _collect_figures(report: Report, summary: Mapping[str, Any]) -> dict[str, float]:
    figures = {name: summary[name] for name in _FIGURES if summary[name] is not None}
    figures |= headline_numbers(report.metrics)
    for kind, detection in (report.distances.detection if report.distances else {}).items():
        name = f"ood_auroc_{kind.replace(' ', '_')}"
        low, high = detection.auroc_low, detection.auroc_high
        figures |= {name: detection.auroc, f"{name}_low": low, f"{name}_high": high}
    return figures


def _choose_listed(figures: Mapping[str, float], report: Report) -> dict[str, float]:
    """What the runs are listed by; the rest stands in a table."""
    listed = {*_LISTED, *listed_numbers(report.metrics)}
    return {
        name: value
        for name, value in figures.items()
        if name in listed or (name.startswith("ood_auroc_") and not name.endswith(("_low", "_high")))
    }


def _collection(summary: Mapping[str, Any]) -> str:
    subset = summary["settings"]["subset"]
    return str(summary["collection"]) + ("" if subset == "all" else f" ({subset} tracks)")


def _title(summary: Mapping[str, Any], bundle: Bundle) -> str:
    return f"{bundle.feature} on {_collection(summary)}"
