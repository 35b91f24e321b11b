"""Distances from the training segments in the penultimate layer; numpy alone, as executors compute them."""

from dataclasses import dataclass

import numpy as np

# Rows compared with the whole bank at a time: 512 x 2,000 similarities are 4 MB.
_ROWS_AT_A_TIME = 512
_SMALLEST_NORM = 1e-12


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """One covariance and the whitened centres [shape=(n_centres, n_units), float64] that share it.

    ``origin`` is taken off first, so that no large numbers are subtracted later; ``whitening @ (x - origin)`` has
    the unit covariance where x has the shared one.
    """

    origin: np.ndarray
    whitening: np.ndarray
    centres: np.ndarray

    def distance(self, penultimate: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance of each row to its nearest centre [shape=(n_segments,), float64]."""
        white = (penultimate.astype(np.float64) - self.origin) @ self.whitening.T
        squares = (white**2).sum(axis=1)[:, np.newaxis] - 2 * white @ self.centres.T
        nearest: np.ndarray = np.maximum((squares + (self.centres**2).sum(axis=1)).min(axis=1), 0.0)
        return nearest


@dataclass(frozen=True, kw_only=True)
class NeighbourBank:
    """Training segments to be near to: vectors [shape=(n_bank, n_units), float32] of length 1.

    The distance is that of the neighbour of rank ``n_neighbours``, 1 being the nearest.
    """

    vectors: np.ndarray
    n_neighbours: int

    def distance(self, penultimate: np.ndarray) -> np.ndarray:
        """Euclidean distance to the k-th neighbour, at length 1 [shape=(n_segments,), float64, 0..2]."""
        unit = normalize_rows(penultimate)
        starts = range(0, len(unit), _ROWS_AT_A_TIME)
        parts = [self._similarity(unit[i : i + _ROWS_AT_A_TIME]) for i in starts]
        similarity = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
        return np.sqrt(np.maximum(2 - 2 * similarity, 0.0))

    def _similarity(self, unit: np.ndarray) -> np.ndarray:
        similarities = unit @ self.vectors.T
        rank = similarities.shape[1] - self.n_neighbours
        kth: np.ndarray = np.partition(similarities, rank, axis=1)[:, rank]
        return kth


def normalize_rows(values: np.ndarray) -> np.ndarray:
    """Rows of length 1 [same shape, float32]; a row of zeros stays one, at right angles to all others."""
    norms = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    unit: np.ndarray = (values / np.maximum(norms, _SMALLEST_NORM)[:, np.newaxis]).astype(np.float32)
    return unit
