"""Cross-validation: every track is judged once, by a model that has heard neither it nor its artist."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

from deepsound.config import TrainSettings
from deepsound.data.folds import grouped_folds
from deepsound.data.groups import LabelledTrack, genre_of_group, group_tracks
from deepsound.errors import SplitError
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import Collection, Subset
from deepsound.training.fit import compute_temperature, train_model
from deepsound.training.predictions import JudgedTracks


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold as the test, the others as what may be learned from.

    Attributes
    ----------
    number : int
        From 0.
    positions : np.ndarray [shape=(n_test_tracks,), int]
        Of the test tracks in the collection.
    train, validation, test : Subset
        ``validation`` is taken, by whole groups, from the other folds.
    """

    number: int
    positions: np.ndarray
    taxonomy: Taxonomy
    train: Subset
    validation: Subset
    test: Subset


FoldPredictor = Callable[[Fold, TrainSettings], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class CrossValidation(JudgedTracks):
    """Every track's prediction by the one model that did not know its group, with that model's temperature.

    Attributes
    ----------
    groups : tuple of str [length n_tracks]
        Names what was kept together (an artist, or the track).
    fold_indices : np.ndarray [shape=(n_tracks,), int]
    """

    groups: tuple[str, ...]
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

    def describe(self) -> str:
        """The figures in one line."""
        folds = self.fold_accuracies
        return (
            f"{len(folds)}-fold cross-validation of {len(self.track_ids)} tracks "
            f"in {len(set(self.groups))} groups: accuracy {self.mean:.3f}, sd over folds {self.spread:.3f} "
            f"({folds.min():.3f} to {folds.max():.3f}); pooled {self.pooled.accuracy:.3f}"
        )


def predict_fold(fold: Fold, settings: TrainSettings) -> np.ndarray:
    """Track probabilities [shape=(n_test_tracks, n_genres)] by a network trained as ``settings`` say."""
    trained = train_model(fold, settings=settings, report_epoch=_say_nothing)
    temperature = compute_temperature(trained, fold.validation)
    probabilities = scipy.special.softmax(trained.compute_logits(fold.test.values) / temperature, axis=1)
    return mean_by_track(
        probabilities, track_indices=fold.test.track_indices, n_tracks=len(fold.test.genre_indices)
    )


def cross_validate(
    collection: Collection,
    *,
    settings: TrainSettings,
    n_folds: int,
    report: Callable[[str], None],
    predict: FoldPredictor = predict_fold,
) -> CrossValidation:
    """Train and judge once per fold.

    Parameters
    ----------
    collection : Collection
        :meth:`Dataset.collect() <deepsound.training.dataset.Dataset.collect>` gives all tracks of a dataset,
        ``collect("train", "validation")`` those that a search may look at.
    settings : TrainSettings
        ``split.by`` says what is kept together; ``seed`` deals out the folds and starts the networks.
    report : callable
        Gets one line per fold, and one about each genre that this cannot judge fairly.
    predict : callable
        Learns from a fold and gives track probabilities of its test.

    Raises
    ------
    ParameterError, SplitError
        Fewer than two folds, or too few groups to learn from all but one.
    """
    tracks, genre_indices = collection.tracks, collection.segments.genre_indices
    groups = group_tracks(tracks, by=settings.split.by)
    for genre, _ in _genres_of_one_group(groups.values()):
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
    group_of = {track.track_id: name for name, members in groups.items() for track in members}
    return CrossValidation(
        genres=collection.taxonomy.genres,
        track_ids=tuple(track.track_id for track in tracks),
        groups=tuple(group_of[track.track_id] for track in tracks),
        artists=tuple(track.artist for track in tracks),
        fold_indices=fold_indices,
        true_indices=genre_indices,
        probabilities=probabilities,
    )


def iterate_folds(collection: Collection, *, settings: TrainSettings, n_folds: int) -> Iterator[Fold]:
    """The folds one after the other, for who wants to stop in between; see :func:`cross_validate`."""
    tracks, segments = collection.tracks, collection.segments
    folds = grouped_folds(tracks, n_folds=n_folds, by=settings.split.by, seed=settings.seed)
    fold_indices = np.array([folds[track.track_id] for track in tracks])
    for number in range(n_folds):
        is_test = fold_indices == number
        is_validation = _hold_validation(collection, ~is_test, settings)
        is_train = ~is_test & ~is_validation
        if not is_validation.any() or len(np.unique(segments.genre_indices[is_train])) < 2:
            raise SplitError(
                f"without fold {number + 1} of {n_folds} there are not two genres to learn from and a track "
                "to stop by: there are too few artists (or tracks of unknown artist) a genre for cross-validation"
            )
        yield Fold(
            number=number,
            positions=np.flatnonzero(is_test),
            taxonomy=collection.taxonomy,
            train=segments.pick(is_train),
            validation=segments.pick(is_validation),
            test=segments.pick(is_test),
        )


def _hold_validation(collection: Collection, is_other: np.ndarray, settings: TrainSettings) -> np.ndarray:
    """Which tracks of the other folds training stops by: about validation's share of all that is not tested."""
    others = [track for track, is_in in zip(collection.tracks, is_other, strict=True) if is_in]
    groups = group_tracks(others, by=settings.split.by)
    # Of a genre of one group, nothing would be left to learn from.
    alone = _genres_of_one_group(groups.values())
    kept = {track.track_id for _, group in alone for track in group}
    candidates = [track for track in others if track.track_id not in kept]
    if not candidates:
        return np.zeros(len(collection.tracks), bool)
    share = settings.split.validation_fraction / (1 - settings.split.test_fraction)
    n_parts = min(len(groups) - len(alone), max(2, round(len(candidates) / (share * len(others)))))
    parts = grouped_folds(candidates, n_folds=n_parts, by=settings.split.by, seed=settings.seed)
    return np.array([parts.get(track.track_id) == 0 for track in collection.tracks])


def _genres_of_one_group(groups: Iterable[Sequence[LabelledTrack]]) -> list[tuple[str, Sequence[LabelledTrack]]]:
    """Genres with their group, of which there is no other."""
    by_genre = defaultdict(list)
    for group in groups:
        by_genre[genre_of_group(group)].append(group)
    return [(genre, found[0]) for genre, found in sorted(by_genre.items()) if len(found) == 1]


def _say_nothing(epoch: int, figures: dict[str, float]) -> None:
    """No report of single epochs."""
