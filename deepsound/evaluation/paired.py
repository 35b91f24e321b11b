"""Two models on the same tracks: which of them is better, and by how much."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, wilson_interval

# Below this many discordant tracks the exact test, from there on its mid-p.
_N_EXACT = 25


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Models A and B on the same tracks.

    Attributes
    ----------
    n_both, n_only_a, n_only_b, n_neither : int
        Tracks by who is right.
    difference : float
        Accuracy of A minus accuracy of B; ``low`` and ``high`` bound its 95 % interval.
    p_value : float
        Two-sided McNemar test that both are right equally often; ``test`` says which form of it.
    """

    n_both: int
    n_only_a: int
    n_only_b: int
    n_neither: int
    difference: float
    low: float
    high: float
    p_value: float
    test: str

    @property
    def n_tracks(self) -> int:
        """All tracks that both were asked about."""
        return self.n_both + self.n_only_a + self.n_only_b + self.n_neither

    @property
    def n_discordant(self) -> int:
        """Tracks where one is right and the other wrong: all that the test looks at."""
        return self.n_only_a + self.n_only_b


def compare_paired(is_right_a: np.ndarray, is_right_b: np.ndarray) -> PairedComparison:
    """Compare two models by the tracks that they got right.

    Parameters
    ----------
    is_right_a, is_right_b : np.ndarray [shape=(n_tracks,), bool]
        The same tracks in the same order.

    Raises
    ------
    ParameterError
        No track, or different numbers of them.
    """
    if not len(is_right_a) or len(is_right_a) != len(is_right_b):
        raise ParameterError(
            f"{len(is_right_a)} tracks of one model against {len(is_right_b)} of the other; "
            "wanted the same tracks, at least one"
        )
    a, b = is_right_a.astype(bool), is_right_b.astype(bool)
    n_both, n_only_a, n_only_b = int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum())
    n_neither = len(a) - n_both - n_only_a - n_only_b
    return compare_counts(n_both, n_only_a, n_only_b, n_neither)


def compare_counts(n_both: int, n_only_a: int, n_only_b: int, n_neither: int) -> PairedComparison:
    """The comparison of tracks that were counted by who is right.

    Raises
    ------
    ParameterError
        No track.
    """
    n_tracks = n_both + n_only_a + n_only_b + n_neither
    if not n_tracks:
        raise ParameterError("a comparison of two models on no track")
    low, high = newcombe_interval(n_both, n_only_a, n_only_b, n_neither)
    p_value, test = mcnemar_test(n_only_a, n_only_b)
    return PairedComparison(
        n_both=n_both,
        n_only_a=n_only_a,
        n_only_b=n_only_b,
        n_neither=n_neither,
        difference=(n_only_a - n_only_b) / n_tracks,
        low=low,
        high=high,
        p_value=p_value,
        test=test,
    )


def mcnemar_test(n_only_a: int, n_only_b: int) -> tuple[float, str]:
    """Two-sided McNemar test; the p value, and ``exact`` or ``mid-p``.

    Among the tracks where one model is right and the other wrong, each is as likely to be the right one, if both
    are equally good: a binomial with p = 1/2 (Q. McNemar, Psychometrika 12 (1947) 153-157). The exact test keeps
    its level whatever the numbers, but is cautious; from 25 discordant tracks on the mid-p test is taken, which
    counts half of the observed outcome's own probability. Source: M. W. Fagerland, S. Lydersen and P. Laake, BMC
    Med. Res. Methodol. 13:91 (2013), who advise against the continuity-corrected chi-squared test.
    """
    n = n_only_a + n_only_b
    fewer = min(n_only_a, n_only_b)
    if not n:
        return 1.0, "exact"
    tail = float(scipy.stats.binom.cdf(fewer, n, 0.5))
    if n < _N_EXACT:
        return min(1.0, 2 * tail), "exact"
    own = float(scipy.stats.binom.pmf(fewer, n, 0.5))
    if n_only_a == n_only_b:
        return 1 - own / 2, "mid-p"
    return 2 * tail - own, "mid-p"


def newcombe_interval(n_both: int, n_only_a: int, n_only_b: int, n_neither: int) -> Interval:
    """95 % interval of the difference between two accuracies on the same tracks.

    Wilson's intervals of both, squared and added with the correlation of the answers. Source: R. G. Newcombe,
    Stat. Med. 17 (1998) 2635-2650, method 10.
    """
    n = n_both + n_only_a + n_only_b + n_neither
    n_a, n_b = n_both + n_only_a, n_both + n_only_b
    p_a, p_b = n_a / n, n_b / n
    (low_a, high_a), (low_b, high_b) = wilson_interval(n_a, n), wilson_interval(n_b, n)
    phi = _correlation(n_both, n_only_a, n_only_b, n_neither)

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    difference = p_a - p_b
    return (
        max(-1.0, difference - distance(p_a - low_a, high_b - p_b)),
        min(1.0, difference + distance(high_a - p_a, p_b - low_b)),
    )


def _correlation(n_both: int, n_only_a: int, n_only_b: int, n_neither: int) -> float:
    """Newcombe's phi: 0 where a margin is empty, and a positive one corrected for continuity by n / 2."""
    n = n_both + n_only_a + n_only_b + n_neither
    margins = (n_both + n_only_a) * (n_only_b + n_neither) * (n_both + n_only_b) * (n_only_a + n_neither)
    if not margins:
        return 0.0
    product = n_both * n_neither - n_only_a * n_only_b
    if product > 0:
        return max(product - n / 2, 0.0) / math.sqrt(margins)
    return product / math.sqrt(margins)
