"""Quantities in bins, cut by the quantiles of a reference; counts of parts add up to those of the whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError

_MAX_BINS = 10
# A bin of fewer reference tracks says nothing about the share that belongs there.
_TRACKS_A_BIN = 5


@dataclass(frozen=True, kw_only=True)
class BinnedQuantities:
    """What the reference tracks' values of some quantities are like.

    Attributes
    ----------
    edges : np.ndarray [shape=(n_quantities, n_edges), float64]
        Ascending; bin i holds ``edges[i - 1] < value <= edges[i]``, the outermost bins are open. Quantities with
        fewer edges are filled up with infinity.
    counts : np.ndarray [shape=(n_quantities, n_edges + 1), int64]
        Reference tracks in each bin.
    """

    names: tuple[str, ...]
    edges: np.ndarray
    counts: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.names), self.edges.shape[-1] + 1)
        is_right = self.edges.shape == (shape[0], shape[1] - 1) and self.counts.shape == shape
        if not is_right or np.isnan(self.edges).any() or (self.counts < 0).any():
            raise ParameterError(
                f"{len(self.names)} quantities with edges of shape {self.edges.shape} and counts of "
                f"{self.counts.shape}; wanted one row each, one count more than edges, none negative"
            )
        if (self.edges[:, 1:] < self.edges[:, :-1]).any():
            raise ParameterError("the edges of a quantity's bins do not ascend")

    def empty_counts(self) -> np.ndarray:
        """Counts of no tracks: what counting starts from."""
        return np.zeros_like(self.counts)

    def median(self, counts: np.ndarray) -> np.ndarray:
        """Bounds between which the median of each quantity lies [shape=(n_quantities, 2), float64].

        Of counts as from :func:`count_bins`; NaN for a quantity without a value.
        """
        padded = np.pad(self.edges, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
        cumulative = np.cumsum(counts, axis=1)
        middle = (cumulative >= (cumulative[:, -1:] + 1) // 2).argmax(axis=1)
        bounds = np.stack([padded[np.arange(len(padded)), middle + i] for i in (0, 1)], axis=1)
        return np.where(cumulative[:, -1:] > 0, bounds, np.nan)


def fit_bins(values: np.ndarray, *, names: Sequence[str]) -> BinnedQuantities:
    """Bins that hold about equally many reference tracks each: ten, or fewer where there are fewer than 50 tracks.

    A value that several quantiles fall on (a common sample rate, a peak at full scale) gets a bin of its own.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n_quantities), float]
        NaN where a track's value is not known.

    Raises
    ------
    ParameterError
        If there is not one name a quantity.
    """
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ParameterError(f"values of shape {values.shape} for {len(names)} quantities")
    edges = [_fit_edges(column[np.isfinite(column)]) for column in values.T.astype(np.float64)]
    n_edges = max((len(row) for row in edges), default=0)
    filled = np.full((len(edges), n_edges), np.inf)
    for row, inner in zip(filled, edges, strict=True):
        row[: len(inner)] = inner
    n_bins = n_edges + 1
    unfilled = BinnedQuantities(
        names=tuple(names), edges=filled, counts=np.zeros((len(names), n_bins), dtype=np.int64)
    )
    return BinnedQuantities(names=tuple(names), edges=filled, counts=count_bins(values, unfilled))


def count_bins(values: np.ndarray, bins: BinnedQuantities) -> np.ndarray:
    """Tracks in each bin of each quantity [shape=(n_quantities, n_bins), int64]; counts of parts add up.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, n_quantities), float]
        In the order of ``bins.names``. What is not finite is not counted.

    Raises
    ------
    ParameterError
        If there are not as many quantities as bins.
    """
    if values.ndim != 2 or values.shape[1] != len(bins.names):
        raise ParameterError(f"values of shape {values.shape} for the bins of {len(bins.names)} quantities")
    counts = bins.empty_counts()
    for row, edges, column in zip(counts, bins.edges, values.T.astype(np.float64), strict=True):
        places = np.searchsorted(edges, column[np.isfinite(column)], side="left")
        row += np.bincount(places, minlength=len(row))
    return counts


def _fit_edges(values: np.ndarray) -> np.ndarray:
    n_bins = min(_MAX_BINS, len(values) // _TRACKS_A_BIN)
    if n_bins < 2:
        return np.zeros(0)
    quantiles = np.quantile(values, np.arange(1, n_bins) / n_bins, method="inverted_cdf")
    edges = np.unique(quantiles)
    # Of a value that fills more than a bin, the edge below it is the largest number that is smaller.
    shares = (values[:, np.newaxis] == edges).mean(axis=0)
    return np.unique(np.concatenate([edges, np.nextafter(edges[shares * n_bins > 1], -np.inf)]))
