"""How much the figures of a confusion matrix would vary from one draw of artists to the next.

Each figure is a smooth function of counts, so each track has a share in its error: how much the figure moves with
one more such track, to first order. Shares depend on the cell of the matrix alone, add up within an artist, and
their squares add up over artists: Spark SQL can do it at any size. For a proportion p of n tracks a share is
``(right - p) / n``, and the variance that comes of it is the textbook's of a ratio over clusters (W. G. Cochran,
Sampling Techniques, 3rd ed., section 9A): ``C / (C - 1)`` times the sum over C artists of their squared sums.
Source of the rest: D. A. Binder, "On the variances of asymptotically normal estimators from complex surveys", Int.
Stat. Rev. 51 (1983) 279-292.

A mean over genres is as sure as its genres are, each of them of few artists: each genre's part is taken by its own
``C / (C - 1)``, and the quantile by Student's t of the artists less one a genre (Korn and Graubard, as in
:mod:`deepsound.evaluation.intervals`).
"""

from dataclasses import dataclass

import numpy as np

MACROS = ("precision", "recall", "f1")
# Accuracy and the three means over genres stand before the figures of genres.
N_OVERALL = 1 + len(MACROS)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variances of figures, by artists.

    Attributes
    ----------
    unit : str
        ``artist``, or ``track`` where no artist is known.
    variances : np.ndarray [shape=(4 + 3 n_genres,), float64]
        Of accuracy, macro precision, recall and F1, and each genre's precision, recall and F1 (genre by genre).
    n_units, freedoms : np.ndarray [shape=(4 + 3 n_genres,), int64]
        Artists, and tracks of unknown ones, that each figure rests on; degrees of freedom of each variance.
    """

    unit: str
    n_artists: int
    variances: np.ndarray
    n_units: np.ndarray
    freedoms: np.ndarray


def compute_shares(confusion: np.ndarray, *, n_units: np.ndarray) -> np.ndarray:
    """The share of a track of each cell in the error of each figure.

    Parameters
    ----------
    confusion : np.ndarray [shape=(n_genres, n_genres), int], rows true, columns predicted
    n_units : np.ndarray [shape=(n_genres, 3), int]
        Units with a track that is predicted as a genre, truly of it, and either.

    Returns
    -------
    np.ndarray [shape=(n_genres, n_genres, 4 + 3 n_genres), float64]
        In the order of :attr:`Spread.variances`.
    """
    n_genres = len(confusion)
    n_true, n_predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    n_tracks, n_right = max(int(confusion.sum()), 1), np.diagonal(confusion)
    is_true, is_predicted = (np.eye(n_genres, dtype=bool)[where] for where in np.indices(confusion.shape))
    is_right = is_true & is_predicted
    is_defined = np.stack([n_predicted, n_true, n_true], axis=1) > 0
    precision, recall, f1 = (
        np.where(defined, n_right / np.maximum(n, 1) * factor, 0.0)
        for defined, n, factor in zip(
            is_defined.T, (n_predicted, n_true, n_true + n_predicted), (1, 1, 2), strict=True
        )
    )
    of_genres = np.stack(
        [
            is_predicted * (is_right - precision) / np.maximum(n_predicted, 1),
            is_true * (is_right - recall) / np.maximum(n_true, 1),
            (2 * is_right - f1 * (is_true * 1.0 + is_predicted)) / np.maximum(n_true + n_predicted, 1),
        ],
        axis=-1,
    )
    of_genres *= is_defined
    of_few = np.sqrt(n_units / np.maximum(n_units - 1, 1))
    shares = np.empty((n_genres, n_genres, N_OVERALL + 3 * n_genres))
    shares[..., 0] = (np.eye(n_genres) - n_right.sum() / n_tracks) / n_tracks
    shares[..., 1:N_OVERALL] = (of_genres * of_few).sum(axis=2) / np.maximum(is_defined.sum(axis=0), 1)
    shares[..., N_OVERALL:] = of_genres.reshape(n_genres, n_genres, -1)
    return shares


def measure_spread(
    true_indices: np.ndarray,
    predicted_indices: np.ndarray,
    *,
    confusion: np.ndarray,
    units: np.ndarray,
    n_artists: int,
) -> Spread:
    """The spread of some tracks.

    Parameters
    ----------
    true_indices, predicted_indices, units : np.ndarray [shape=(n_tracks,), int]
        ``units`` from :func:`~deepsound.evaluation.units.number_units`.
    confusion : np.ndarray [shape=(n_genres, n_genres), int]
        Their counts.
    """
    n_genres, n_all = len(confusion), int(units.max(initial=-1)) + 1
    n_units = np.array(
        [
            [len(np.unique(units[is_in])) for is_in in (predicted_indices == g, true_indices == g, either)]
            for g, either in ((g, (predicted_indices == g) | (true_indices == g)) for g in range(n_genres))
        ]
    ).reshape(n_genres, 3)
    shares = compute_shares(confusion, n_units=n_units)
    # One figure at a time: all of them for a million tracks would be gigabytes.
    squares = [
        np.sum(np.bincount(units, weights=of_cells[true_indices, predicted_indices], minlength=n_all) ** 2)
        for of_cells in np.moveaxis(shares, -1, 0)
    ]
    return spread_from_squares(np.array(squares), n_units=n_units, n_all=n_all, n_artists=n_artists)


def spread_from_squares(squares: np.ndarray, *, n_units: np.ndarray, n_all: int, n_artists: int) -> Spread:
    """The spread, from the sums over units of the squares of what each unit's shares add up to.

    Parameters
    ----------
    squares : np.ndarray [shape=(4 + 3 n_genres,), float64]
    n_units : np.ndarray [shape=(n_genres, 3), int]
        As in :func:`compute_shares`; ``n_all`` are all units.
    """
    # Means over genres have had their factor, genre by genre.
    n_of_figure = np.concatenate([[n_all], np.repeat(n_all, len(MACROS)), n_units.ravel()])
    factors = np.where(n_of_figure > 1, n_of_figure / np.maximum(n_of_figure - 1, 1), 0.0)
    factors[1:N_OVERALL] = 1.0
    freedoms = np.concatenate([[n_all - 1], np.maximum(n_units - 1, 0).sum(axis=0), (n_units - 1).ravel()])
    return Spread(
        unit="artist" if n_artists else "track",
        n_artists=n_artists,
        variances=factors * squares,
        n_units=n_of_figure,
        freedoms=np.maximum(freedoms, 1),
    )
