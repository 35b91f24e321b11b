"""What a training run leaves in MLflow besides the model: figures, tables, pictures, the scorecard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepsound.errors import TrackingError
from deepsound.evaluation.render.chart_style import save_figure
from deepsound.evaluation.render.figures import draw_confusion, draw_learning_curves
from deepsound.evaluation.render.plain import figure_rows, headline_numbers, listed_numbers, per_genre_rows
from deepsound.evaluation.render.text import describe_accuracy, format_per_genre
from deepsound.models.bundle_files import to_parquet
from deepsound.training import tracking
from deepsound.training.mlflow_store import short_patience
from deepsound.training.scorecard import TrainingOutcome, build_scorecard

DESCRIPTION = "mlflow.note.content"
SCORECARD = "scorecard.html"


class LiveCurves:
    """Logs a training epoch by epoch. A store that goes away meanwhile costs no training: it gets the rest later.

    ``missing`` are the epochs that the store has not heard of, with their metrics.
    """

    def __init__(self, report: Callable[[str], None], *, max_epochs: int) -> None:
        self.missing: list[tuple[int, dict[str, float]]] = []
        self._report, self._max_epochs = report, max_epochs

    def log(self, epoch: int, figures: dict[str, float]) -> None:
        """One epoch more; ``figures`` as :class:`~deepsound.training.epochs.EpochRecorder` names them."""
        if epoch % 5 == 0:
            self._report(
                f"epoch {epoch + 1}/{self._max_epochs}: loss {figures['loss']:.3f}, "
                f"validation loss {figures['val_loss']:.3f}, accuracy {figures['val_accuracy']:.2f}"
            )
        metrics = {f"epoch/{name.replace('val_', 'validation_')}": value for name, value in figures.items()}
        if not self.missing:
            try:
                # Not minutes of waiting at each epoch.
                with short_patience():
                    tracking.log_metrics(metrics, step=epoch)
            except TrackingError as exc:
                self._report(f"{exc}. The training goes on; the rest of its curves is logged at its end")
            else:
                return
        self.missing.append((epoch, metrics))


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that a training run logs when it is over, before any of it is logged.

    ``curves`` are steps with their metrics, ``tables`` file names with rows, ``files`` file names, with their
    folder, with contents. ``summary`` is what the registry says of the model, in Markdown, before the decision on
    the champion, ``version_tags`` what stands beside it.
    """

    metrics: dict[str, float]
    tags: dict[str, str]
    curves: list[tuple[int, dict[str, float]]]
    tables: dict[str, list[dict[str, Any]]]
    files: dict[str, bytes]
    summary: str
    version_tags: dict[str, str]


def build_record(outcome: TrainingOutcome, *, described: str, curves: LiveCurves) -> RunRecord:
    """All that a run came to; ``described`` are its data, in one line."""
    title = f"{outcome.settings.feature} {outcome.settings.architecture}"
    fitted, folds, rows = outcome.fitted, outcome.folds, per_genre_rows(outcome.headline)
    learning = draw_learning_curves(fitted.history, best_epoch=fitted.best_epoch, title=title)
    confusion = draw_confusion(outcome.headline, title=f"{title}: {outcome.headline_tracks.rstrip(',')}")
    tables = {"per_genre.json": rows, "figures.json": figure_rows(_collect_figures(outcome))}
    judged = outcome.judged
    if mistakes := judged.list_mistakes():
        tables["mistakes.json"] = mistakes
    if outcome.slices.worst:
        tables["slices.json"] = outcome.slices.to_plain()["worst"]
    if folds is not None:
        tables["folds.json"] = [
            {"fold": i + 1, "accuracy": a} for i, a in enumerate(folds.fold_accuracies.tolist())
        ]
    summary = (
        f"**{title}**: **{describe_accuracy(outcome.headline)}** (95 % interval; "
        f"{_describe_headline(outcome)})\n\n{described}; features {outcome.features}"
    )
    if outcome.baseline is not None:
        summary += f"\n\n{outcome.baseline.describe()}"
    return RunRecord(
        metrics=_list_metrics(outcome),
        tags={
            "deepsound.promotion": outcome.promotion.verdict,
            "deepsound.promotion_reason": outcome.promotion.reason[:5000],
            DESCRIPTION: f"{summary}\n\n{outcome.promotion.describe()}\n\n"
            f"{tracking.picture('confusion_matrix.png', outcome.run_id)}\n\n"
            f"```\n{format_per_genre(rows)}\n```\n\nAll of it, to show around: the artifact scorecard.html\n",
        },
        curves=list(curves.missing),
        tables=tables,
        files={
            "predictions.parquet": to_parquet(judged.to_table()),
            "pictures/confusion_matrix.png": save_figure(confusion, kind="png"),
            "pictures/learning_curves.png": save_figure(learning, kind="png"),
            SCORECARD: build_scorecard(outcome).encode(),
        },
        summary=summary,
        version_tags={
            "deepsound.architecture": outcome.settings.architecture,
            "deepsound.data_fingerprint": outcome.dataset.fingerprint,
            "deepsound.headline": describe_accuracy(outcome.headline),
            "deepsound.genres": ", ".join(outcome.dataset.taxonomy.genres),
        },
    )


def _describe_headline(outcome: TrainingOutcome) -> str:
    """What the headline is of."""
    if outcome.folds is None:
        return "the held-out test tracks"
    return f"out-of-fold, {outcome.folds.describe_spread()}; test tracks: {describe_accuracy(outcome.test)}"


def _list_metrics(outcome: TrainingOutcome) -> dict[str, float]:
    """What the runs are listed by. The UI draws a bar for each on the run's page, so the rest is a table."""
    folds, of = outcome.folds, "test" if outcome.folds is None else "folds"
    listed = {f"test/{name}": value for name, value in listed_numbers(outcome.test).items()}
    listed |= {"test/ece": outcome.predictions.reliabilities[1].ece}
    if folds is not None:
        listed |= {f"folds/{name}": value for name, value in listed_numbers(folds.pooled).items()}
        listed |= {"folds/mean_accuracy": folds.mean, "folds/sd_accuracy": folds.spread}
    if outcome.baseline is not None:
        listed[f"{of}/above_baseline"] = outcome.baseline.paired.difference
    if outcome.fitted.validation.accuracy is not None:
        listed["validation/accuracy"] = outcome.fitted.validation.accuracy
    return listed


def _collect_figures(outcome: TrainingOutcome) -> dict[str, float]:
    before, after = outcome.predictions.reliabilities
    fitted, folds = outcome.fitted, outcome.folds
    figures = {
        **{f"validation/{name}": value for name, value in headline_numbers(fitted.validation).items()},
        "validation/temperature": fitted.head.spec.temperature,
        "validation/best_epoch": fitted.best_epoch,
        **{f"validation/ood_threshold_{name}": value for name, value in fitted.ood.thresholds.items()},
        **{f"test/{name}": value for name, value in headline_numbers(outcome.test).items()},
        "test/ece": after.ece,
        "test/ece_before_temperature": before.ece,
        "test/adaptive_ece": after.adaptive_ece,
        "test/adaptive_ece_before_temperature": before.adaptive_ece,
        "test/adaptive_ece_by_chance": after.adaptive_ece_by_chance,
    }
    if folds is not None:
        figures |= {"folds/mean_accuracy": folds.mean, "folds/sd_accuracy": folds.spread}
        figures |= {f"folds/{name}": value for name, value in headline_numbers(folds.pooled).items()}
    if (baseline := outcome.baseline) is not None:
        figures |= {f"baseline/{name}": value for name, value in headline_numbers(baseline.metrics).items()}
        figures |= {"baseline/difference": baseline.paired.difference, "baseline/p_value": baseline.paired.p_value}
    return {name: float(value) for name, value in figures.items()}
