"""What a training run leaves in MLflow besides the model: figures, tables, pictures, the scorecard."""

from deepsound.evaluation.pictures import describe_accuracy, draw_confusion, draw_learning_curves
from deepsound.evaluation.report import format_per_genre, headline_numbers, per_genre_rows
from deepsound.training import tracking
from deepsound.training.scorecard import TrainingOutcome, build_scorecard


def log_outcome(outcome: TrainingOutcome, *, described: str) -> None:
    """Log all that a run came to; ``described`` are its data, in one line."""
    title = f"{outcome.settings.feature} {outcome.settings.architecture}"
    _log_figures(outcome)
    tracking.log_figure(draw_confusion(outcome.test, title=f"{title}: test tracks"), "confusion_matrix.png")
    fitted = outcome.fitted
    curves = draw_learning_curves(fitted.history, best_epoch=fitted.best_epoch, title=title)
    tracking.log_figure(curves, "learning_curves.png")
    tracking.log_rows(per_genre_rows(outcome.test), "per_genre.json")
    tracking.log_text(build_scorecard(outcome), "scorecard.html")
    decision = "promoted" if outcome.promotion.is_promoted else "kept former"
    tracking.set_tags(
        {"deepsound.promotion": decision, "deepsound.promotion_reason": outcome.promotion.reason[:5000]}
    )
    table = format_per_genre(per_genre_rows(outcome.test))
    tracking.describe_run(
        f"**{title}** on held-out test tracks: **{describe_accuracy(outcome.test)}** (95 % Wilson interval)\n\n"
        f"{described}\n\n{outcome.promotion.describe()}\n\n```\n{table}\n```\n\n"
        "All of it, to show around: the artifact scorecard.html\n"
    )


def _log_figures(outcome: TrainingOutcome) -> None:
    tracking.log_metrics(headline_numbers(outcome.validation), prefix="validation_")
    tracking.log_metrics(headline_numbers(outcome.test), prefix="test_")
    low, high = outcome.interval_by_artist
    tracking.log_metrics({"accuracy_by_artist_low": low, "accuracy_by_artist_high": high}, prefix="test_")
    before, after = outcome.predictions.compute_reliabilities()
    calibration = {
        "ece": after.ece,
        "ece_before_temperature": before.ece,
        "adaptive_ece": after.adaptive_ece,
        "adaptive_ece_before_temperature": before.adaptive_ece,
        "adaptive_ece_by_chance": after.adaptive_ece_by_chance,
    }
    tracking.log_metrics(calibration, prefix="test_")
    fitted = outcome.fitted
    tracking.log_metrics({"temperature": fitted.head.spec.temperature, "best_epoch": fitted.best_epoch})
    tracking.log_metrics({f"ood_threshold_{name}": value for name, value in fitted.ood.thresholds.items()})
    folds = outcome.folds
    if folds is None:
        return
    tracking.log_metrics({"mean_accuracy": folds.mean, "sd_accuracy": folds.spread}, prefix="folds_")
    tracking.log_metrics(headline_numbers(folds.pooled), prefix="folds_pooled_")
    accuracies = folds.fold_accuracies.tolist()
    tracking.log_rows([{"fold": i + 1, "accuracy": a} for i, a in enumerate(accuracies)], "folds.json")
