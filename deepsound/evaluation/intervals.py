"""95 % confidence intervals of figures of tracks, which are no more independent than their artists."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError

# Two-sided 95 % quantile of the standard normal distribution.
Z_95 = 1.959963984540054

Interval = tuple[float, float]


def wilson_interval(n_successes: float, n_trials: float) -> Interval:
    """95 % score interval of a proportion.

    Source: E. B. Wilson, JASA 22 (1927) 209-212. Unlike the normal approximation it stays inside 0..1 and is
    right for few trials and for proportions near 0 and 1.

    Parameters
    ----------
    n_successes, n_trials : float
        Counts; fractions of them where trials are weighted.

    Returns
    -------
    tuple of float
        (low, high), both in 0..1.

    Raises
    ------
    ParameterError
        If there is no trial, or the successes are not between 0 and the trials.
    """
    if n_trials < 1 or not 0 <= n_successes <= n_trials:
        raise ParameterError(f"{n_successes} successes of {n_trials} trials; wanted 0 <= successes <= trials >= 1")
    z2 = Z_95 * Z_95
    centre = (n_successes + z2 / 2) / (n_trials + z2)
    spread = math.sqrt(n_successes * (n_trials - n_successes) / n_trials + z2 / 4)
    half = Z_95 / (n_trials + z2) * spread
    # At the ends, rounding would leave the proportion itself outside.
    low = 0.0 if not n_successes else max(0.0, centre - half)
    return low, 1.0 if n_successes == n_trials else min(1.0, centre + half)


def interval_of(
    value: float, *, variance: float, n_units: int, n_tracks: int, n_freedom: int | None = None
) -> Interval:
    """95 % interval of a figure between 0 and 1, from the variance that artists (or other units) give it.

    Wilson's interval at the number of independent tracks that would give the same variance, kept between 1 and the
    number of tracks; where nothing varies, at the number of units. Source: E. L. Korn and B. I. Graubard, Surv.
    Methodol. 24 (1998) 193-201; C. Franco et al., J. Surv. Stat. Methodol. 7 (2019) 334-364, who find Wilson's
    best among such.

    Parameters
    ----------
    n_freedom : int or None
        Degrees of freedom of the variance, for Korn and Graubard's correction by Student's t; None for none.
    """
    spread = value * (1 - value)
    n_effective = spread / variance if variance > 0 and spread > 0 else float(n_units)
    if n_freedom is not None:
        n_effective *= (Z_95 / float(scipy.stats.t.ppf(0.975, n_freedom))) ** 2
    n_effective = min(max(n_effective, 1.0), float(n_tracks))
    return wilson_interval(min(value * n_effective, n_effective), n_effective)


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


def clustered_proportion_interval(values: np.ndarray, *, clusters: Sequence[str] | np.ndarray) -> Interval:
    """95 % interval of a proportion of tracks, where tracks of one cluster (an artist) are alike.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks,), float, 0..1]
        Whether each track is right, or how often.
    clusters : sequence of str, or np.ndarray of int [length n_tracks]

    Raises
    ------
    ParameterError
        If there is no track, or not one cluster name each.
    """
    proportion, variance, n_clusters = _cluster_mean(values, clusters)
    return interval_of(proportion, variance=variance, n_units=n_clusters, n_tracks=len(values))


def clustered_mean_interval(values: np.ndarray, *, clusters: Sequence[str] | np.ndarray) -> Interval:
    """95 % interval of a mean over tracks in clusters: Student's t on the between-cluster variance.

    Source: W. G. Cochran, Sampling Techniques, 3rd ed., section 9A (ratio estimate of a mean per element).
    Parameters as in :func:`clustered_proportion_interval`, without bounds on the values. Of one cluster, nothing
    is known: the interval is infinite.
    """
    mean, variance, n_clusters = _cluster_mean(values, clusters)
    if n_clusters < 2:
        return -math.inf, math.inf
    half = float(scipy.stats.t.ppf(0.975, n_clusters - 1)) * math.sqrt(variance)
    return mean - half, mean + half


def _cluster_mean(values: np.ndarray, clusters: Sequence[str] | np.ndarray) -> tuple[float, float, int]:
    """Mean, the variance of that mean, and the number of clusters."""
    if not len(values) or len(values) != len(clusters):
        raise ParameterError(f"{len(values)} tracks in {len(clusters)} clusters; wanted one cluster name a track")
    names, indices = np.unique(np.asarray(clusters), return_inverse=True)
    mean = float(np.mean(values))
    totals = np.bincount(indices, weights=values - mean)
    n = len(names)
    variance = n / (n - 1) * float(np.sum(totals**2)) / len(values) ** 2 if n > 1 else 0.0
    return mean, variance, n
