"""Accuracy, precision, recall and F1 per genre and as macro means, all from one confusion matrix.

Conventions: rows are the true genre, columns the predicted one, both in the order of the full taxonomy, which
is passed in and never inferred from what happens to occur. The unit counted is the track. Where nothing was
predicted as a genre its precision is undefined (None); where no track truly is of a genre its recall and F1
are. Undefined numbers are left out of macro means, never counted as 0.

Every figure comes with a 95 % interval: Wilson's for proportions, a track bootstrap for the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, bootstrap_confusion, wilson_interval


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

    ``accuracy_low`` and ``accuracy_high`` bound the accuracy's 95 % Wilson interval; the ``macro_`` intervals are
    (low, high) of :func:`~deepsound.evaluation.intervals.bootstrap_confusion`.
    """

    n_labelled: int
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


def count_confusion(true_indices: Sequence[int], predicted_indices: Sequence[int], *, n_genres: int) -> np.ndarray:
    """Confusion counts.

    Parameters
    ----------
    true_indices, predicted_indices : sequence of int, same length, 0 <= index < n_genres

    Returns
    -------
    np.ndarray [shape=(n_genres, n_genres), int64], rows true, columns predicted

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


def compute_metrics(confusion: np.ndarray, *, genres: Sequence[str]) -> CollectionMetrics:
    """Every metric of a confusion matrix.

    Parameters
    ----------
    confusion : np.ndarray [shape=(n_genres, n_genres), int], rows true, columns predicted
    genres : sequence of str
        The full taxonomy, in the matrix's order.

    Raises
    ------
    ParameterError
        If the matrix is not square in the taxonomy's size.
    """
    if confusion.shape != (len(genres), len(genres)):
        raise ParameterError(f"confusion matrix of shape {confusion.shape} for {len(genres)} genres")
    intervals = bootstrap_confusion(confusion)
    per_genre = tuple(
        _genre_metrics(confusion, index, genre, f1_interval=intervals.f1[index])
        for index, genre in enumerate(genres)
    )
    n_labelled = int(confusion.sum())
    n_correct = int(np.trace(confusion))
    low, high = wilson_interval(n_correct, n_labelled) if n_labelled else (None, None)
    return CollectionMetrics(
        n_labelled=n_labelled,
        accuracy=n_correct / n_labelled if n_labelled else None,
        accuracy_low=low,
        accuracy_high=high,
        macro_precision=_mean([line.precision for line in per_genre]) if n_labelled else None,
        macro_recall=_mean([line.recall for line in per_genre]),
        macro_f1=_mean([line.f1 for line in per_genre]),
        macro_precision_interval=intervals.macro_precision,
        macro_recall_interval=intervals.macro_recall,
        macro_f1_interval=intervals.macro_f1,
        per_genre=per_genre,
        confusion=confusion,
    )


def _genre_metrics(confusion: np.ndarray, index: int, genre: str, *, f1_interval: Interval | None) -> GenreMetrics:
    n_true = int(confusion[index].sum())
    n_predicted = int(confusion[:, index].sum())
    n_correct = int(confusion[index, index])
    low, high = wilson_interval(n_correct, n_true) if n_true else (None, None)
    precision_low, precision_high = wilson_interval(n_correct, n_predicted) if n_predicted else (None, None)
    f1_low, f1_high = f1_interval if f1_interval is not None else (None, None)
    return GenreMetrics(
        genre=genre,
        n_true=n_true,
        n_predicted=n_predicted,
        n_correct=n_correct,
        precision=n_correct / n_predicted if n_predicted else None,
        recall=n_correct / n_true if n_true else None,
        # 2PR / (P + R) in counts; a genre with true tracks of which none was found has F1 = 0.
        f1=2 * n_correct / (n_true + n_predicted) if n_true else None,
        recall_low=low,
        recall_high=high,
        precision_low=precision_low,
        precision_high=precision_high,
        f1_low=f1_low,
        f1_high=f1_high,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
