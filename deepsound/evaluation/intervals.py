"""95 % confidence intervals of proportions, and of figures whose variance is known."""

import math

import scipy.stats

from deepsound.errors import ParameterError

# Two-sided 95 % quantile of the standard normal distribution.
Z_95 = 1.959963984540054

Interval = tuple[float, float]


def wilson_interval(n_successes: float, n_trials: float) -> Interval:
    """95 % score interval (low, high) of a proportion, inside 0..1; counts may be fractions.

    Source: E. B. Wilson, JASA 22 (1927) 209-212.

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

    Wilson's interval at the number of independent tracks of the same variance, kept between 1 and the number of
    tracks; where nothing varies, at the number of units. With ``n_freedom`` degrees of freedom, corrected by
    Student's t. Source: E. L. Korn and B. I. Graubard, Surv. Methodol. 24 (1998) 193-201; C. Franco et al., J.
    Surv. Stat. Methodol. 7 (2019) 334-364.
    """
    spread = value * (1 - value)
    n_effective = spread / variance if variance > 0 and spread > 0 else float(n_units)
    if n_freedom is not None:
        n_effective *= (Z_95 / float(scipy.stats.t.ppf(0.975, n_freedom))) ** 2
    n_effective = min(max(n_effective, 1.0), float(n_tracks))
    return wilson_interval(min(value * n_effective, n_effective), n_effective)
