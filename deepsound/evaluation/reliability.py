"""Do probabilities mean what they say? Confidence against the share of right tracks.

The expected calibration error (ECE) is the mean gap between the two over bins of confidence, weighted by tracks
(C. Guo et al., ICML 2017: 15 bins of equal width). Two things make it lie on few tracks: empty and near-empty
bins, against which the adaptive ECE has bins of equally many tracks (J. Nixon et al., "Measuring calibration in
deep learning", CVPR workshops 2019); and chance, which makes gaps where there are none, so that it stands beside
what a perfectly calibrated model of the same confidences would show on as many tracks (J. Broecker and L. A.
Smith, "Increasing the reliability of reliability diagrams", Weather and Forecasting 22, 2007).
"""

from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import wilson_interval

_N_EQUAL_WIDTH = 15
_MAX_BINS, _MIN_TRACKS_A_BIN = 10, 10
_N_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Tracks of about the same confidence; ``low`` and ``high`` bound the 95 % Wilson interval of ``accuracy``."""

    n_tracks: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Calibration of a set of tracks.

    Attributes
    ----------
    bins : tuple of ReliabilityBin
        Equally many tracks each, by rising confidence.
    ece : float
        15 bins of equal width.
    adaptive_ece : float
        Of ``bins``.
    adaptive_ece_by_chance, adaptive_ece_by_chance_high : float
        Mean and 95 % quantile of ``adaptive_ece`` were the model perfectly calibrated.
    """

    n_tracks: int
    bins: tuple[ReliabilityBin, ...]
    ece: float
    adaptive_ece: float
    adaptive_ece_by_chance: float
    adaptive_ece_by_chance_high: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether so large a gap would show in less than 5 % of cases were the model calibrated."""
        return self.adaptive_ece > self.adaptive_ece_by_chance_high


def compute_reliability(confidences: np.ndarray, *, is_right: np.ndarray, seed: int = 0) -> Reliability:
    """Reliability of predictions.

    Parameters
    ----------
    confidences : np.ndarray [shape=(n_tracks,), float, 0..1]
        Probability of the predicted genre.
    is_right : np.ndarray [shape=(n_tracks,), bool]

    Raises
    ------
    ParameterError
        No track, different lengths, or a confidence outside 0..1.
    """
    if not len(confidences) or len(confidences) != len(is_right):
        raise ParameterError(f"{len(confidences)} confidences for {len(is_right)} tracks; wanted one a track")
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ParameterError("a confidence is outside 0..1; did you pass logits?")
    order = np.argsort(confidences, kind="stable")
    confidences, right = confidences[order].astype(np.float64), is_right[order].astype(np.float64)
    n_tracks = len(confidences)
    n_bins = int(np.clip(n_tracks // _MIN_TRACKS_A_BIN, 1, _MAX_BINS))
    equal_mass = np.arange(n_tracks) * n_bins // n_tracks
    equal_width = np.minimum((confidences * _N_EQUAL_WIDTH).astype(int), _N_EQUAL_WIDTH - 1)
    draws = np.random.default_rng(seed).random((_N_DRAWS, n_tracks)) < confidences
    by_chance = np.array([_gap(confidences, draw, equal_mass) for draw in draws])
    return Reliability(
        n_tracks=n_tracks,
        bins=tuple(_bin(confidences[equal_mass == i], right[equal_mass == i]) for i in range(n_bins)),
        ece=_gap(confidences, right, equal_width),
        adaptive_ece=_gap(confidences, right, equal_mass),
        adaptive_ece_by_chance=float(by_chance.mean()),
        adaptive_ece_by_chance_high=float(np.quantile(by_chance, 0.95)),
    )


def _bin(confidences: np.ndarray, right: np.ndarray) -> ReliabilityBin:
    low, high = wilson_interval(int(right.sum()), len(right))
    return ReliabilityBin(
        n_tracks=len(right),
        confidence=float(confidences.mean()),
        accuracy=float(right.mean()),
        low=low,
        high=high,
    )


def _gap(confidences: np.ndarray, right: np.ndarray, bins: np.ndarray) -> float:
    """The sum over bins of |right - confident| per track: n_bin / n times |accuracy - mean confidence|."""
    return float(np.abs(np.bincount(bins, weights=right - confidences)).sum() / len(confidences))
