"""How well a score tells foreign tracks from those of home; the higher the score, the farther from home.

AUROC is the probability that a foreign track has a higher score than one of home, ties counting half: Mann and
Whitney's statistic over the number of pairs. The false-positive rate at 95 % true positives (FPR95) is the share
of foreign tracks that pass for home where the threshold lets 95 % of home pass.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.optimize
import scipy.stats

from deepsound.errors import ParameterError

SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")
_HOME_KEPT = 0.95
_FEWEST_HOME = 20
_N_DRAWS = 10_000
_NEARLY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How well a score detects foreign tracks.

    ``*_low`` and ``*_high`` bound 95 % intervals. ``fpr95`` is None with fewer than 20 tracks of home.
    """

    n_home: int
    n_foreign: int
    auroc: float
    auroc_low: float
    auroc_high: float
    fpr95: float | None
    fpr95_low: float | None
    fpr95_high: float | None


def evaluate_detection(home: np.ndarray, foreign: np.ndarray) -> Detection:
    """Every figure of a score, on tracks that the model was not trained on.

    Parameters
    ----------
    home, foreign : np.ndarray [shape=(n_tracks,), float]
        Scores of tracks of home and of foreign ones.

    Raises
    ------
    ParameterError
        If there is no track of home or no foreign one, or a score is not a number.
    """
    _check(home, foreign)
    ordered = np.sort(home)
    counts = [np.bincount(np.searchsorted(ordered, foreign, s), minlength=len(home) + 1) for s in SIDES]
    return detection_from_ranks(*counts)


def detection_from_ranks(n_by_rank_below: np.ndarray, n_by_rank_up_to: np.ndarray) -> Detection:
    """Every figure, from foreign tracks counted by where they stand among those of home.

    Parameters
    ----------
    n_by_rank_below, n_by_rank_up_to : np.ndarray [shape=(n_home + 1,), int]
        Foreign tracks by the number of home's scores that are lower than theirs, and that are no higher:
        ``np.searchsorted`` on the :data:`SIDES`. Counts of parts add up to those of the whole.

    Raises
    ------
    ParameterError
        If there is no track of home or no foreign one, or the two count different tracks.
    """
    n_home, n_foreign = len(n_by_rank_below) - 1, int(n_by_rank_below.sum())
    if n_home < 1 or n_foreign < 1 or n_by_rank_below.shape != n_by_rank_up_to.shape:
        raise ParameterError(f"{n_foreign} foreign tracks by rank among {n_home} of home; wanted some of each")
    if n_by_rank_up_to.sum() != n_foreign:
        raise ParameterError(f"{n_by_rank_up_to.sum()} foreign tracks on one side, {n_foreign} on the other")
    ranks = np.arange(n_home + 1)
    auroc = float(((n_by_rank_below + n_by_rank_up_to) @ ranks) / (2 * n_home * n_foreign))
    auroc_low, auroc_high = auroc_interval(auroc, n_home=n_home, n_foreign=n_foreign)
    # A track passes the k-th lowest score of home if fewer than k of home's are lower.
    n_passing = np.concatenate([[0], np.cumsum(n_by_rank_below[:-1])])
    fpr95, fpr95_low, fpr95_high = _fpr95(n_passing, n_foreign=n_foreign) or (None, None, None)
    return Detection(
        n_home=n_home,
        n_foreign=n_foreign,
        auroc=auroc,
        auroc_low=auroc_low,
        auroc_high=auroc_high,
        fpr95=fpr95,
        fpr95_low=fpr95_low,
        fpr95_high=fpr95_high,
    )


def compute_auroc(home: np.ndarray, foreign: np.ndarray) -> float:
    """Area under the receiver operating characteristic; parameters and errors as :func:`evaluate_detection`."""
    _check(home, foreign)
    ranks = scipy.stats.rankdata(np.concatenate([home, foreign]))
    n_foreign = len(foreign)
    above = ranks[len(home) :].sum() - n_foreign * (n_foreign + 1) / 2
    return float(above / (len(home) * n_foreign))


def auroc_interval(auroc: float, *, n_home: int, n_foreign: int) -> tuple[float, float]:
    """95 % score interval of an AUROC.

    The values A with ``|auroc - A| <= z sd(A)``, the variance of Hanley and McNeil taken at A and with both sample
    sizes replaced by their mean. Unlike DeLong's interval it has a width where the two sets do not overlap (an
    AUROC of 1), and it stays inside 0..1. Tracks are taken as independent, which those of one artist are not.

    Sources: R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
    Part 2", Stat. Med. 25 (2006) 559-573, method 5; J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29-36.

    Raises
    ------
    ParameterError
        If there is no track of either kind, or the AUROC is not in 0..1.
    """
    if n_home < 1 or n_foreign < 1 or not 0 <= auroc <= 1:
        raise ParameterError(f"interval of an AUROC of {auroc} on {n_home} tracks of home and {n_foreign} foreign")
    z = float(scipy.stats.norm.ppf(0.975))
    half_less_one = (n_home + n_foreign) / 2 - 1

    def excess(area: float) -> float:
        """Above 0 where the area is too far from the AUROC."""
        spread = 1 + half_less_one * ((1 - area) / (2 - area) + area / (1 + area))
        return (auroc - area) ** 2 - z * z * area * (1 - area) * spread / (n_home * n_foreign)

    # At 0 and at 1 the spread is 0 too, so a bound would be found there that is none.
    low = scipy.optimize.brentq(excess, 0.0, min(auroc, 1 - _NEARLY)) if auroc > 0 else 0.0
    high = scipy.optimize.brentq(excess, max(auroc, _NEARLY), 1.0) if auroc < 1 else 1.0
    return float(low), float(high)


def compute_fpr95(home: np.ndarray, foreign: np.ndarray, *, seed: int = 0) -> tuple[float, float, float] | None:
    """FPR95 with its 95 % interval: (value, low, high); parameters and errors as :func:`evaluate_detection`.

    Two things are uncertain: where 95 % of home end, and the share of foreign tracks below it. The interval is
    that of 10,000 draws of both: the quantile's rank among the tracks of home is binomial, and given the
    quantile, the share has the beta distribution of Jeffreys' interval (L. D. Brown, T. T. Cai and A. DasGupta,
    "Interval estimation for a binomial proportion", Stat. Sci. 16 (2001) 101-133). From 20 tracks of home on it
    holds the truth in 90 to 99 % of cases; of fewer, nobody knows where 95 % end, and the figure is None.
    """
    _check(home, foreign)
    n_passing = np.searchsorted(np.sort(foreign), np.sort(home), side="right")
    return _fpr95(np.concatenate([[0], n_passing]), n_foreign=len(foreign), seed=seed)


def _fpr95(n_passing: np.ndarray, *, n_foreign: int, seed: int = 0) -> tuple[float, float, float] | None:
    """From how many foreign tracks pass no score of home, its lowest, and so on [shape=(n_home + 1,)]."""
    n_home = len(n_passing) - 1
    if n_home < _FEWEST_HOME:
        return None
    value = n_passing[math.ceil(round(_HOME_KEPT * n_home, 9))] / n_foreign
    rng = np.random.default_rng(seed)
    # The quantile lies between two neighbours in rank: at one or the other, by a coin.
    ranks = rng.binomial(n_home, _HOME_KEPT, size=_N_DRAWS) + rng.integers(0, 2, size=_N_DRAWS)
    passing = n_passing[np.minimum(ranks, n_home)]
    low, high = np.quantile(rng.beta(passing + 0.5, n_foreign - passing + 0.5), [0.025, 0.975])
    return float(value), min(float(low), float(value)), max(float(high), float(value))


def _check(home: np.ndarray, foreign: np.ndarray) -> None:
    if not len(home) or not len(foreign):
        raise ParameterError(
            f"{len(home)} tracks of home against {len(foreign)} foreign ones; wanted some of each"
        )
    if np.isnan(home).any() or np.isnan(foreign).any():
        raise ParameterError("a score is NaN; did a track fail?")
