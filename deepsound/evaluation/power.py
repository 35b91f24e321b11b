"""How large a difference between two models on the same tracks would have been found.

The test is two-sided at the 5 % level. A true difference d is found with probability
``P(Z > z - d / s) + P(Z < -z - d / s)``, where s is the standard error of the difference by artists and z = 1.96:
J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed. (1988), section 1.5.
"""

import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.paired import PairedComparison

_LEVEL = 0.05
_DIFFERENCE = 0.05


def compute_power(standard_error: float, *, difference: float = _DIFFERENCE) -> float:
    """How often a true difference of two accuracies would be found, 0..1, by the standard error of the difference.

    Raises
    ------
    ParameterError
        If the standard error is not above 0.
    """
    if not standard_error > 0:
        raise ParameterError(f"a standard error of {standard_error}; wanted one above 0")
    bound, shift = scipy.stats.norm.isf(_LEVEL / 2), difference / standard_error
    return float(scipy.stats.norm.sf(bound - shift) + scipy.stats.norm.cdf(-bound - shift))


def describe_power(comparison: PairedComparison) -> str:
    """What a comparison of so many tracks and artists can show, in a few words."""
    if not comparison.standard_error:
        return "how large a difference would be found cannot be said"
    share = 100 * compute_power(comparison.standard_error)
    return f"a difference of {100 * _DIFFERENCE:.0f} points would be found in {share:.0f} % of cases"
