"""A drift reference as JSON, for the bundle, and back."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepsound.errors import BundleError
from deepsound.evaluation.drift.bins import BinnedQuantities
from deepsound.evaluation.drift.reference import DriftReference


def pack_reference(reference: DriftReference) -> bytes:
    """The reference as JSON."""
    document = {
        "feature": reference.feature,
        "features": _bins_to_plain(reference.features),
        "tracks": _bins_to_plain(reference.tracks),
        "containers": reference.containers,
        "is_rounded": reference.is_rounded,
        "medians": reference.medians,
        "n_independent": reference.n_independent,
    }
    return json.dumps(document, allow_nan=False).encode()


def unpack_reference(document: Mapping[str, Any], *, n_dims: int) -> DriftReference:
    """The inverse of :func:`pack_reference`, of a document whose numbers were checked when it was read.

    Raises
    ------
    BundleError
        If it is not what was written, or not of ``n_dims`` dimensions.
    """
    try:
        # Older bundles do not know it.
        n_independent = document.get("n_independent")
        if isinstance(n_independent, bool | str):
            raise ValueError(f"{n_independent!r} independent tracks")
        reference = DriftReference(
            feature=str(document["feature"]),
            features=_bins_from_plain(document["features"]),
            tracks=_bins_from_plain(document["tracks"]),
            containers={str(name): int(n) for name, n in document["containers"].items()},
            is_rounded=bool(document.get("is_rounded", False)),
            medians={str(name): float(median) for name, median in document.get("medians", {}).items()},
            n_independent=None if n_independent is None else float(n_independent),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as exc:
        raise BundleError(f"the drift reference is damaged: {exc!r}") from exc
    if len(reference.features.names) != n_dims:
        raise BundleError(f"the drift reference has {len(reference.features.names)} dimensions; wanted {n_dims}")
    return reference


def _bins_to_plain(bins: BinnedQuantities) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "edges": row[np.isfinite(row)].tolist(),
            "counts": counts[: np.isfinite(row).sum() + 1].tolist(),
        }
        for name, row, counts in zip(bins.names, bins.edges, bins.counts, strict=True)
    ]


def _bins_from_plain(rows: list[dict[str, Any]]) -> BinnedQuantities:
    n_edges = max((len(row["edges"]) for row in rows), default=0)
    edges = np.full((len(rows), n_edges), np.inf)
    counts = np.zeros((len(rows), n_edges + 1), np.int64)
    for i, row in enumerate(rows):
        if len(row["counts"]) != len(row["edges"]) + 1 or not np.isfinite(row["edges"]).all():
            raise ValueError(f"{row['name']} has {len(row['edges'])} edges and {len(row['counts'])} counts")
        edges[i, : len(row["edges"])] = row["edges"]
        counts[i, : len(row["counts"])] = row["counts"]
    return BinnedQuantities(names=tuple(str(row["name"]) for row in rows), edges=edges, counts=counts)
