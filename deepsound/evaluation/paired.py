"""Two models on the same tracks: which of them is better, and by how much, told by artists.

Tracks of one artist are alike, so what is counted is artists (a track of unknown artist is its own unit). A unit
leans to model A by ``d``: the tracks that A alone has right less those that B alone has. Were both models equally
good, each unit could as well lean the other way, so the test is by coins: the sum of all ``d`` against the sums
under all signs that they could have (R. A. Fisher, The Design of Experiments, 1935, section 21). With each track
its own unit this is McNemar's test.

All of it comes from sums over units (:class:`PairSums`), which Spark SQL can add up at any size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.signal
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of
from deepsound.evaluation.units import check_units, without_rounding

# Beyond this many units, or a sum of leanings that no array should hold, signs are as good as normal.
_MAX_EXACT_UNITS, _MAX_EXACT_SUM = 100_000, 1_000_000


@dataclass(frozen=True, kw_only=True)
class _PairCounts:
    """Tracks by who is right; ``n_units`` are artists, and tracks of unknown ones, that all figures rest on."""

    n_both: int
    n_only_a: int
    n_only_b: int
    n_neither: int
    n_units: int

    @property
    def n_tracks(self) -> int:
        """All tracks that both were asked about."""
        return self.n_both + self.n_only_a + self.n_only_b + self.n_neither


@dataclass(frozen=True, kw_only=True)
class PairSums(_PairCounts):
    """What a comparison takes: tracks by who is right, and sums over units.

    ``nn`` to ``bb`` are sums over units of products of two of: tracks (n), right ones of model A (a) and of B (b).
    ``flips`` are units by how far they lean, to whichever side; those of 0 may be left out.
    """

    nn: int
    na: int
    nb: int
    aa: int
    ab: int
    bb: int
    flips: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class PairedComparison(_PairCounts):
    """Models A and B on the same tracks.

    ``interval_a`` and ``interval_b`` are 95 % intervals of the two accuracies; ``difference`` is A's less B's,
    with its 95 % interval and ``standard_error``, by artists. ``p_value`` is two-sided, of both being right
    equally often.
    """

    interval_a: Interval
    interval_b: Interval
    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float
    test: str = "mid-p"

    @property
    def n_discordant(self) -> int:
        """Tracks where one is right and the other wrong."""
        return self.n_only_a + self.n_only_b

    @property
    def unit(self) -> str:
        """What interval and test count: ``artist``, or ``track`` where each track is its own unit."""
        return "track" if self.n_units == self.n_tracks else "artist"

    def describe_test(self) -> str:
        """The test and what came of it, in a few words."""
        by = "" if self.unit == "track" else f", {self.n_units} artists as units"
        p = "under 0.001" if self.p_value < 0.001 else f"= {self.p_value:.3f}"
        return f"McNemar's test ({self.test}{by}): p {p}"


def compare_paired(
    is_right_a: np.ndarray, is_right_b: np.ndarray, *, units: np.ndarray | None = None
) -> PairedComparison:
    """Compare two models by the tracks that they got right.

    Parameters
    ----------
    is_right_a, is_right_b : np.ndarray [shape=(n_tracks,), bool]
        The same tracks in the same order.
    units : np.ndarray [shape=(n_tracks,), int64], or None
        Artists; None for each track as its own.

    Raises
    ------
    ParameterError
        No track, different numbers of them, or not one unit each.
    """
    return compare_pairs(sum_pairs(is_right_a, is_right_b, units=units))


def sum_pairs(is_right_a: np.ndarray, is_right_b: np.ndarray, *, units: np.ndarray | None = None) -> PairSums:
    """The sums of tracks; parameters and errors as :func:`compare_paired`."""
    n_tracks = len(is_right_a)
    if not n_tracks or n_tracks != len(is_right_b):
        raise ParameterError(
            f"{n_tracks} tracks of one model against {len(is_right_b)} of the other; "
            "wanted the same tracks, at least one"
        )
    units = check_units(units, n_tracks=n_tracks)
    a, b = is_right_a.astype(bool), is_right_b.astype(bool)
    # Whole numbers in floats: exact up to 2^53.
    n_of_unit, a_of_unit, b_of_unit = (np.bincount(units, weights=values) for values in (np.ones(n_tracks), a, b))
    leanings, counts = np.unique(np.abs(a_of_unit - b_of_unit)[n_of_unit > 0], return_counts=True)
    n_both, n_only_a, n_only_b = int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum())
    return PairSums(
        n_both=n_both,
        n_only_a=n_only_a,
        n_only_b=n_only_b,
        n_neither=n_tracks - n_both - n_only_a - n_only_b,
        n_units=int((n_of_unit > 0).sum()),
        nn=int(n_of_unit @ n_of_unit),
        na=int(n_of_unit @ a_of_unit),
        nb=int(n_of_unit @ b_of_unit),
        aa=int(a_of_unit @ a_of_unit),
        ab=int(a_of_unit @ b_of_unit),
        bb=int(b_of_unit @ b_of_unit),
        flips={int(leaning): int(count) for leaning, count in zip(leanings, counts, strict=True) if leaning},
    )


def compare_pairs(sums: PairSums) -> PairedComparison:
    """The comparison, from sums over units; raises ParameterError without a track."""
    if not sums.n_tracks:
        raise ParameterError("a comparison of two models on no track")
    interval_a, interval_b = accuracy_intervals(sums)
    low, high = difference_interval(sums)
    return PairedComparison(
        n_both=sums.n_both,
        n_only_a=sums.n_only_a,
        n_only_b=sums.n_only_b,
        n_neither=sums.n_neither,
        n_units=sums.n_units,
        interval_a=interval_a,
        interval_b=interval_b,
        difference=(sums.n_only_a - sums.n_only_b) / sums.n_tracks,
        low=low,
        high=high,
        standard_error=_standard_error(sums),
        p_value=sign_flip_test(sums.flips, difference=sums.n_only_a - sums.n_only_b),
    )


def sign_flip_test(flips: Mapping[int, int], *, difference: int) -> float:
    """Two-sided mid-p of a sum whose terms' signs are coins: ``P(|S| > s) + P(|S| = s) / 2``; 1 without terms.

    Parameters
    ----------
    flips : mapping of int to int
        How many terms there are of each size.
    difference : int
        The sum that was found.

    Notes
    -----
    Exact, by convolution of binomials, one for each size. With terms of 1 it is McNemar's mid-p: M. W. Fagerland,
    S. Lydersen and P. Laake, BMC Med. Res. Methodol. 13:91 (2013). Beyond 100,000 terms, or a largest sum of a
    million, by the normal distribution.
    """
    terms = {size: count for size, count in flips.items() if size and count}
    if not terms:
        return 1.0
    largest = sum(size * count for size, count in terms.items())
    if sum(terms.values()) > _MAX_EXACT_UNITS or largest > _MAX_EXACT_SUM:
        deviation = math.sqrt(sum(size**2 * count for size, count in terms.items()))
        return float(2 * scipy.stats.norm.sf(abs(difference) / deviation))
    # The sum is 2T - largest, T that of the terms whose coin fell on plus; T is as likely as largest - T.
    probabilities = _convolve([_binomial(size, count) for size, count in terms.items()])
    fewest = (largest - abs(difference)) // 2
    equal = float(probabilities[fewest])
    return min(2 * float(probabilities[:fewest].sum()) + equal, 1.0) if difference else 1 - equal / 2


def accuracy_intervals(sums: PairSums) -> tuple[Interval, Interval]:
    """95 % intervals of the two accuracies, by artists."""
    size = {"n_units": sums.n_units, "n_tracks": sums.n_tracks}
    interval_a, interval_b = (interval_of(p, variance=variance, **size) for p, variance in _accuracies(sums))
    return interval_a, interval_b


def difference_interval(sums: PairSums) -> Interval:
    """95 % interval of the difference between two accuracies on the same tracks.

    Wilson's intervals of both, squared and added with the correlation of the answers: R. G. Newcombe, Stat. Med.
    17 (1998) 2635-2650, method 10. Variances and correlation are by artists; with each track its own unit, this
    is Newcombe's.
    """
    (p_a, variance_a), (p_b, variance_b) = _accuracies(sums)
    covariance = _factor(sums) * (sums.ab - p_a * sums.nb - p_b * sums.na + p_a * p_b * sums.nn) / sums.n_tracks**2
    (low_a, high_a), (low_b, high_b) = accuracy_intervals(sums)
    phi = _correlate(covariance, variance_a, variance_b, spread=p_a * (1 - p_a) * p_b * (1 - p_b))

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    difference = p_a - p_b
    return (
        max(-1.0, difference - distance(p_a - low_a, high_b - p_b)),
        min(1.0, difference + distance(high_a - p_a, p_b - low_b)),
    )


def _accuracies(sums: PairSums) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both accuracies, each with its variance by artists."""
    n, factor = sums.n_tracks, _factor(sums)
    p_a, p_b = (sums.n_both + sums.n_only_a) / n, (sums.n_both + sums.n_only_b) / n
    variance_a = factor * (sums.aa - 2 * p_a * sums.na + p_a**2 * sums.nn) / n**2
    variance_b = factor * (sums.bb - 2 * p_b * sums.nb + p_b**2 * sums.nn) / n**2
    return (p_a, without_rounding(variance_a, mean=p_a)), (p_b, without_rounding(variance_b, mean=p_b))


def _standard_error(sums: PairSums) -> float:
    """Of the difference between the accuracies; the square root of both variances less twice the covariance."""
    difference, n = (sums.n_only_a - sums.n_only_b) / sums.n_tracks, sums.n_tracks
    squares = sums.aa - 2 * sums.ab + sums.bb - 2 * difference * (sums.na - sums.nb) + difference**2 * sums.nn
    return math.sqrt(without_rounding(max(_factor(sums) * squares, 0.0) / n**2, mean=0.5))


def _factor(sums: PairSums) -> float:
    """Wilson's variance of single tracks is by n; of artists, by one less."""
    return sums.n_units / (sums.n_units - 1) if 1 < sums.n_units < sums.n_tracks else 1.0


def _correlate(covariance: float, variance_a: float, variance_b: float, *, spread: float) -> float:
    """Newcombe's phi: 0 where nothing varies, and a positive one corrected for continuity.

    His correction is 1 / (2 n) of the product of both deviations; here n is the number of independent tracks.
    """
    scale = math.sqrt(variance_a * variance_b)
    if not scale or not spread:
        return 0.0
    phi = covariance / scale
    if phi > 0:
        return min(max(phi - scale / (2 * spread), 0.0), 1.0)
    return max(phi, -1.0)


def _binomial(size: int, count: int) -> np.ndarray:
    """Probabilities of sums of so many terms that are 0 or their size by a coin [shape=(size * count + 1,)]."""
    probabilities = np.zeros(size * count + 1)
    probabilities[::size] = scipy.stats.binom.pmf(np.arange(count + 1), count, 0.5)
    return probabilities


def _convolve(parts: list[np.ndarray]) -> np.ndarray:
    """Probabilities of the sum of all, the shortest put together first: artists of many sizes make many parts."""
    while len(parts) > 1:
        parts.sort(key=len, reverse=True)
        parts.append(np.maximum(scipy.signal.convolve(parts.pop(), parts.pop()), 0.0))
    return parts[0]
