"""Abstention: how right a model is on the tracks that it is surest of, and how many it must leave out for that.

Tracks are accepted from the most confident on. Tracks of equal confidence are accepted together; where a figure
needs single ones (a coverage of 90 % that falls among them), each of them counts with the share of right ones
among all of them, which is its mean over all orders they could come in.

Sources: R. El-Yaniv and Y. Wiener, "On the foundations of noise-free selective classification", JMLR 11 (2010);
Y. Geifman and R. El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017; the area and its
excess: Y. Geifman, G. Uziel and R. El-Yaniv, "Bias-reduced uncertainty estimation for deep neural classifiers",
ICLR 2019.
"""

import math
from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of, wilson_interval
from deepsound.evaluation.units import check_units, mean_variance

# The shares of tracks at which a curve is read off.
COVERAGES = (1.0, 0.9, 0.8, 0.5)


@dataclass(frozen=True, kw_only=True)
class CoveragePoint:
    """The tracks at or above a confidence; ``low`` and ``high`` bound the accuracy's 95 % interval by artists."""

    threshold: float
    coverage: float
    n_tracks: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CoverageCurve:
    """Accuracy against coverage.

    Attributes
    ----------
    thresholds : np.ndarray [shape=(n_levels,), float64]
        The confidences that occur, falling.
    n_accepted, n_right : np.ndarray [shape=(n_levels,), int64]
        Tracks at or above each, and how many of them are right.
    ranked_right : np.ndarray [shape=(n_tracks,), bool], or None
        Whether each track is right, from the most confident on; None where each is its own unit: intervals are
        Wilson's.
    ranked_units : np.ndarray [shape=(n_tracks,), int64], or None
        The artist of each, in the same order.
    """

    thresholds: np.ndarray
    n_accepted: np.ndarray
    n_right: np.ndarray
    ranked_right: np.ndarray | None = None
    ranked_units: np.ndarray | None = None

    @property
    def n_tracks(self) -> int:
        """All tracks."""
        return int(self.n_accepted[-1])

    @property
    def coverage(self) -> np.ndarray:
        """Share of tracks at or above each threshold [shape=(n_levels,), rising to 1]."""
        coverage: np.ndarray = self.n_accepted / self.n_tracks
        return coverage

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right ones among them [shape=(n_levels,)]."""
        accuracy: np.ndarray = self.n_right / self.n_accepted
        return accuracy

    @property
    def aurc(self) -> float:
        """Area under the risk-coverage curve: the mean, over k = 1 to n, of the risk of the k surest tracks.

        Risk is 1 - accuracy. 0 is perfect; confidences that know nothing give the risk of all tracks.
        """
        ranks = np.arange(1, self.n_tracks + 1)
        return float(np.mean(1 - self._right_among_surest(ranks) / ranks))

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy of the surest tracks that make up this share of all, rounded up to a whole track.

        Raises
        ------
        ParameterError
            If the coverage is not above 0 and at most 1.
        """
        rank = self._rank_at(coverage)
        return float(self._right_among_surest(np.array([rank]))[0] / rank)

    def interval_at(self, coverage: float) -> Interval:
        """95 % interval of :meth:`accuracy_at`, artists counted; errors as there."""
        return self._interval_of_surest(self._rank_at(coverage))

    def largest_at(self, accuracy: float) -> CoveragePoint | None:
        """The lowest threshold whose tracks are right in at least this share; None where no threshold does.

        The threshold is chosen by these tracks, so on others it will keep the accuracy in about half of all cases:
        look at ``low`` for what it can promise.
        """
        is_enough = np.flatnonzero(self.accuracy >= accuracy - 1e-12)
        return self.point(int(is_enough[-1])) if len(is_enough) else None

    def point(self, level: int) -> CoveragePoint:
        """The curve at one of its thresholds, by position; -1 is the lowest."""
        n_accepted, n_right = int(self.n_accepted[level]), int(self.n_right[level])
        low, high = self._interval_of_surest(n_accepted)
        return CoveragePoint(
            threshold=float(self.thresholds[level]),
            coverage=n_accepted / self.n_tracks,
            n_tracks=n_accepted,
            accuracy=n_right / n_accepted,
            low=low,
            high=high,
        )

    def _rank_at(self, coverage: float) -> int:
        if not 0 < coverage <= 1:
            raise ParameterError(f"accuracy at a coverage of {coverage}; wanted a share above 0 and at most 1")
        # 0.07 * 100 is 7, whatever floats make of it.
        return math.ceil(round(coverage * self.n_tracks, 9))

    def _interval_of_surest(self, rank: int) -> Interval:
        """Of the k surest tracks; those of the lowest confidence among them count with the part that is taken."""
        n_right = float(self._right_among_surest(np.array([rank]))[0])
        if self.ranked_right is None or self.ranked_units is None:
            return wilson_interval(n_right, rank)
        level = int(np.searchsorted(self.n_accepted, rank))
        first, end = (int(self.n_accepted[level - 1]) if level else 0), int(self.n_accepted[level])
        weights = np.ones(end)
        weights[first:] = (rank - first) / (end - first)
        values, units = self.ranked_right[:end].astype(np.float64), self.ranked_units[:end]
        variance, n_units = mean_variance(values, units=units, weights=weights)
        if n_units == end:
            return wilson_interval(n_right, rank)
        return interval_of(n_right / rank, variance=variance, n_units=n_units, n_tracks=rank)

    def _right_among_surest(self, ranks: np.ndarray) -> np.ndarray:
        """Mean number of right tracks among the k surest, for each k."""
        n_accepted, n_right = (np.concatenate([[0], counts]) for counts in (self.n_accepted, self.n_right))
        among: np.ndarray = np.interp(ranks, n_accepted, n_right)
        return among


def compute_coverage(
    confidences: np.ndarray, *, is_right: np.ndarray, units: np.ndarray | None = None
) -> CoverageCurve:
    """The curve of labelled tracks.

    Parameters
    ----------
    confidences : np.ndarray [shape=(n_tracks,), float]
        Higher is surer.
    is_right : np.ndarray [shape=(n_tracks,), bool]
    units : np.ndarray [shape=(n_tracks,), int64], or None
        Artists; None for each track as its own.

    Raises
    ------
    ParameterError
        No track, different lengths, a confidence that is not a number, or not one unit a track.
    """
    if confidences.shape != is_right.shape or confidences.ndim != 1:
        raise ParameterError(
            f"confidences of shape {confidences.shape} for {is_right.shape} tracks; wanted one each"
        )
    levels, positions, n_tracks = np.unique(confidences, return_inverse=True, return_counts=True)
    if not len(levels) or not np.isfinite(levels).all():
        raise ParameterError(f"a coverage curve of {len(levels)} confidences; wanted one or more, all finite")
    n_right = np.bincount(positions, weights=is_right.astype(np.float64))
    units = check_units(units, n_tracks=len(confidences))
    has_artists = np.count_nonzero(np.bincount(units)) < len(units)
    order = np.argsort(-confidences, kind="stable")
    return CoverageCurve(
        thresholds=levels[::-1].astype(np.float64),
        n_accepted=np.cumsum(n_tracks[::-1]),
        n_right=np.cumsum(n_right[::-1]).astype(np.int64),
        ranked_right=is_right[order].astype(bool) if has_artists else None,
        ranked_units=units[order] if has_artists else None,
    )
