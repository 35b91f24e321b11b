"""A collection against the training tracks, in numbers and in words."""

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats

from deepsound.console import to_plain_number
from deepsound.errors import ParameterError
from deepsound.evaluation.drift.bins import BinnedQuantities
from deepsound.evaluation.drift.divergence import compute_p_values, compute_psi, compute_tilt
from deepsound.evaluation.drift.reference import CONFIDENCE, TREBLE, DriftCounts, DriftReference

# Moved means both: more than chance, at a share of 1 % false ones among those named, and by more than a little.
_FALSE_DISCOVERY_RATE = 0.01
_SMALL_PSI, _LARGE_PSI = 0.1, 0.25
_SMALL_SHARE = 0.1
_FEWEST_TRACKS = 10
_N_PERMUTATIONS = 9999

# What to say where a quantity is higher and where it is lower, and its unit.
_WORDS = {
    "rms_dbfs": ("louder", "quieter", "level", "dBFS"),
    "peak": ("higher peaks", "lower peaks", "peak", "of full scale"),
    "duration_s": ("longer tracks", "shorter tracks", "duration", "s"),
    "sample_rate_hz": ("higher sample rates", "lower sample rates", "sample rate", "Hz"),
    CONFIDENCE: ("the model is surer", "the model is less sure", "confidence", ""),
    TREBLE: ("more treble", "less treble", "5-11 kHz against 0.2-2 kHz", "dB"),
}


@dataclass(frozen=True, kw_only=True)
class QuantityDrift:
    """One quantity of the collection against the training tracks.

    Attributes
    ----------
    psi : float or None
        Population stability index beyond chance; None where one side is not known.
    p_value : float
        Of no drift.
    tilt : float or None
        Probability that a track of the collection lies above a training track.
    median, median_before : (float, float) or None
        Bounds of the collection's and of the training tracks' median, equal where it is known; infinite where the
        outermost bin is open.
    has_moved : bool
        By more than chance and by more than a little.
    """

    name: str
    n_tracks: int
    psi: float | None
    p_value: float
    tilt: float | None
    median: tuple[float, float] | None
    median_before: tuple[float, float] | None
    has_moved: bool


@dataclass(frozen=True, kw_only=True)
class ContainerDrift:
    """Shares of containers: ``distance`` is the share of tracks that would have to change theirs."""

    distance: float
    p_value: float
    has_moved: bool


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What has moved between the training tracks and a collection.

    Attributes
    ----------
    n_tracks, n_reference : int
    features, tracks : tuple of QuantityDrift
    containers : ContainerDrift or None
        None where they are not known, or the tracks are too few.
    words : tuple of str
        One line for each thing that moved, the general one first.
    """

    n_tracks: int
    n_reference: int
    features: tuple[QuantityDrift, ...]
    tracks: tuple[QuantityDrift, ...]
    containers: ContainerDrift | None
    words: tuple[str, ...]

    @property
    def n_moved(self) -> int:
        """Dimensions of the feature that moved."""
        return sum(drift.has_moved for drift in self.features)

    @property
    def has_drifted(self) -> bool:
        """Whether anything moved."""
        has_other_containers = self.containers is not None and self.containers.has_moved
        return has_other_containers or any(drift.has_moved for drift in (*self.features, *self.tracks))


def compare(reference: DriftReference, counts: DriftCounts, *, seed: int = 0) -> DriftReport:
    """Hold a collection's counts against the reference.

    A quantity has moved if its index beyond chance is 0.1 or more and it is named at a rate of 1 % false
    discoveries (Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300): the first alone would name
    small collections that differ by luck, the second alone large ones that differ by nothing that matters.

    Parameters
    ----------
    counts : DriftCounts
        From :func:`~deepsound.evaluation.drift.count_tracks` with the same reference.
    seed : int
        Draws the permutations that shares of containers are held against.

    Raises
    ------
    ParameterError
        If the counts are not of this reference.
    """
    features = _compare_bins(reference.features, counts.features)
    tracks = tuple(
        _with_medians(drift, now=counts.median(drift.name), before=reference.medians.get(drift.name))
        for drift in _compare_bins(reference.tracks, counts.tracks)
    )
    n_tracks, n_reference = (
        int(c.sum(axis=1).max(initial=0)) for c in (counts.features, reference.features.counts)
    )
    containers = _compare_containers(reference.containers, counts.containers, seed=seed)
    if n_tracks < _FEWEST_TRACKS:
        lines = [f"{n_tracks} tracks are too few to tell a drift by; it takes {_FEWEST_TRACKS}"]
    else:
        lines = [*_say_features(reference.feature, features), *(_say_quantity(d) for d in tracks if d.has_moved)]
        if containers is not None and containers.has_moved:
            lines.append(_say_containers(reference.containers, counts.containers))
    return DriftReport(
        n_tracks=n_tracks,
        n_reference=n_reference,
        features=features,
        tracks=tracks,
        containers=containers,
        words=tuple(lines or [f"no drift from the training tracks that {n_tracks} tracks can show"]),
    )


def _compare_bins(bins: BinnedQuantities, counts: np.ndarray) -> tuple[QuantityDrift, ...]:
    if counts.shape != bins.counts.shape:
        raise ParameterError(f"counts of shape {counts.shape} for a reference of shape {bins.counts.shape}")
    psi, p_values, tilt = (f(bins.counts, counts) for f in (compute_psi, compute_p_values, compute_tilt))
    medians, medians_before = bins.median(counts), bins.median(bins.counts)
    n_tracks = counts.sum(axis=1)
    is_named = np.zeros(len(p_values), bool)
    if len(p_values):
        is_named = scipy.stats.false_discovery_control(p_values) <= _FALSE_DISCOVERY_RATE
    has_moved = is_named & (np.nan_to_num(psi) >= _SMALL_PSI) & (n_tracks >= _FEWEST_TRACKS)
    return tuple(
        QuantityDrift(
            name=name,
            n_tracks=int(n_tracks[i]),
            psi=_or_none(psi[i]),
            p_value=float(p_values[i]),
            tilt=_or_none(tilt[i]),
            median=_pair_or_none(medians[i]),
            median_before=_pair_or_none(medians_before[i]),
            has_moved=bool(has_moved[i]),
        )
        for i, name in enumerate(bins.names)
    )


def _with_medians(drift: QuantityDrift, *, now: float | None, before: float | None) -> QuantityDrift:
    """With the medians themselves, where they are known, in the place of the bins that they lie in."""
    return replace(
        drift,
        median=drift.median if now is None else (now, now),
        median_before=drift.median_before if before is None else (before, before),
    )


def _compare_containers(before: dict[str, int], now: dict[str, int], *, seed: int) -> ContainerDrift | None:
    """Permutation test of the shares of containers: right however few tracks a container has."""
    names = sorted({*before, *now})
    n, m = sum(before.values()), sum(now.values())
    if not n or m < _FEWEST_TRACKS:
        return None
    pooled = np.array([before.get(name, 0) + now.get(name, 0) for name in names])

    def distance(of_now: np.ndarray) -> np.ndarray:
        gaps: np.ndarray = np.abs(of_now / m - (pooled - of_now) / n).sum(axis=-1) / 2
        return gaps

    observed = float(distance(np.array([now.get(name, 0) for name in names])))
    rng = np.random.default_rng(seed)
    drawn = distance(rng.multivariate_hypergeometric(pooled, m, size=_N_PERMUTATIONS, method="marginals"))
    p_value = float((1 + (drawn >= observed - 1e-12).sum()) / (1 + _N_PERMUTATIONS))
    has_moved = p_value <= _FALSE_DISCOVERY_RATE and observed >= _SMALL_SHARE
    return ContainerDrift(distance=observed, p_value=p_value, has_moved=has_moved)


def _say_features(feature: str, drifts: tuple[QuantityDrift, ...]) -> list[str]:
    moved = [drift for drift in drifts if drift.has_moved]
    if not moved:
        return []
    farthest = max(moved, key=lambda drift: drift.psi or 0.0)
    size = "far" if (farthest.psi or 0.0) >= _LARGE_PSI else "a little"
    return [
        f"{feature} moved in {len(moved)} of {len(drifts)} dimensions; {farthest.name} farthest, "
        f"{size}: index {farthest.psi:.2f}"
    ]


def _say_quantity(drift: QuantityDrift) -> str:
    higher, lower, what, unit = _WORDS.get(drift.name, ("higher", "lower", drift.name, ""))
    tilt = drift.tilt or 0.0
    # Half of the tracks above and half below what they were: the middle stayed, the ends did not.
    said = f"{what} is spread otherwise" if abs(tilt - 0.5) < 0.1 else higher if tilt > 0.5 else lower
    return (
        f"{said}: median {what} {_say_median(drift.median)} {unit}".rstrip()
        + f", {_say_median(drift.median_before)} in training; index {drift.psi:.2f}"
    )


def _say_median(bounds: tuple[float, float] | None) -> str:
    if bounds is None or not any(map(math.isfinite, bounds)):
        return "unknown"
    low, high = bounds
    if low == high:
        return to_plain_number(low, digits=4)
    if math.isinf(low):
        return f"at most {to_plain_number(high, digits=4)}"
    return (
        f"above {to_plain_number(low, digits=4)}"
        if math.isinf(high)
        else f"about {to_plain_number((low + high) / 2, digits=4)}"
    )


def _say_containers(before: dict[str, int], now: dict[str, int]) -> str:
    return f"other containers: {_say_shares(now)}; {_say_shares(before)} in training"


def _say_shares(counts: dict[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{count / sum(counts.values()):.0%} {name}" for name, count in largest)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _pair_or_none(bounds: np.ndarray) -> tuple[float, float] | None:
    return None if np.isnan(bounds).any() else (float(bounds[0]), float(bounds[1]))
