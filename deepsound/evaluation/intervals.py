"""Confidence intervals of proportions."""

import math

from deepsound.errors import ParameterError

# Two-sided 95 % quantile of the standard normal distribution.
_Z_95 = 1.959963984540054


def wilson_interval(n_successes: int, n_trials: int) -> tuple[float, float]:
    """95 % score interval of a proportion.

    Source: E. B. Wilson, JASA 22 (1927) 209-212. Unlike the normal approximation it stays inside 0..1 and is
    right for few trials and for proportions near 0 and 1.

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
    z2 = _Z_95 * _Z_95
    centre = (n_successes + z2 / 2) / (n_trials + z2)
    spread = math.sqrt(n_successes * (n_trials - n_successes) / n_trials + z2 / 4)
    half = _Z_95 / (n_trials + z2) * spread
    return max(0.0, centre - half), min(1.0, centre + half)
