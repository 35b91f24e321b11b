"""Nearest neighbours of all points among each other, exactly, in memory that does not grow with their square."""

import numpy as np

from deepsound.errors import ParameterError

# Numbers of one block of the distance matrix: 64 MiB in float32, twice that for the order of its columns.
_BLOCK_NUMBERS = 2**24
# float32 may confuse the order of points that are about as far; so many more are looked at in float64.
_N_SPARE = 4


def find_neighbours(points: np.ndarray, *, n_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other points of each point, by Euclidean distance.

    Squared distances come from one matrix product per block of rows, in float32; the distances of those that are
    chosen are computed again from the differences, in float64, so that equal points are at distance 0.

    Parameters
    ----------
    points : np.ndarray [shape=(n_points, n_dims), float32]

    Returns
    -------
    indices : np.ndarray [shape=(n_points, n_neighbours), int64]
    distances : np.ndarray [shape=(n_points, n_neighbours), float64]
        Ascending.

    Raises
    ------
    ParameterError
        If there are not so many other points.
    """
    n_points = len(points)
    if not 1 <= n_neighbours < n_points:
        raise ParameterError(f"{n_neighbours} neighbours of {n_points} points; wanted 1 to {n_points - 1}")
    points = points.astype(np.float32, copy=False)
    # Around the mean, where float32 has most digits to spare.
    points = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("ij,ij->i", points, points)
    n_looked_at = min(n_neighbours + _N_SPARE, n_points - 1)
    n_rows = max(1, _BLOCK_NUMBERS // n_points)
    indices = np.empty((n_points, n_neighbours), np.int64)
    distances = np.empty((n_points, n_neighbours), np.float64)
    for start in range(0, n_points, n_rows):
        rows = slice(start, min(start + n_rows, n_points))
        block = squares - 2 * (points[rows] @ points.T)
        block[np.arange(len(block)), np.arange(n_points)[rows]] = np.inf
        near = np.argpartition(block, n_looked_at - 1, axis=1)[:, :n_looked_at]
        exact = _distances_to(points, rows=np.arange(n_points)[rows], columns=near)
        order = np.argsort(exact, axis=1, kind="stable")[:, :n_neighbours]
        indices[rows] = np.take_along_axis(near, order, axis=1)
        distances[rows] = np.take_along_axis(exact, order, axis=1)
    return indices, distances


def _distances_to(points: np.ndarray, *, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Distances [shape like columns] from each row's point to those that its columns name."""
    distances = np.empty(columns.shape, np.float64)
    for place in range(columns.shape[1]):
        gaps = points[rows].astype(np.float64) - points[columns[:, place]]
        distances[:, place] = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    return distances
