"""Fitting the statistics of the training segments; needs scikit-learn, which executors do not have."""

import numpy as np
import scipy.linalg
import sklearn.covariance

from deepsound.errors import ParameterError
from deepsound.evaluation.ood.distances import Gaussian, NeighbourBank, normalize_rows
from deepsound.evaluation.ood.statistics import OodStatistics, SegmentOutputs

# Bounds what an executor compares each segment with: at 128 units, 2,000 vectors are 1 MB and half a megaflop.
MAX_BANK = 2000
_N_NEIGHBOURS = 5
# Of the mean variance: what the covariance of a layer that does not vary at all is taken for.
_SMALLEST_VARIANCE = 1e-12


def fit_statistics(
    outputs: SegmentOutputs,
    *,
    segment_genres: np.ndarray,
    seed: int,
    n_neighbours: int = _N_NEIGHBOURS,
    max_bank: int = MAX_BANK,
) -> OodStatistics:
    """The place of the training segments in the penultimate layer and among the features.

    Parameters
    ----------
    outputs : SegmentOutputs
        Of the training split only, with penultimate numbers.
    segment_genres : np.ndarray [shape=(n_segments,), int]
        Class index of each.
    seed : int
        Draws the bank.

    Raises
    ------
    ParameterError
        If there is no segment, not one genre each, or no penultimate numbers.

    Notes
    -----
    Covariances are shrunk towards a multiple of the identity: O. Ledoit and M. Wolf, "A well-conditioned
    estimator for large-dimensional covariance matrices", J. Multivar. Anal. 88 (2004) 365-411.
    """
    penultimate = outputs.penultimate
    if penultimate is None or not len(penultimate) or len(penultimate) != len(segment_genres):
        n_segments = None if penultimate is None else len(penultimate)
        raise ParameterError(f"statistics of {n_segments} segments with {len(segment_genres)} genres")
    return OodStatistics(
        bank=_fill_bank(penultimate, segment_genres, seed=seed, n_neighbours=n_neighbours, max_bank=max_bank),
        features=_fit_genres(outputs.feature_means.astype(np.float64), segment_genres),
    )


def _fit_genres(values: np.ndarray, segment_genres: np.ndarray) -> Gaussian:
    """A centre for each genre that is there, and the covariance within genres."""
    genres = np.unique(segment_genres)
    means = np.stack([values[segment_genres == genre].mean(axis=0) for genre in genres])
    origin = values.mean(axis=0)
    whitening = _whitening(values - means[np.searchsorted(genres, segment_genres)])
    return Gaussian(origin=origin, whitening=whitening, centres=(means - origin) @ whitening.T)


def _whitening(centred: np.ndarray) -> np.ndarray:
    """Inverse of the lower Cholesky factor of the shrunk covariance [shape=(n_units, n_units)]."""
    covariance, _ = sklearn.covariance.ledoit_wolf(centred, assume_centered=True)
    floor = max(_SMALLEST_VARIANCE, 1e-9 * float(np.trace(covariance)) / len(covariance))
    factor = np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))
    inverse: np.ndarray = scipy.linalg.solve_triangular(factor, np.eye(len(covariance)), lower=True)
    return inverse


def _fill_bank(
    penultimate: np.ndarray, segment_genres: np.ndarray, *, seed: int, n_neighbours: int, max_bank: int
) -> NeighbourBank:
    """A sample with as many segments of each genre as fit: rare genres whole, the others cut to one size."""
    rng = np.random.default_rng(seed)
    counts = np.bincount(segment_genres)
    left, quotas = max_bank, np.zeros_like(counts)
    present = [genre for genre in np.argsort(counts, kind="stable") if counts[genre]]
    for position, genre in enumerate(present):
        quotas[genre] = min(counts[genre], left // (len(present) - position))
        left -= quotas[genre]
    members = [np.flatnonzero(segment_genres == genre) for genre in present]
    chosen = [rng.choice(m, size=quotas[g], replace=False) for m, g in zip(members, present, strict=True)]
    vectors = normalize_rows(penultimate[np.sort(np.concatenate(chosen))])
    return NeighbourBank(vectors=vectors, n_neighbours=min(n_neighbours, len(vectors)))
