"""Do probabilities mean what they say? Confidence against the share of right tracks.

The expected calibration error (ECE) is the mean gap between the two over 15 bins of confidence of equal width,
weighted by tracks (C. Guo et al., ICML 2017); the adaptive ECE has bins of equally many tracks (J. Nixon et al.,
"Measuring calibration in deep learning", CVPR workshops 2019). Chance makes gaps on few tracks, so beside it
stands what a perfectly calibrated model of the same confidences would show (J. Broecker and L. A. Smith,
"Increasing the reliability of reliability diagrams", Weather and Forecasting 22, 2007).

Where artists have several tracks, chance is drawn by artists: sums of an artist's errors (right less confidence)
over bins, times a random number of mean 0 and variance 1 for each artist (wild bootstrap by clusters: A. C.
Cameron, J. B. Gelbach and D. L. Miller, Rev. Econ. Stat. 90 (2008) 414-427). With normal numbers, gaps are normal
with the covariance of these sums. Tracks of equal confidence are counted together.
"""

from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.units import check_units, proportion_interval

_N_EQUAL_WIDTH = 15
_MAX_BINS, _MIN_TRACKS_A_BIN = 10, 10
_N_DRAWS = 1000
# Of more tracks the sums of bins are as good as normal, and each need not be drawn.
_MAX_EXACT = 10_000


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Tracks of about the same confidence, ``least`` to ``most``.

    ``low`` and ``high`` bound the accuracy's 95 % interval by artists.
    """

    n_tracks: int
    least: float
    most: float
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Calibration of a set of tracks.

    ``bins`` rise by confidence and hold equally many tracks, as far as tracks of equal confidence are not parted.
    ``ece`` has 15 bins of equal width, ``adaptive_ece`` these; ``adaptive_ece_by_chance`` and
    ``adaptive_ece_by_chance_high`` are its mean and 95 % quantile were the model perfectly calibrated.
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


def compute_reliability(
    confidences: np.ndarray, *, is_right: np.ndarray, units: np.ndarray | None = None, seed: int = 0
) -> Reliability:
    """Reliability of predictions.

    Parameters
    ----------
    confidences : np.ndarray [shape=(n_tracks,), float, 0..1]
        Probability of the predicted genre.
    is_right : np.ndarray [shape=(n_tracks,), bool]
    units : np.ndarray [shape=(n_tracks,), int64], or None
        Artists; None for each track as its own.
    seed : int
        Draws what chance alone would show.

    Raises
    ------
    ParameterError
        No track, different lengths, a confidence outside 0..1, or not one unit a track.
    """
    n_tracks = len(confidences)
    if not n_tracks or n_tracks != len(is_right):
        raise ParameterError(f"{n_tracks} confidences for {len(is_right)} tracks; wanted one a track")
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ParameterError("a confidence is outside 0..1; did you pass logits?")
    units = check_units(units, n_tracks=n_tracks)
    levels, positions, counts = np.unique(confidences.astype(np.float64), return_inverse=True, return_counts=True)
    right = np.bincount(positions, weights=is_right).astype(np.int64)
    bins, rng = _bin_by_rank(counts), np.random.default_rng(seed)
    of_tracks = bins[positions]
    if n_tracks <= _MAX_EXACT and len(np.unique(units)) == n_tracks:
        by_chance = _draw_gaps(levels, counts, bins, rng=rng)
    else:
        by_chance = _draw_gaps_by_unit(is_right - confidences.astype(np.float64), of_tracks, units, rng=rng)
    return Reliability(
        n_tracks=n_tracks,
        bins=tuple(
            _bin(levels[bins == i], counts[bins == i], is_right[of_tracks == i], units[of_tracks == i])
            for i in np.unique(bins)
        ),
        ece=compute_ece(levels, n_tracks=counts, n_right=right),
        adaptive_ece=_gap(levels, counts, right, bins),
        adaptive_ece_by_chance=float(by_chance.mean()),
        adaptive_ece_by_chance_high=float(np.quantile(by_chance, 0.95)),
    )


def compute_ece(levels: np.ndarray, *, n_tracks: np.ndarray, n_right: np.ndarray) -> float:
    """Expected calibration error in 15 bins of equal width, of tracks that were counted by confidence.

    Parameters
    ----------
    levels : np.ndarray [shape=(n_levels,), float, 0..1]
    n_tracks, n_right : np.ndarray [shape=(n_levels,), int]
    """
    bins = np.minimum((levels * _N_EQUAL_WIDTH).astype(int), _N_EQUAL_WIDTH - 1)
    return _gap(levels, n_tracks, n_right, bins)


def _bin_by_rank(counts: np.ndarray) -> np.ndarray:
    """Which of the bins of equally many tracks each level lies in, levels rising [shape=(n_levels,), int]."""
    n_tracks = int(counts.sum())
    n_bins = int(np.clip(n_tracks // _MIN_TRACKS_A_BIN, 1, _MAX_BINS))
    twice_the_middle = 2 * np.cumsum(counts) - counts - 1
    bins: np.ndarray = twice_the_middle * n_bins // (2 * n_tracks)
    return bins


def _draw_gaps(
    levels: np.ndarray, counts: np.ndarray, bins: np.ndarray, *, rng: np.random.Generator
) -> np.ndarray:
    """The gaps of a perfectly calibrated model, one for each of 1,000 draws of which tracks it gets right."""

    def draw() -> np.ndarray:
        if is_single:
            # Quicker than a binomial of one track, and the numbers that scorecards of before show.
            return rng.random(len(levels)) < levels
        return rng.binomial(counts, levels)

    is_single = bool((counts == 1).all())
    return np.array([_gap(levels, counts, draw(), bins) for _ in range(_N_DRAWS)])


def _draw_gaps_by_unit(
    errors: np.ndarray, bins: np.ndarray, units: np.ndarray, *, rng: np.random.Generator
) -> np.ndarray:
    """The gaps of a calibrated model whose artists err as these do, 1,000 of them."""
    n_bins, n_units = int(bins.max()) + 1, int(units.max()) + 1
    sums = np.bincount(units * n_bins + bins, weights=errors, minlength=n_units * n_bins).reshape(n_units, n_bins)
    variances, directions = np.linalg.eigh(sums.T @ sums)
    drawn = rng.normal(size=(_N_DRAWS, n_bins)) * np.sqrt(np.maximum(variances, 0.0)) @ directions.T
    gaps: np.ndarray = np.abs(drawn).sum(axis=1) / len(errors)
    return gaps


def _bin(levels: np.ndarray, counts: np.ndarray, is_right: np.ndarray, units: np.ndarray) -> ReliabilityBin:
    n_tracks = len(is_right)
    low, high = proportion_interval(is_right, units=units, is_of_few=True)
    return ReliabilityBin(
        n_tracks=n_tracks,
        least=float(levels[0]),
        most=float(levels[-1]),
        confidence=float((counts * levels).sum() / n_tracks),
        accuracy=int(is_right.sum()) / n_tracks,
        low=low,
        high=high,
    )


def _gap(levels: np.ndarray, counts: np.ndarray, right: np.ndarray, bins: np.ndarray) -> float:
    """The sum over bins of |right - confident| per track: n_bin / n times |accuracy - mean confidence|."""
    return float(np.abs(np.bincount(bins, weights=right - counts * levels)).sum() / counts.sum())
