"""A collection against the training tracks, in numbers and in words."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from deepsound.console import to_plain_number
from deepsound.evaluation.drift.movement import (
    FEWEST_TRACKS,
    ContainerDrift,
    QuantityDrift,
    compare_bins,
    compare_containers,
    with_medians,
)
from deepsound.evaluation.drift.reference import (
    CONFIDENCE,
    TREBLE,
    DriftCounts,
    DriftReference,
    count_tracks,
)
from deepsound.evaluation.units import check_units, count_independent

_LARGE_PSI = 0.25

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
class DriftReport:
    """What has moved between the training tracks and a collection.

    Attributes
    ----------
    n_units : int or None
        Artists of the collection, and tracks of unknown ones; None where each track is its own.
    containers : ContainerDrift or None
        None where they are not known, or the tracks are too few.
    words : tuple of str
        One line for each thing that moved, the general one first, and what it was told by last.
    """

    n_tracks: int
    n_reference: int
    features: tuple[QuantityDrift, ...]
    tracks: tuple[QuantityDrift, ...]
    containers: ContainerDrift | None
    words: tuple[str, ...]
    n_units: int | None = None

    @property
    def has_drifted(self) -> bool:
        """Whether anything moved."""
        has_other_containers = self.containers is not None and self.containers.has_moved
        return has_other_containers or any(drift.has_moved for drift in (*self.features, *self.tracks))


def compare_tracks(
    reference: DriftReference,
    *,
    feature_means: np.ndarray,
    columns: Mapping[str, np.ndarray],
    containers: Iterable[str | None] = (),
    units: np.ndarray | None = None,
    seed: int = 0,
) -> DriftReport:
    """Hold tracks, all of a collection or a sample of them, against the reference.

    Parameters and errors are those of ``count_tracks`` and :func:`compare`;
    ``units`` [shape=(n_tracks,), int64] are artists, None for each track as its own.
    """
    counts = count_tracks(reference, feature_means=feature_means, columns=columns, containers=containers)
    if units is None:
        return compare(reference, counts, seed=seed)
    units = check_units(units, n_tracks=len(feature_means))
    n_units = len(np.unique(units))
    # Where each track is its own unit, no artist has two, or none is known: there is nothing to say of artists.
    said = n_units if n_units < len(units) else None
    return compare(reference, counts, n_independent=count_independent(units), n_units=said, seed=seed)


def compare(
    reference: DriftReference,
    counts: DriftCounts,
    *,
    n_independent: float | None = None,
    n_units: int | None = None,
    seed: int = 0,
) -> DriftReport:
    """Hold a collection's counts against the reference.

    A quantity has moved if its index beyond chance is 0.1 or more and it is named at a rate of 1 % false
    discoveries (Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300).

    Parameters
    ----------
    n_independent : float or None
        Independent tracks among those counted; None for all.
    n_units : int or None
        Artists of the collection, and tracks of unknown ones; None where each track is its own.
    seed : int
        Draws the permutations that shares of containers are held against.

    Raises
    ------
    ParameterError
        If the counts are not of this reference.
    """
    n_tracks, n_reference = (
        int(c.sum(axis=1).max(initial=0)) for c in (counts.features, reference.features.counts)
    )
    shares = _share_independent(reference.n_independent, n_reference), _share_independent(n_independent, n_tracks)
    features = compare_bins(reference.features, counts.features, independent=shares)
    tracks = tuple(
        with_medians(drift, now=counts.median(drift.name), before=reference.medians.get(drift.name))
        for drift in compare_bins(reference.tracks, counts.tracks, independent=shares)
    )
    containers = compare_containers(reference.containers, counts.containers, independent=shares, seed=seed)
    lines = [*_say_features(reference.feature, features), *(_say_quantity(d) for d in tracks if d.has_moved)]
    if containers is not None and containers.has_moved:
        lines.append(_say_containers(reference.containers, counts.containers))
    return DriftReport(
        n_tracks=n_tracks,
        n_reference=n_reference,
        features=features,
        tracks=tracks,
        containers=containers,
        words=_say_by_what(lines, n_tracks=n_tracks, n_units=n_units),
        n_units=n_units,
    )


def _share_independent(n_independent: float | None, n_tracks: int) -> float:
    return 1.0 if n_independent is None or not n_tracks else min(n_independent / n_tracks, 1.0)


def _say_by_what(lines: list[str], *, n_tracks: int, n_units: int | None) -> tuple[str, ...]:
    """What moved, or that nothing did, and how many tracks and artists that was told by."""
    if n_tracks < FEWEST_TRACKS:
        return (f"{n_tracks} tracks are too few to tell a drift by; it takes {FEWEST_TRACKS}",)
    by_what = f"{n_tracks} tracks" if n_units is None else f"{n_tracks} tracks of {n_units} artists"
    if not lines:
        return (f"no drift from the training tracks that {by_what} can show",)
    return (*lines, f"told by {by_what}") if n_units is not None else tuple(lines)


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
    now, before = describe_bounds(drift.median), describe_bounds(drift.median_before)
    return (
        f"{said}: median {what} {now} {unit}".rstrip()
        + f", {before} in training; probability {tilt:.2f} that a track lies above one in training, index "
        f"{drift.psi:.2f}"
    )


def describe_bounds(bounds: tuple[float, float] | None) -> str:
    """Where a median lies, in words: a number, or the bin that it is in."""
    if bounds is None or not any(map(math.isfinite, bounds)):
        return "unknown"
    low, high = (to_plain_number(bound, digits=4) if math.isfinite(bound) else "" for bound in bounds)
    if not low or not high:
        return f"above {low}" if low else f"up to {high}"
    return low if low == high else f"{low} to {high}"


def _say_containers(before: dict[str, int], now: dict[str, int]) -> str:
    return f"other containers: {_say_shares(now)}; {_say_shares(before)} in training"


def _say_shares(counts: dict[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{count / sum(counts.values()):.0%} {name}" for name, count in largest)
