"""Cross-validation: every track is predicted once, by a model that has learned from neither it nor its artist."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import scipy.special

from deepsound.config import TrainSettings
from deepsound.data.folds import divide_folds, genres_of_one_group
from deepsound.data.groups import group_tracks
from deepsound.errors import LeakageError, SplitError
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.leakage import Leak
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.taxonomy import Taxonomy
from deepsound.training.audit import refuse_leaks
from deepsound.training.dataset import Collection, Dataset, Subset
from deepsound.training.fit import TrainingData, compute_temperature, train_model
from deepsound.training.predictions import LabelledPredictions

# From so many test tracks on, folds=auto does without folds.
_MANY_TEST_TRACKS = 500
_AUTO_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold, of a ``number`` from 0, as the test, the others as what may be learned from.

    ``positions`` [shape=(n_test_tracks,), int] are those of the test tracks in the collection; ``validation`` is
    taken, by whole groups, from the other folds.
    """

    number: int
    positions: np.ndarray
    taxonomy: Taxonomy
    train: Subset
    validation: Subset
    test: Subset


FoldPredictor = Callable[[Fold, TrainSettings], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """In how many folds a training is cross-validated, 0 for not at all; ``leaks`` between them were allowed."""

    n_folds: int
    leaks: tuple[Leak, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CrossValidation(LabelledPredictions):
    """Every track's prediction by the one model that did not know its group, with that model's temperature.

    ``fold_indices`` [shape=(n_tracks,), int] say which fold each was tested in.
    """

    fold_indices: np.ndarray

    @property
    def fold_accuracies(self) -> np.ndarray:
        """Share of right tracks of each fold [shape=(n_folds,)]."""
        is_right = self.is_right.astype(np.float64)
        return mean_by_track(is_right, track_indices=self.fold_indices, n_tracks=int(self.fold_indices.max()) + 1)

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies, each fold counting the same."""
        return float(self.fold_accuracies.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the folds' accuracies (n - 1 in the denominator)."""
        return float(self.fold_accuracies.std(ddof=1))

    @functools.cached_property
    def pooled(self) -> CollectionMetrics:
        """Metrics of all tracks together, each counting the same."""
        return self.evaluate().metrics

    def to_table(self) -> pa.Table:
        """Predictions with the number, from 1, of the fold that each track was tested in."""
        return super().to_table().append_column("fold", pa.array(self.fold_indices + 1, pa.int32()))

    def describe(self) -> str:
        """The figures in one line."""
        return f"{describe_accuracy(self.pooled)}; {self.describe_spread()}"

    def describe_spread(self) -> str:
        """Mean and spread of the folds, in a few words."""
        return f"mean {self.mean:.2f}, sd {self.spread:.2f} over {len(self.fold_accuracies)} folds"


def plan_folds(dataset: Dataset, *, settings: TrainSettings, report: Callable[[str], None]) -> FoldPlan:
    """In how many folds to cross-validate before anything is trained, as ``settings.folds`` says.

    ``auto`` asks for 5 where the test part has fewer than 500 tracks, and does without, in one line, where the
    tracks do not allow it: too few groups, near-duplicates that would part.

    Raises SplitError or LeakageError: a number of folds that was asked for cannot be had.
    """
    if settings.folds != "auto":
        return _check_plan(dataset, int(settings.folds), settings=settings, report=report)
    if len(dataset.test.genre_indices) >= _MANY_TEST_TRACKS:
        return FoldPlan(n_folds=0)
    try:
        plan = _check_plan(dataset, _AUTO_FOLDS, settings=settings, report=lambda _: None)
    except (SplitError, LeakageError) as exc:
        report(f"no cross-validation, so the headline is the test part's: {exc}")
        return FoldPlan(n_folds=0)
    report(
        f"{_AUTO_FOLDS} folds first, as {len(dataset.test.genre_indices)} test tracks are few: each track is "
        "predicted by a model that has not learned from its group; folds=0 switches this off"
    )
    return plan


def _check_plan(
    dataset: Dataset, n_folds: int, *, settings: TrainSettings, report: Callable[[str], None]
) -> FoldPlan:
    """The folds are audited as the split was; what stood together there may part here."""
    if not n_folds:
        return FoldPlan(n_folds=0)
    divided = divide_folds(dataset.tracks, n_folds=n_folds, split=settings.split, seed=settings.seed)
    places = {
        track.track_id: f"fold {number + 1}"
        for number, masks in enumerate(divided)
        for track, is_test in zip(dataset.tracks, masks.is_test.tolist(), strict=True)
        if is_test
    }
    leaks = dataset.audit.across(places)
    refuse_leaks(leaks, is_allowed=settings.allow_leaks, report=report)
    return FoldPlan(n_folds=n_folds, leaks=tuple(leaks))


class _Tested(TrainingData, Protocol):
    """What may be learned from, and what is tested: a fold, or a dataset."""

    @property
    def test(self) -> Subset:
        """The tracks that are predicted."""


def predict_fold(fold: _Tested, settings: TrainSettings) -> np.ndarray:
    """Track probabilities [shape=(n_test_tracks, n_genres)] by a network trained as ``settings`` say."""
    trained = train_model(fold, settings=settings)
    temperature = compute_temperature(trained, fold.validation)
    probabilities = scipy.special.softmax(trained.compute_logits(fold.test.values) / temperature, axis=1)
    return fold.test.mean_by_track(probabilities)


def cross_validate(
    collection: Collection,
    *,
    settings: TrainSettings,
    n_folds: int,
    report: Callable[[str], None],
    predict: FoldPredictor = predict_fold,
) -> CrossValidation:
    """Train and evaluate once per fold.

    ``settings.split.by`` says what is kept together; ``seed`` deals out the folds and starts the networks.
    ``report`` gets one line per fold, and one about each genre that this cannot evaluate fairly. ``predict``
    learns from a fold and gives track probabilities of its test. Raises ParameterError or SplitError if there are
    fewer than two folds, or too few groups to learn from all but one.
    """
    tracks, genre_indices = collection.tracks, collection.segments.genre_indices
    for genre, _ in genres_of_one_group(group_tracks(tracks, by=settings.split.by).values()):
        report(f"{genre} has one group only: whenever it is judged, it is unknown; its tracks count as wrong")
    probabilities = np.zeros((len(tracks), len(collection.taxonomy)))
    fold_indices = np.zeros(len(tracks), np.int64)
    for fold in iterate_folds(collection, settings=settings, n_folds=n_folds):
        probabilities[fold.positions] = predict(fold, settings)
        fold_indices[fold.positions] = fold.number
        is_right = probabilities[fold.positions].argmax(axis=1) == genre_indices[fold.positions]
        report(
            f"fold {fold.number + 1}/{n_folds}: {len(is_right)} tracks, accuracy {is_right.mean():.3f}, "
            f"learned from {len(fold.train.genre_indices)} and {len(fold.validation.genre_indices)} to stop by"
        )
    return CrossValidation(
        genres=collection.taxonomy.genres,
        track_ids=tuple(track.track_id for track in tracks),
        artists=tuple(track.artist for track in tracks),
        fold_indices=fold_indices,
        true_indices=genre_indices,
        probabilities=probabilities,
    )


def iterate_folds(collection: Collection, *, settings: TrainSettings, n_folds: int) -> Iterator[Fold]:
    """The folds one after the other, so that one may stop in between; see :func:`cross_validate`."""
    divided = divide_folds(collection.tracks, n_folds=n_folds, split=settings.split, seed=settings.seed)
    for number, masks in enumerate(divided):
        yield Fold(
            number=number,
            positions=np.flatnonzero(masks.is_test),
            taxonomy=collection.taxonomy,
            train=collection.segments.pick(masks.is_train),
            validation=collection.segments.pick(masks.is_validation),
            test=collection.segments.pick(masks.is_test),
        )
