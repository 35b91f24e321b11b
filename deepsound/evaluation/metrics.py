"""Accuracy, precision, recall and F1 per genre and as macro means, all from one confusion matrix.

Conventions: rows are the true genre, columns the predicted one, both in the order of the full taxonomy, which
is passed in and never inferred from what happens to occur. The unit counted is the track. Where nothing was
predicted as a genre its precision is undefined (None); where no track truly is of a genre its recall and F1
are. Undefined numbers are left out of macro means, never counted as 0.

Macro means thus differ from scikit-learn's, which counts an undefined figure as 0, where nothing was predicted as
a genre, or no track is of it; :attr:`CollectionMetrics.remarks` says so where it happens.

Every figure comes with a 95 % interval that counts artists, not tracks: Wilson's at the number of independent
tracks that would vary as much (:mod:`deepsound.evaluation.spread`). Where no artist is known, tracks have to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of, wilson_interval
from deepsound.evaluation.spread import MACROS, N_OVERALL, Spread, measure_spread
from deepsound.evaluation.units import number_units


@dataclass(frozen=True, kw_only=True)
class GenreMetrics:
    """One genre's line; ``_low`` and ``_high`` bound the 95 % interval of what they are named after."""

    genre: str
    n_true: int
    n_predicted: int
    n_correct: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_low: float | None
    recall_high: float | None
    precision_low: float | None
    precision_high: float | None
    f1_low: float | None
    f1_high: float | None


@dataclass(frozen=True, kw_only=True)
class CollectionMetrics:
    """All metrics of a labelled set of tracks. Without a labelled track the means are None.

    ``accuracy_low`` and ``accuracy_high`` bound the accuracy's 95 % interval; the ``macro_`` intervals are (low,
    high). ``interval_unit`` says what they count: ``artist``, or ``track`` where no artist is known.
    """

    n_labelled: int
    n_artists: int
    interval_unit: str
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    macro_precision: float | None
    macro_recall: float | None
    macro_f1: float | None
    macro_precision_interval: Interval | None
    macro_recall_interval: Interval | None
    macro_f1_interval: Interval | None
    per_genre: tuple[GenreMetrics, ...]
    confusion: np.ndarray

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know of the means: which genres are left out of them."""
        if not self.n_labelled:
            return ()
        never = [line.genre for line in self.per_genre if line.precision is None]
        absent = [line.genre for line in self.per_genre if line.recall is None]
        remarks = []
        if never:
            remarks.append(f"macro precision leaves out {', '.join(never)}: no track was predicted so")
        if absent:
            remarks.append(f"macro recall and F1 leave out {', '.join(absent)}: no track is of it")
        return tuple(remarks)


def count_confusion(true_indices: Sequence[int], predicted_indices: Sequence[int], *, n_genres: int) -> np.ndarray:
    """Confusion counts [shape=(n_genres, n_genres), int64], rows true, columns predicted.

    Raises
    ------
    ParameterError
        Different lengths, or an index outside the taxonomy.
    """
    if len(true_indices) != len(predicted_indices):
        raise ParameterError(f"{len(true_indices)} true genres against {len(predicted_indices)} predicted ones")
    indices = np.asarray([true_indices, predicted_indices], dtype=np.int64)
    if indices.size and (indices.min() < 0 or indices.max() >= n_genres):
        raise ParameterError(f"a class index is outside 0..{n_genres - 1}")
    confusion = np.zeros((n_genres, n_genres), np.int64)
    np.add.at(confusion, (indices[0], indices[1]), 1)
    return confusion


def measure(
    true_indices: np.ndarray,
    predicted_indices: np.ndarray,
    *,
    genres: Sequence[str],
    artists: Sequence[str | None] | None = None,
) -> CollectionMetrics:
    """Every metric of labelled tracks.

    Parameters
    ----------
    true_indices, predicted_indices : np.ndarray [shape=(n_tracks,), int, 0 <= index < n_genres]
    artists : sequence of (str or None), or None
        Of each track; None where it is not known.

    Raises
    ------
    ParameterError
        Different lengths, or an index outside the taxonomy.
    """
    confusion = count_confusion(true_indices.tolist(), predicted_indices.tolist(), n_genres=len(genres))
    names = [None] * len(true_indices) if artists is None else list(artists)
    if len(names) != len(true_indices):
        raise ParameterError(f"{len(names)} artists of {len(true_indices)} tracks")
    spread = measure_spread(
        np.asarray(true_indices, np.int64),
        np.asarray(predicted_indices, np.int64),
        confusion=confusion,
        units=number_units(names),
        n_artists=len({name for name in names if name}),
    )
    return compute_metrics(confusion, spread=spread, genres=genres)


def compute_metrics(confusion: np.ndarray, *, spread: Spread, genres: Sequence[str]) -> CollectionMetrics:
    """Every metric of a confusion matrix [shape=(n_genres, n_genres), int], rows true, columns predicted.

    ``spread`` is of the same tracks.

    Raises
    ------
    ParameterError
        If the matrix is not square in the taxonomy's size.
    """
    if confusion.shape != (len(genres), len(genres)):
        raise ParameterError(f"confusion matrix of shape {confusion.shape} for {len(genres)} genres")
    bounds = _Bounds(spread)
    n_labelled, n_correct = int(confusion.sum()), int(np.trace(confusion))
    per_genre = tuple(_genre_metrics(confusion, index, genre, bounds) for index, genre in enumerate(genres))
    low, high = bounds.of_proportion(0, n_correct, n_labelled)
    means = [_mean([getattr(line, name) for line in per_genre]) if n_labelled else None for name in MACROS]
    intervals = [bounds.of_mean(1 + i, mean, n_labelled) for i, mean in enumerate(means)]
    return CollectionMetrics(
        n_labelled=n_labelled,
        n_artists=spread.n_artists,
        interval_unit=spread.unit,
        accuracy=n_correct / n_labelled if n_labelled else None,
        accuracy_low=low,
        accuracy_high=high,
        macro_precision=means[0],
        macro_recall=means[1],
        macro_f1=means[2],
        macro_precision_interval=intervals[0],
        macro_recall_interval=intervals[1],
        macro_f1_interval=intervals[2],
        per_genre=per_genre,
        confusion=confusion,
    )


@dataclass(frozen=True)
class _Bounds:
    """Intervals of figures, by their place in the spread."""

    spread: Spread

    def of_proportion(self, place: int, n_right: int, n_tracks: int) -> tuple[float | None, float | None]:
        if not n_tracks:
            return None, None
        if self.spread.unit == "track":
            return wilson_interval(n_right, n_tracks)
        variance, n_units = float(self.spread.variances[place]), int(self.spread.n_units[place])
        return interval_of(n_right / n_tracks, variance=variance, n_units=n_units, n_tracks=n_tracks)

    def of_mean(self, place: int, value: float | None, n_tracks: int) -> Interval | None:
        if value is None:
            return None
        variance, n_units = float(self.spread.variances[place]), int(self.spread.n_units[place])
        n_freedom = int(self.spread.freedoms[place])
        return interval_of(value, variance=variance, n_units=n_units, n_tracks=n_tracks, n_freedom=n_freedom)


def _genre_metrics(confusion: np.ndarray, index: int, genre: str, bounds: _Bounds) -> GenreMetrics:
    n_true = int(confusion[index].sum())
    n_predicted = int(confusion[:, index].sum())
    n_correct = int(confusion[index, index])
    first = N_OVERALL + len(MACROS) * index
    precision_low, precision_high = bounds.of_proportion(first, n_correct, n_predicted)
    recall_low, recall_high = bounds.of_proportion(first + 1, n_correct, n_true)
    # 2PR / (P + R) in counts; a genre with true tracks of which none was found has F1 = 0.
    f1 = 2 * n_correct / (n_true + n_predicted) if n_true else None
    f1_low, f1_high = bounds.of_mean(first + 2, f1, n_true + n_predicted - n_correct) or (None, None)
    return GenreMetrics(
        genre=genre,
        n_true=n_true,
        n_predicted=n_predicted,
        n_correct=n_correct,
        precision=n_correct / n_predicted if n_predicted else None,
        recall=n_correct / n_true if n_true else None,
        f1=f1,
        recall_low=recall_low,
        recall_high=recall_high,
        precision_low=precision_low,
        precision_high=precision_high,
        f1_low=f1_low,
        f1_high=f1_high,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
