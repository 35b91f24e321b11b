"""Drift: how a collection differs from the tracks that a model was trained on, before anything is labelled.

A :class:`DriftReference` (kept in the bundle) has bins by the quantiles of the training tracks;
:func:`count_tracks` counts the tracks of a collection, part by part, in these bins; :func:`compare` says what
has moved, and :func:`compare_tracks` does both at once. Tracks of one artist count as one.
"""

from deepsound.evaluation.drift.bins import BinnedQuantities, count_bins, fit_bins
from deepsound.evaluation.drift.divergence import compute_p_values, compute_psi, compute_tilt
from deepsound.evaluation.drift.movement import QuantityDrift
from deepsound.evaluation.drift.packing import pack_reference, unpack_reference
from deepsound.evaluation.drift.reference import (
    CONFIDENCE,
    TRACK_QUANTITIES,
    DriftCounts,
    DriftReference,
    build_reference,
    compute_treble,
    count_tracks,
)
from deepsound.evaluation.drift.report import DriftReport, compare, compare_tracks, describe_bounds

__all__ = [
    "CONFIDENCE",
    "TRACK_QUANTITIES",
    "BinnedQuantities",
    "DriftCounts",
    "DriftReference",
    "DriftReport",
    "QuantityDrift",
    "build_reference",
    "compare",
    "compare_tracks",
    "compute_p_values",
    "compute_psi",
    "compute_tilt",
    "compute_treble",
    "count_bins",
    "count_tracks",
    "describe_bounds",
    "fit_bins",
    "pack_reference",
    "unpack_reference",
]
