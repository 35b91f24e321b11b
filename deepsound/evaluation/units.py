"""Means and proportions of tracks by unit: how far they would vary from one draw of artists to the next.

A unit is an artist, or a track of unknown artist: ``units`` comes from :func:`number_units`. Source of the
variance: W. G. Cochran, Sampling Techniques, 3rd ed., section 9A (a ratio over clusters).
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of, wilson_interval

# A variance that no fewer independent tracks would have comes of rounding.
_MOST_TRACKS = 1e10


def number_units(artists: Sequence[str | None]) -> np.ndarray:
    """The unit of each track: its artist, or itself where that is unknown.

    Returns
    -------
    np.ndarray [shape=(n_tracks,), int64, 0 <= unit < n_units]
        Artists come first.
    """
    numbers: dict[str, int] = {}
    units = np.zeros(len(artists), np.int64)
    n_unknown = 0
    for i, artist in enumerate(artists):
        if artist:
            units[i] = numbers.setdefault(artist, len(numbers))
        else:
            n_unknown += 1
            units[i] = -n_unknown
    units[units < 0] = len(numbers) - 1 - units[units < 0]
    return units


def count_independent(units: np.ndarray) -> float:
    """How many tracks of artists of their own tell as much at least: ``n^2 / sum of squares of tracks a unit``.

    As many as there are where each track is its own unit, and fewest where tracks of a unit are all alike. Source:
    L. Kish, Survey Sampling (1965), section 11.7. 0 without a track.
    """
    counts = np.bincount(units) if len(units) else np.zeros(1, np.int64)
    return float(len(units) ** 2 / max(float(np.sum(counts.astype(np.float64) ** 2)), 1.0))


def check_units(units: np.ndarray | None, *, n_tracks: int) -> np.ndarray:
    """The unit of each track [shape=(n_tracks,), int64]; of None, each track itself.

    Raises
    ------
    ParameterError
        If there is not one unit a track, or one is below 0.
    """
    if units is None:
        return np.arange(n_tracks)
    if units.shape != (n_tracks,) or units.min(initial=0) < 0:
        raise ParameterError(
            f"units of shape {units.shape}, the lowest {units.min(initial=0)}, of {n_tracks} tracks; wanted one a "
            "track, from 0 on"
        )
    return units


def mean_variance(
    values: np.ndarray, *, units: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, int]:
    """Variance of a mean over tracks, with optional weights, and the number of units it rests on.

    All arrays have the shape (n_tracks,); values are in 0..1.

    Returns
    -------
    (float, int)
        ``C / (C - 1)`` times the sum over C units of their squared sums of deviations, by the squared sum of
        weights. 0 of one unit, and where units differ by rounding only.
    """
    n_units, mean = int(np.count_nonzero(np.bincount(units))), float(np.average(values, weights=weights))
    deviations = values - mean if weights is None else weights * (values - mean)
    sums = np.bincount(units, weights=deviations)
    total = float(len(values) if weights is None else weights.sum())
    variance = n_units / max(n_units - 1, 1) * float(sums @ sums) / total**2
    return without_rounding(variance, mean=mean), n_units


def without_rounding(variance: float, *, mean: float) -> float:
    """The variance of a mean of values in 0..1; 0 where it is less than ten thousand million tracks would have."""
    return variance if variance * _MOST_TRACKS > mean * (1 - mean) else 0.0


def count_effective(is_counted: np.ndarray, *, units: np.ndarray) -> float:
    """How many independent tracks would vary as much in their share: at most all; units where nothing varies."""
    variance, n_units = mean_variance(is_counted.astype(np.float64), units=units)
    share = float(is_counted.mean())
    if n_units == len(units) or not variance:
        return float(n_units)
    return min(max(share * (1 - share) / variance, 1.0), float(len(units)))


def proportion_interval(is_counted: np.ndarray, *, units: np.ndarray, is_of_few: bool = False) -> Interval:
    """95 % interval of the share of tracks that are counted; Wilson's own where each track is its own unit.

    Parameters
    ----------
    is_counted : np.ndarray [shape=(n_tracks,), bool], at least one track
    is_of_few : bool
        Whether to correct for few units by Student's t, as Korn and Graubard do.
    """
    n_tracks = len(is_counted)
    variance, n_units = mean_variance(is_counted.astype(np.float64), units=units)
    if n_units == n_tracks:
        return wilson_interval(int(is_counted.sum()), n_tracks)
    n_freedom = n_units - 1 if is_of_few and n_units > 1 else None
    return interval_of(
        float(is_counted.mean()), variance=variance, n_units=n_units, n_tracks=n_tracks, n_freedom=n_freedom
    )


def clustered_proportion_interval(values: np.ndarray, *, clusters: Sequence[str] | np.ndarray) -> Interval:
    """95 % interval of a proportion of tracks, where tracks of one cluster (an artist) are alike.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks,), float, 0..1]
        Whether each track is right, or how often.

    Raises
    ------
    ParameterError
        If there is no track, or not one cluster name each.
    """
    variance, n_clusters = mean_variance(values, units=_number_clusters(clusters, n_tracks=len(values)))
    return interval_of(float(np.mean(values)), variance=variance, n_units=n_clusters, n_tracks=len(values))


def clustered_mean_interval(values: np.ndarray, *, clusters: Sequence[str] | np.ndarray) -> Interval:
    """95 % interval of a mean over tracks in clusters: Student's t on the between-cluster variance.

    Source: W. G. Cochran, Sampling Techniques, 3rd ed., section 9A (ratio estimate of a mean per element).
    Parameters as in :func:`clustered_proportion_interval`, without bounds on the values. Of one cluster, nothing
    is known: the interval is infinite.
    """
    variance, n_clusters = mean_variance(values, units=_number_clusters(clusters, n_tracks=len(values)))
    mean = float(np.mean(values))
    if n_clusters < 2:
        return -math.inf, math.inf
    half = float(scipy.stats.t.ppf(0.975, n_clusters - 1)) * math.sqrt(variance)
    return mean - half, mean + half


def _number_clusters(clusters: Sequence[str] | np.ndarray, *, n_tracks: int) -> np.ndarray:
    if not n_tracks or n_tracks != len(clusters):
        raise ParameterError(f"{n_tracks} tracks in {len(clusters)} clusters; wanted one cluster name a track")
    return np.unique(np.asarray(clusters), return_inverse=True)[1]
