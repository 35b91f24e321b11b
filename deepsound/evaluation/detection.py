"""How well a score tells out-of-distribution tracks from in-distribution ones; the former should score higher.

AUROC is the probability that an out-of-distribution track has a higher score than an in-distribution one, ties
counting half: Mann and Whitney's statistic over the number of pairs. The false-positive rate at 95 % true
positives (FPR95) is the share of out-of-distribution tracks that pass where the threshold lets 95 % of the others
pass.

Intervals count artists, not tracks. In names, ``home`` is in-distribution and ``foreign`` out-of-distribution.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of
from deepsound.evaluation.units import check_units, count_effective, mean_variance

_HOME_KEPT = 0.95
_FEWEST_HOME = 20
_N_DRAWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score detects out-of-distribution tracks (foreign) among in-distribution ones (home).

    ``*_low`` and ``*_high`` bound 95 % intervals. ``fpr95`` is None with fewer than 20 artists of home.
    """

    n_home: int
    n_foreign: int
    auroc: float
    auroc_low: float
    auroc_high: float
    fpr95: float | None
    fpr95_low: float | None
    fpr95_high: float | None


def evaluate_detection(
    home: np.ndarray,
    foreign: np.ndarray,
    *,
    home_units: np.ndarray | None = None,
    foreign_units: np.ndarray | None = None,
) -> Detection:
    """Every figure of a score, on tracks that the model was not trained on.

    Parameters
    ----------
    home, foreign : np.ndarray [shape=(n_tracks,), float]
        Scores of in-distribution tracks and of out-of-distribution ones.
    home_units, foreign_units : np.ndarray [shape=(n_tracks,), int64], or None
        Their artists; None for each track as its own.

    Raises
    ------
    ParameterError
        If there is no track of either kind, a score is not a number, or there is not one unit a track.
    """
    home_units = check_units(home_units, n_tracks=len(home))
    foreign_units = check_units(foreign_units, n_tracks=len(foreign))
    auroc = compute_auroc(home, foreign)
    low, high = clustered_auroc_interval(home, foreign, home_units=home_units, foreign_units=foreign_units)
    fpr95 = compute_fpr95(home, foreign, home_units=home_units, foreign_units=foreign_units)
    return Detection(
        n_home=len(home),
        n_foreign=len(foreign),
        auroc=auroc,
        auroc_low=low,
        auroc_high=high,
        fpr95=fpr95 and fpr95[0],
        fpr95_low=fpr95 and fpr95[1],
        fpr95_high=fpr95 and fpr95[2],
    )


def compute_auroc(home: np.ndarray, foreign: np.ndarray) -> float:
    """Area under the receiver operating characteristic; parameters and errors as :func:`evaluate_detection`."""
    _check(home, foreign)
    ranks = scipy.stats.rankdata(np.concatenate([home, foreign]))
    n_foreign = len(foreign)
    above = ranks[len(home) :].sum() - n_foreign * (n_foreign + 1) / 2
    return float(above / (len(home) * n_foreign))


def clustered_auroc_interval(
    home: np.ndarray, foreign: np.ndarray, *, home_units: np.ndarray, foreign_units: np.ndarray
) -> Interval:
    """95 % interval of an AUROC, where tracks of one artist are alike; errors as :func:`evaluate_detection`.

    A track's placement is the share of the other kind's tracks that it stands above; the variance of the AUROC is
    the sum of both kinds' variances of mean placements, by artists. Wilson's interval at the number of tracks that
    this variance would be of; where nothing varies, at the fewer artists of both.

    Notes
    -----
    Sources: N. A. Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997) 567-578,
    without artists that are of both kinds; E. R. DeLong, D. M. DeLong and D. L. Clarke-Pearson, Biometrics 44
    (1988) 837-845; degrees of freedom by F. E. Satterthwaite, Biometrics Bull. 2 (1946) 110-114.
    """
    _check(home, foreign)
    auroc = compute_auroc(home, foreign)
    home_variance, n_home = _placement_variance(home, foreign, home_units)
    foreign_variance, n_foreign = _placement_variance(foreign, home, foreign_units)
    variance = home_variance + foreign_variance
    of_freedom = home_variance**2 / max(n_home - 1, 1) + foreign_variance**2 / max(n_foreign - 1, 1)
    low, high = interval_of(
        auroc,
        variance=variance,
        n_units=min(n_home, n_foreign),
        n_tracks=len(home) + len(foreign),
        n_freedom=max(int(variance**2 / of_freedom), 1) if of_freedom else None,
    )
    return min(low, auroc), max(high, auroc)


def compute_fpr95(
    home: np.ndarray,
    foreign: np.ndarray,
    *,
    home_units: np.ndarray | None = None,
    foreign_units: np.ndarray | None = None,
) -> tuple[float, float, float] | None:
    """FPR95 with its 95 % interval: (value, low, high); parameters and errors as :func:`evaluate_detection`.

    The interval is that of 10,000 draws: the rank of the 95 % quantile is binomial, and given the quantile, the
    share has the beta distribution of Jeffreys' interval (L. D. Brown, T. T. Cai and A. DasGupta, "Interval
    estimation for a binomial proportion", Stat. Sci. 16 (2001) 101-133), each at as many independent tracks as
    vary as much by artist. It is None of fewer than 20 artists; from there on it holds the truth in 90 to 99 % of
    cases.
    """
    _check(home, foreign)
    home_units = check_units(home_units, n_tracks=len(home))
    foreign_units = check_units(foreign_units, n_tracks=len(foreign))
    if len(np.unique(home_units)) < _FEWEST_HOME:
        return None
    ordered = np.sort(home)
    n_passing = np.concatenate([[0], np.searchsorted(np.sort(foreign), ordered, side="right")])
    threshold = ordered[_rank(len(home)) - 1]
    return _fpr95(
        n_passing,
        n_foreign=len(foreign),
        home_effective=count_effective(home <= threshold, units=home_units),
        foreign_effective=count_effective(foreign <= threshold, units=foreign_units),
    )


def _fpr95(
    n_passing: np.ndarray,
    *,
    n_foreign: int,
    home_effective: float,
    foreign_effective: float,
) -> tuple[float, float, float]:
    """From how many foreign tracks pass no score of home, its lowest, and so on [shape=(n_home + 1,)]."""
    n_home = len(n_passing) - 1
    value = float(n_passing[_rank(n_home)] / n_foreign)
    n_independent = round(home_effective)
    rng = np.random.default_rng(0)
    # The quantile lies between two neighbours in rank: at one or the other, by a coin.
    steps = rng.binomial(n_independent, _HOME_KEPT, size=_N_DRAWS) + rng.random(size=_N_DRAWS)
    ranks = np.rint(steps * (n_home / n_independent)).astype(np.int64)
    passing = n_passing[np.minimum(ranks, n_home)] * (foreign_effective / n_foreign)
    failing = foreign_effective - passing
    low, high = np.quantile(rng.beta(passing + 0.5, failing + 0.5), [0.025, 0.975])
    return value, min(float(low), value), max(float(high), value)


def _rank(n_home: int) -> int:
    """Which score of home, in rising order from 1, keeps 95 % of them."""
    return math.ceil(round(_HOME_KEPT * n_home, 9))


def _placement_variance(scores: np.ndarray, others: np.ndarray, units: np.ndarray) -> tuple[float, int]:
    """Variance of the mean share of others that scores stand above, by artists; and how many artists there are."""
    ordered = np.sort(others)
    below, up_to = (np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right"))
    return mean_variance((below + up_to) / (2 * len(others)), units=units)


def _check(home: np.ndarray, foreign: np.ndarray) -> None:
    if not len(home) or not len(foreign):
        raise ParameterError(
            f"{len(home)} tracks of home against {len(foreign)} foreign ones; wanted some of each"
        )
    if np.isnan(home).any() or np.isnan(foreign).any():
        raise ParameterError("a score is NaN; did a track fail?")
