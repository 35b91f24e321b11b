"""What the training tracks were like, small enough to keep in a bundle, and the counts to compare with it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.fft

from deepsound.audio.mel import hz_to_mel
from deepsound.errors import ParameterError
from deepsound.evaluation.drift.bins import BinnedQuantities, count_bins, fit_bins
from deepsound.evaluation.units import count_independent, number_units

# Columns of tracks/, the confidence of the prediction, and what can be computed from the feature.
TRACK_QUANTITIES = ("rms_dbfs", "peak", "duration_s", "sample_rate_hz")
CONFIDENCE, TREBLE = "confidence", "treble_db"
# Steps below which a difference is of no matter, whatever its index: clips of 30.00 s and of 30.01 s are as long.
_STEPS = {"rms_dbfs": 1.0, "peak": 0.02, "duration_s": 1.0, CONFIDENCE: 0.02, TREBLE: 1.0}
_TREBLE_HZ, _MIDDLE_HZ = (5000.0, 11025.0), (200.0, 2000.0)
# How deepsound's own mfcc is defined; another feature of that name has no treble that we know of.
_N_MFCC, _N_MELS, _MFCC_NYQUIST_HZ = 13, 128, 11025.0


@dataclass(frozen=True, kw_only=True)
class DriftReference:
    """The training tracks in bins.

    Attributes
    ----------
    feature : str
        Its name; the names of several, joined with ``+``.
    features : BinnedQuantities
        One quantity a dimension of each feature, called ``mfcc[0]``: the track's mean over frames and segments.
    tracks : BinnedQuantities
        What is known of ``TRACK_QUANTITIES``, ``confidence`` (of validation tracks) and, for mfcc, ``treble_db``.
    containers : dict of str to int
        Tracks in each container; empty where that is not known.
    is_rounded : bool
        Whether quantities of tracks are rounded to steps before they are counted; not in older bundles.
    medians : dict of str to float
        Of the quantities of tracks; empty in older bundles.
    n_independent : float or None
        Independent tracks among them, at least; None where artists are not known.

    Raises
    ------
    ParameterError
        If the independent tracks are not a number of 1 or more.
    """

    feature: str
    features: BinnedQuantities
    tracks: BinnedQuantities
    containers: dict[str, int]
    is_rounded: bool = False
    medians: dict[str, float] = field(default_factory=dict)
    n_independent: float | None = None

    def __post_init__(self) -> None:
        n = self.n_independent
        if n is not None and not (math.isfinite(n) and n >= 1):
            raise ParameterError(f"a drift reference of {n} independent tracks; wanted a number of 1 or more")


@dataclass(frozen=True, kw_only=True)
class DriftCounts:
    """Tracks of a collection in the bins of a reference; the counts of parts add up to those of the whole.

    ``steps`` counts tracks by quantity and its value in whole steps: a median lies in a bin, and that may be open.
    """

    features: np.ndarray
    tracks: np.ndarray
    containers: dict[str, int]
    steps: dict[tuple[str, int], int] = field(default_factory=dict)

    def median(self, name: str) -> float | None:
        """Median of a quantity of tracks, to a step; None where it is not known."""
        counted = sorted((place, n) for (of, place), n in self.steps.items() if of == name)
        places, n_tracks = [place for place, _ in counted], np.cumsum([n for _, n in counted])
        if not counted:
            return None
        return float(places[int(np.searchsorted(n_tracks, (n_tracks[-1] + 1) // 2))] * _STEPS.get(name, 1.0))


def build_reference(
    feature: str,
    *,
    feature_means: np.ndarray,
    columns: Mapping[str, np.ndarray],
    confidences: np.ndarray,
    containers: Iterable[str | None] = (),
    artists: Sequence[str | None] | None = None,
    n_dims: Sequence[int] | None = None,
) -> DriftReference:
    """Bins from the training tracks.

    Parameters
    ----------
    feature : str
        A name, or several joined with ``+``.
    feature_means : np.ndarray [shape=(n_tracks, n_dims of all), float]
        Means of each track's features over frames and segments.
    columns : mapping of str to np.ndarray [shape=(n_tracks,), float]
        Those of ``TRACK_QUANTITIES`` that are known; NaN where a track's value is not.
    confidences : np.ndarray [shape=(n_validation_tracks,), float]
    n_dims : sequence of int, or None
        Dimensions of each of several features; None of a single one.

    Raises
    ------
    ParameterError
        If there is not one artist a track.
    """
    if artists is not None and len(artists) != len(feature_means):
        raise ParameterError(f"{len(artists)} artists of {len(feature_means)} training tracks; wanted one each")
    known = {name: columns[name] for name in TRACK_QUANTITIES if name in columns}
    sizes = feature_means.shape[1:] if n_dims is None else n_dims
    names = [f"{name}[{dim}]" for name, n in zip(feature.split("+"), sizes, strict=True) for dim in range(n)]
    of_mfcc = _pick_mfcc(feature_means, names)
    if of_mfcc.shape[1] == _N_MFCC:
        known[TREBLE] = compute_treble(of_mfcc)
    known[CONFIDENCE] = confidences
    values = np.full((max(map(len, known.values())), len(known)), np.nan)
    for column, of_tracks in zip(values.T, known.values(), strict=True):
        column[: len(of_tracks)] = of_tracks
    _round_columns(values, tuple(known))
    return DriftReference(
        feature=feature,
        features=fit_bins(feature_means, names=names),
        tracks=fit_bins(values, names=tuple(known)),
        containers=_count_names(containers),
        is_rounded=True,
        medians={
            name: float(np.median(column[np.isfinite(column)]))
            for name, column in known.items()
            if np.isfinite(column).any()
        },
        n_independent=count_independent(number_units(artists)) if artists else None,
    )


def count_tracks(
    reference: DriftReference,
    *,
    feature_means: np.ndarray,
    columns: Mapping[str, np.ndarray],
    containers: Iterable[str | None] = (),
) -> DriftCounts:
    """Tracks of a collection, or of a part of one, in the reference's bins.

    Parameters are those of :func:`build_reference`; ``columns`` holds ``confidence`` too, and what is missing or
    NaN is not counted.
    """
    if feature_means.ndim != 2:
        raise ParameterError(f"feature means of shape {feature_means.shape}; wanted (n_tracks, n_dims)")
    known = dict(columns)
    if TREBLE in reference.tracks.names:
        known[TREBLE] = compute_treble(_pick_mfcc(feature_means, reference.features.names))
    values = np.full((len(feature_means), len(reference.tracks.names)), np.nan)
    for column, name in zip(values.T, reference.tracks.names, strict=True):
        if name in known:
            column[:] = known[name]
    if reference.is_rounded:
        _round_columns(values, reference.tracks.names)
    return DriftCounts(
        features=count_bins(feature_means, reference.features),
        tracks=count_bins(values, reference.tracks),
        containers=_count_names(containers),
        steps=_count_steps(values, reference.tracks.names),
    )


def compute_treble(mfcc_means: np.ndarray) -> np.ndarray:
    """How far the treble (5 to 11 kHz) lies above the middle (0.2 to 2 kHz), in dB [shape=(n_tracks,)].

    The inverse cosine transform of 13 MFCC means [shape=(n_tracks, 13)] gives the smoothed log-mel spectrum back.
    Old MP3 encoders, telephones and worn tapes cut the treble off.
    """
    if mfcc_means.shape[1:] != (_N_MFCC,):
        raise ParameterError(f"MFCC means of shape {mfcc_means.shape}; wanted (n_tracks, {_N_MFCC})")
    bands_db = scipy.fft.idct(mfcc_means.astype(np.float64), type=2, n=_N_MELS, axis=1, norm="ortho")
    treble, middle = (bands_db[:, _bands_between(*range_hz)].mean(axis=1) for range_hz in (_TREBLE_HZ, _MIDDLE_HZ))
    difference: np.ndarray = treble - middle
    return difference


def _pick_mfcc(feature_means: np.ndarray, names: Sequence[str]) -> np.ndarray:
    return feature_means[:, [name.startswith("mfcc[") for name in names]]


def _round_columns(values: np.ndarray, names: Sequence[str]) -> None:
    for column, name in zip(values.T, names, strict=True):
        if name in _STEPS:
            column[:] = np.round(column / _STEPS[name]) * _STEPS[name]


def _count_steps(values: np.ndarray, names: Sequence[str]) -> dict[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for column, name in zip(values.T, names, strict=True):
        steps = np.round(column[np.isfinite(column)] / _STEPS.get(name, 1.0))
        counts |= {
            (name, int(place)): int(n) for place, n in zip(*np.unique(steps, return_counts=True), strict=True)
        }
    return counts


def _bands_between(low_hz: float, high_hz: float) -> slice:
    """Mel bands whose centres lie in a range."""
    centres_mel = np.arange(1, _N_MELS + 1) / (_N_MELS + 1) * hz_to_mel(np.asarray(_MFCC_NYQUIST_HZ))
    first, last = np.searchsorted(centres_mel, hz_to_mel(np.array([low_hz, high_hz])))
    return slice(int(first), int(last))


def _count_names(names: Iterable[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
