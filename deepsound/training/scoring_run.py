"""A scoring run in MLflow, linked to the run that trained the model."""

import posixpath
from typing import Any

from deepsound.evaluation.collection import CollectionEvaluation
from deepsound.evaluation.pictures import draw_confusion, draw_predicted_genres
from deepsound.evaluation.report import format_scorecard, headline_numbers
from deepsound.models.bundle import Bundle
from deepsound.training import tracking

_COUNTS = ("n_tracks", "n_labelled", "n_scored", "n_failed", "n_ood")


def log_scoring(
    evaluation: CollectionEvaluation,
    *,
    summary: dict[str, Any],
    per_genre: list[dict[str, Any]],
    bundle: Bundle,
) -> str:
    """Log one scored collection; the id of its run.

    Parameters
    ----------
    summary : dict
        The content of ``metrics.json``.
    per_genre : list of dict
        The rows of ``per_genre/``.
    """
    subset = summary["settings"]["subset"]
    collection = posixpath.basename(str(summary["input"]).rstrip("/"))
    title = f"{bundle.feature} on {collection}" + ("" if subset == "all" else f" ({subset} tracks)")
    tags = {
        "deepsound.job": "score",
        "deepsound.feature": bundle.feature,
        "deepsound.network": bundle.network or "none",
        "deepsound.model": str(summary["model"]),
        "deepsound.model_run_id": bundle.run_id or "unknown",
        "deepsound.feature_fingerprint": bundle.feature_fingerprint,
    }
    settings = {**summary["settings"], "input": summary["input"], "model": summary["model"]}
    metrics = evaluation.metrics
    with tracking.start_run(
        f"score-{bundle.feature}-{collection}-{subset}", tags=tags, settings=settings
    ) as run_id:
        tracking.log_metrics({name: summary[name] for name in _COUNTS})
        tracking.log_metrics(headline_numbers(metrics))
        if metrics.n_labelled:
            tracking.log_figure(draw_confusion(metrics, title=title), "confusion_matrix.png")
        counts = [row["n_scored_as"] for row in per_genre]
        figure = draw_predicted_genres(bundle.taxonomy.genres, counts, title=title)
        tracking.log_figure(figure, "predicted_genres.png")
        tracking.log_rows(per_genre, "per_genre.json")
        trained_by = tracking.link_to_run(bundle.run_id)
        tracking.describe_run(
            f"```\n{format_scorecard(summary, per_genre)}\n```\n\nModel: {summary['model']}, {trained_by}"
        )
    return run_id
