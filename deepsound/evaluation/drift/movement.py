"""Which quantities, and whether containers, moved from the training tracks to a collection."""

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.drift.bins import BinnedQuantities
from deepsound.evaluation.drift.divergence import compute_p_values, compute_psi, compute_tilt

# Moved means both: more than chance, at a share of 1 % false ones among those named, and by more than a little.
_FALSE_DISCOVERY_RATE = 0.01
_SMALL_PSI, _SMALL_SHARE = 0.1, 0.1
FEWEST_TRACKS = 10
_N_PERMUTATIONS = 9999


@dataclass(frozen=True, kw_only=True)
class QuantityDrift:
    """One quantity of the collection against the training tracks.

    ``psi`` is the index beyond chance, ``p_value`` that of no drift, ``tilt`` the probability that a track lies
    above a training track; None where one side is not known. Medians are bounds, equal where the median is known,
    infinite where the outermost bin is open. ``has_moved`` means by more than chance, artists counted, and by more
    than a little.
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


def compare_bins(
    bins: BinnedQuantities, counts: np.ndarray, *, independent: tuple[float, float]
) -> tuple[QuantityDrift, ...]:
    """Quantity by quantity; ``independent`` is the share of independent tracks, of the reference and of these."""
    if counts.shape != bins.counts.shape:
        raise ParameterError(f"counts of shape {counts.shape} for a reference of shape {bins.counts.shape}")
    n_reference, n_now = (
        side.sum(axis=1) * share for side, share in zip((bins.counts, counts), independent, strict=True)
    )
    psi, p_values = (
        f(bins.counts, counts, n_reference=n_reference, n_tracks=n_now) for f in (compute_psi, compute_p_values)
    )
    tilt = compute_tilt(bins.counts, counts)
    medians, medians_before = bins.median(counts), bins.median(bins.counts)
    n_tracks = counts.sum(axis=1)
    is_named = np.zeros(len(p_values), bool)
    if len(p_values):
        is_named = scipy.stats.false_discovery_control(p_values) <= _FALSE_DISCOVERY_RATE
    has_moved = is_named & (np.nan_to_num(psi) >= _SMALL_PSI) & (n_tracks >= FEWEST_TRACKS)
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


def with_medians(drift: QuantityDrift, *, now: float | None, before: float | None) -> QuantityDrift:
    """With the medians themselves, where they are known, in the place of the bins that they lie in."""
    return replace(
        drift,
        median=drift.median if now is None else (now, now),
        median_before=drift.median_before if before is None else (before, before),
    )


def compare_containers(
    before: dict[str, int], now: dict[str, int], *, independent: tuple[float, float], seed: int
) -> ContainerDrift | None:
    """Permutation test of the shares of containers, of as many tracks as are independent.

    It is right however few tracks a container has.
    """
    names = sorted({*before, *now})
    n, m = sum(before.values()), sum(now.values())
    if not n or m < FEWEST_TRACKS:
        return None
    shares, shares_now = (
        np.array([side.get(name, 0) for name in names]) / total for side, total in ((before, n), (now, m))
    )
    observed = float(np.abs(shares - shares_now).sum() / 2)
    n_independent, m_independent = (max(round(total * s), 1) for total, s in zip((n, m), independent, strict=True))
    pooled = np.rint(n_independent * shares + m_independent * shares_now).astype(np.int64)
    # Containers that hardly occur are rounded to none: of an artist or two on either side, too little may be left.
    n_pooled = int(pooled.sum())
    if n_pooled < 2:
        return ContainerDrift(distance=observed, p_value=1.0, has_moved=False)
    m_independent = min(m_independent, n_pooled - 1)
    rng = np.random.default_rng(seed)
    of_now = rng.multivariate_hypergeometric(pooled, m_independent, size=_N_PERMUTATIONS, method="marginals")
    gaps = of_now / m_independent - (pooled - of_now) / (n_pooled - m_independent)
    drawn = np.abs(gaps).sum(axis=1) / 2
    p_value = float((1 + (drawn >= observed - 1e-12).sum()) / (1 + _N_PERMUTATIONS))
    has_moved = p_value <= _FALSE_DISCOVERY_RATE and observed >= _SMALL_SHARE
    return ContainerDrift(distance=observed, p_value=p_value, has_moved=has_moved)


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _pair_or_none(bounds: np.ndarray) -> tuple[float, float] | None:
    return None if np.isnan(bounds).any() else (float(bounds[0]), float(bounds[1]))
