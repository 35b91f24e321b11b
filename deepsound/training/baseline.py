"""The baseline that stands beside every network: discriminant analysis on the same folds, or test tracks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from deepsound.config import TrainSettings
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.training.crossval import CrossValidation, cross_validate, predict_fold
from deepsound.training.dataset import Dataset
from deepsound.training.predictions import LabelledPredictions, TrackPredictions

_ARCHITECTURE = "lda"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The baseline's figures, and the model (A) paired with it (B) on the same tracks."""

    metrics: CollectionMetrics
    paired: PairedComparison
    tracks: str

    def describe(self) -> str:
        """What it came to, in one line."""
        points = 100 * self.paired.difference
        better = "as good" if not points else f"{abs(points):.1f} points {'better' if points > 0 else 'worse'}"
        p = "< 0.001" if self.paired.p_value < 0.001 else f"= {self.paired.p_value:.3f}"
        return (
            f"{_ARCHITECTURE} baseline, same {self.tracks}: {describe_accuracy(self.metrics)}; "
            f"this model is {better}, p {p}"
        )


def measure_baseline(
    dataset: Dataset,
    *,
    settings: TrainSettings,
    folds: CrossValidation | None,
    test: TrackPredictions,
    report: Callable[[str], None],
) -> Baseline | None:
    """Fit the baseline, by its own default settings, where the model was evaluated: on folds, else test tracks.

    None where the model is the baseline, or where the tracks do not allow one, which is reported.
    """
    if settings.architecture == _ARCHITECTURE:
        return None
    own = TrainSettings(
        feature=settings.feature,
        architecture=_ARCHITECTURE,
        seed=settings.seed,
        split=settings.split,
        transform="auto",
    ).resolved()
    model: LabelledPredictions = test if folds is None else folds
    found: LabelledPredictions
    try:
        if folds is None:
            found = replace(test, probabilities=predict_fold(dataset, own))
        else:
            n_folds = len(folds.fold_accuracies)
            found = cross_validate(dataset.collect(), settings=own, n_folds=n_folds, report=lambda _: None)
    except ValueError as exc:
        # scikit-learn's, of fewer segments than genres.
        report(f"no {_ARCHITECTURE} baseline: {exc}")
        return None
    return Baseline(
        metrics=found.evaluate().metrics,
        paired=compare_paired(model.is_right, found.is_right, units=model.units),
        tracks="test tracks" if folds is None else "folds",
    )
