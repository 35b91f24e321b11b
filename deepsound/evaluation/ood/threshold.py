"""From which score on a track is called out-of-distribution, and what the tracks it was set on can promise."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.units import check_units, count_independent

# Enough to draw a histogram of home by, or to hold a collection against it, at 10 kB in a bundle.
_MAX_HOME_SCORES = 512


@dataclass(frozen=True, kw_only=True)
class OodRule:
    """Which score decides, and from where on.

    Attributes
    ----------
    score : str
        The one that decides, of those in ``thresholds``.
    thresholds : mapping
        Score to threshold: a track whose mean over its segments lies above is called out-of-distribution.
    false_alarm_rate : float
        Share of in-distribution tracks that may be called so.
    n_tracks : int or None
        Held-out tracks that the thresholds were set on; None in bundles of format 1.
    home_scores : tuple of float, or None
        Their values of the score that decides, rising; of more than 512, as many at even steps of rank. None in
        old bundles.
    home_units : tuple of int, or None
        The artist of each of these; None where artists are not known.
    n_independent : float or None
        Independent tracks among the held-out ones, at least; None where artists are not known.

    Raises
    ------
    ParameterError
        If the score that decides has no threshold, a threshold or a held-out score is not finite, held-out scores
        do not rise, are none or have not an artist each, or the independent tracks are not a number of 1 or more.

    Notes
    -----
    A threshold is the conformal quantile of n held-out scores: of rank ``ceil((n + 1) (1 - rate))``, at most the
    highest. A new exchangeable track lies above it with probability ``expected_rate``; given the n tracks, the
    true rate has a beta distribution, taken here of as many tracks as are independent: in simulations it stays
    below ``highest_rate`` in 94 % of cases or more. Sources: V. Vovk, A. Gammerman and G. Shafer, Algorithmic
    Learning in a Random World, 2005, section 2.2; V. Vovk, "Conditional validity of inductive conformal
    predictors", ACML 2012, proposition 2.
    """

    score: str
    thresholds: Mapping[str, float] = field(hash=False)
    false_alarm_rate: float
    n_tracks: int | None
    home_scores: tuple[float, ...] | None = field(default=None, hash=False)
    home_units: tuple[int, ...] | None = field(default=None, hash=False)
    n_independent: float | None = None

    def __post_init__(self) -> None:
        if self.score not in self.thresholds or not all(map(math.isfinite, self.thresholds.values())):
            raise ParameterError(f"a rule on the score {self.score!r} with the thresholds {dict(self.thresholds)}")
        n = self.n_independent
        if n is not None and not (math.isfinite(n) and n >= 1):
            raise ParameterError(f"a rule by {n} independent tracks; wanted a number of 1 or more")
        home = self.home_scores
        if self.home_units is not None:
            check_units(np.asarray(self.home_units), n_tracks=len(home or ()))
        if home is None:
            return
        if not home or not all(map(math.isfinite, home)) or any(a > b for a, b in itertools.pairwise(home)):
            raise ParameterError(
                f"a rule with {len(home)} scores of home; wanted at least one, all finite, in rising order"
            )

    @property
    def threshold(self) -> float:
        """That of the score that decides."""
        return self.thresholds[self.score]

    @property
    def expected_rate(self) -> float | None:
        """Share of new tracks of home that will be called out-of-distribution, on average; None if unknown."""
        if self.n_tracks is None:
            return None
        return self._n_above / (self.n_tracks + 1)

    @property
    def highest_rate(self) -> float | None:
        """What the share stays below with 95 % confidence in the luck of the artists; None if unknown."""
        if self.n_tracks is None:
            return None
        n_independent = min(self.n_independent or self.n_tracks, self.n_tracks)
        # As large a part of fewer tracks; with all of an artist alike, no less than the highest of them.
        n_above = max(self._n_above / (self.n_tracks + 1) * (n_independent + 1), 1.0)
        return float(scipy.stats.beta.ppf(0.95, n_above, n_independent + 1 - n_above))

    def describe(self) -> str:
        """What may be expected of it, in one sentence."""
        rate = self.false_alarm_rate if self.expected_rate is None else self.expected_rate
        return f"of tracks like those of training, about {100 * rate:.0f} % will be called out-of-distribution"

    @property
    def _n_above(self) -> int:
        n_tracks = self.n_tracks or 0
        return n_tracks + 1 - _rank(n_tracks, self.false_alarm_rate)


def fit_rule(
    scores: Mapping[str, np.ndarray], *, decides: str, false_alarm_rate: float, units: np.ndarray | None = None
) -> OodRule:
    """Thresholds from in-distribution tracks that the model was not trained on.

    Parameters
    ----------
    scores : mapping
        Name of a score to its values [shape=(n_tracks,), float].
    decides : str
        The score that the rule goes by.
    units : np.ndarray [shape=(n_tracks,), int64], or None
        Artists, where they are known.

    Raises
    ------
    ParameterError
        From :func:`fit_threshold`, or if the score that decides is not there, or there is not one unit a track.
    """
    thresholds = {
        name: fit_threshold(values, false_alarm_rate=false_alarm_rate) for name, values in scores.items()
    }
    n_tracks = {len(values) for values in scores.values()}
    if len(n_tracks) != 1:
        raise ParameterError(f"scores of {sorted(n_tracks)} tracks; wanted every score of the same tracks")
    if decides not in scores:
        raise ParameterError(f"a rule on the score {decides!r}, which is none of {sorted(scores)}")
    kept = _thin(scores[decides])
    units = None if units is None else check_units(units, n_tracks=n_tracks.pop())
    return OodRule(
        score=decides,
        thresholds=thresholds,
        false_alarm_rate=false_alarm_rate,
        n_tracks=len(scores[decides]),
        home_scores=tuple(scores[decides][kept].astype(np.float64).tolist()),
        home_units=None if units is None else tuple(np.unique(units[kept], return_inverse=True)[1].tolist()),
        n_independent=None if units is None else count_independent(units),
    )


def fit_threshold(in_distribution_scores: np.ndarray, *, false_alarm_rate: float) -> float:
    """The conformal quantile of held-out scores [shape=(n_tracks,), float]; see :class:`OodRule`.

    Raises
    ------
    ParameterError
        If there is no score, one is not finite, or the rate is not in (0, 1).
    """
    n_tracks = len(in_distribution_scores)
    if not n_tracks or not 0 < false_alarm_rate < 1 or not np.isfinite(in_distribution_scores).all():
        raise ParameterError(
            f"threshold from {n_tracks} scores at a false-alarm rate of {false_alarm_rate}; "
            "wanted at least one score, all finite, and a rate in (0, 1)"
        )
    return float(np.sort(in_distribution_scores)[_rank(n_tracks, false_alarm_rate) - 1])


def _thin(scores: np.ndarray) -> np.ndarray:
    """Positions of the scores in rising order, of more than 512 as many at even steps of rank."""
    n_kept = min(len(scores), _MAX_HOME_SCORES)
    ranks = np.round(np.linspace(0, len(scores) - 1, n_kept)).astype(int)
    kept: np.ndarray = np.argsort(scores, kind="stable")[ranks]
    return kept


def _rank(n_tracks: int, false_alarm_rate: float) -> int:
    return max(1, min(n_tracks, _ceil((n_tracks + 1) * (1 - false_alarm_rate))))


def _ceil(value: float) -> int:
    # 20 * 0.95 is 19, whatever floats make of it.
    return math.ceil(round(value, 9))
