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
from deepsound.evaluation.intervals import wilson_interval

# The shares of tracks at which a curve is read off.
COVERAGES = (1.0, 0.9, 0.8, 0.5)


@dataclass(frozen=True, kw_only=True)
class CoveragePoint:
    """The tracks at or above a confidence; ``low`` and ``high`` bound the accuracy's 95 % Wilson interval."""

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
    """

    thresholds: np.ndarray
    n_accepted: np.ndarray
    n_right: np.ndarray

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
        return float(np.mean(1 - self._right_among_surest(np.arange(1, self.n_tracks + 1)) / self._all_ranks()))

    @property
    def excess_aurc(self) -> float:
        """What of the area is the fault of the order: 0 where every right track is surer than every wrong one."""
        n_right = int(self.n_right[-1])
        best = np.minimum(self._all_ranks(), n_right) / self._all_ranks()
        return self.aurc - float(np.mean(1 - best))

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy of the surest tracks that make up this share of all, rounded up to a whole track.

        Raises
        ------
        ParameterError
            If the coverage is not above 0 and at most 1.
        """
        if not 0 < coverage <= 1:
            raise ParameterError(f"accuracy at a coverage of {coverage}; wanted a share above 0 and at most 1")
        # 0.07 * 100 is 7, whatever floats make of it.
        rank = math.ceil(round(coverage * self.n_tracks, 9))
        return float(self._right_among_surest(np.array([rank]))[0] / rank)

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
        low, high = wilson_interval(n_right, n_accepted)
        return CoveragePoint(
            threshold=float(self.thresholds[level]),
            coverage=n_accepted / self.n_tracks,
            n_tracks=n_accepted,
            accuracy=n_right / n_accepted,
            low=low,
            high=high,
        )

    def _all_ranks(self) -> np.ndarray:
        return np.arange(1, self.n_tracks + 1)

    def _right_among_surest(self, ranks: np.ndarray) -> np.ndarray:
        """Mean number of right tracks among the k surest, for each k."""
        n_right: np.ndarray = np.interp(ranks, [0, *self.n_accepted], [0, *self.n_right])
        return n_right


def compute_coverage(confidences: np.ndarray, *, is_right: np.ndarray) -> CoverageCurve:
    """The curve of labelled tracks.

    Parameters
    ----------
    confidences : np.ndarray [shape=(n_tracks,), float]
        Higher is surer: the probability of the predicted genre, or an out-of-distribution score with its sign
        turned.
    is_right : np.ndarray [shape=(n_tracks,), bool]

    Raises
    ------
    ParameterError
        No track, different lengths, or a confidence that is not a number.
    """
    if confidences.shape != is_right.shape or confidences.ndim != 1:
        raise ParameterError(
            f"confidences of shape {confidences.shape} for {is_right.shape} tracks; wanted one each"
        )
    levels, positions = np.unique(confidences, return_inverse=True)
    n_tracks = np.bincount(positions, minlength=len(levels))
    n_right = np.bincount(positions, weights=is_right.astype(np.float64), minlength=len(levels))
    return curve_from_counts(levels, n_tracks=n_tracks, n_right=n_right.astype(np.int64))


def curve_from_counts(levels: np.ndarray, *, n_tracks: np.ndarray, n_right: np.ndarray) -> CoverageCurve:
    """The curve of tracks that were counted by confidence: what a large collection is brought to.

    Parameters
    ----------
    levels : np.ndarray [shape=(n_levels,), float]
        Confidences, each once, in any order; rounded to three decimals, a thousand are enough for any collection.
    n_tracks, n_right : np.ndarray [shape=(n_levels,), int]
        Tracks of each, and right ones among them.

    Raises
    ------
    ParameterError
        As :func:`compute_coverage`, or counts that cannot be.
    """
    if not len(levels) or not np.isfinite(levels).all() or len(np.unique(levels)) != len(levels):
        raise ParameterError(
            f"a coverage curve of {len(levels)} confidences; wanted one or more, finite, each once"
        )
    if levels.shape != n_tracks.shape or n_tracks.shape != n_right.shape:
        raise ParameterError(
            f"{levels.shape} confidences with {n_tracks.shape} counts, {n_right.shape} of right tracks"
        )
    if (n_tracks < 1).any() or (n_right < 0).any() or (n_right > n_tracks).any():
        raise ParameterError("a confidence without a track, or with more right tracks than tracks")
    order = np.argsort(-levels)
    return CoverageCurve(
        thresholds=levels[order].astype(np.float64),
        n_accepted=np.cumsum(n_tracks[order]).astype(np.int64),
        n_right=np.cumsum(n_right[order]).astype(np.int64),
    )
