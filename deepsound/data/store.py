"""A FEATURES folder on any file system, read through pyarrow: what training needs of it, without Spark."""

import json
import posixpath
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq

from deepsound.errors import InputError, SchemaMismatchError, UnknownFeatureError

_SUMMARY_NAME = "extract.json"
_TRACK_COLUMNS = ("track_id", "content_sha256", "genre", "artist", "split", "status", "duration_s", "n_segments")
_SEGMENT_KEYS = ("track_id", "segment_index")


@dataclass(frozen=True, kw_only=True)
class FeatureSummary:
    """The parsed ``extract.json``."""

    fingerprint: str
    features: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    versions: dict[str, Any]
    counts: dict[str, int]

    def shape_of(self, feature: str) -> tuple[int, int]:
        """(n_frames, n_dims) of a declared feature."""
        n_frames, n_dims = self.spec_of(feature)["shape"]
        return int(n_frames), int(n_dims)

    def fingerprint_of(self, feature: str) -> str:
        """The feature's own fingerprint; the whole folder's where the writer declared none."""
        return str(self.spec_of(feature).get("fingerprint", self.fingerprint))

    def network_of(self, feature: str) -> str | None:
        """Where the feature's network came from; None for a feature that has none."""
        network = self.spec_of(feature).get("network")
        return None if network is None else str(network)

    def spec_of(self, feature: str) -> dict[str, Any]:
        """What the folder declares of a feature.

        Raises
        ------
        UnknownFeatureError
            Naming the features that are declared.
        """
        try:
            return self.features[feature]
        except KeyError as exc:
            declared = ", ".join(sorted(self.features)) or "none"
            raise UnknownFeatureError(f"the features declare no '{feature}'; declared: {declared}") from exc


@dataclass(frozen=True, kw_only=True)
class SegmentTable:
    """Segments of one feature, ordered by track_id and segment_index.

    Attributes
    ----------
    values : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
    track_ids : np.ndarray [shape=(n_segments,), str objects]
    """

    values: np.ndarray
    track_ids: np.ndarray


def parse_summary(text: str, *, where: str) -> FeatureSummary:
    """``extract.json`` as an object.

    Raises
    ------
    SchemaMismatchError
        Not JSON, or a key of the contract is missing.
    """
    try:
        document = json.loads(text)
        keys = ("fingerprint", "features", "settings", "versions", "counts")
        return FeatureSummary(**{key: document[key] for key in keys})
    except (ValueError, KeyError, TypeError) as exc:
        raise SchemaMismatchError(f"{where}/{_SUMMARY_NAME} is not what extract writes: {exc!r}") from exc


def read_summary(features: str) -> FeatureSummary:
    """The summary of the FEATURES folder at a path or URI.

    Raises
    ------
    InputError
        No such folder, or its extraction did not finish.
    """
    file_system, path = _locate(features)
    if file_system.get_file_info(path).type != pyarrow.fs.FileType.Directory:
        raise InputError(f"the features folder {features} does not exist")
    summary_path = posixpath.join(path, _SUMMARY_NAME)
    if file_system.get_file_info(summary_path).type != pyarrow.fs.FileType.File:
        raise InputError(
            f"{features} holds no {_SUMMARY_NAME}: it is no FEATURES folder, or its extraction did not finish"
        )
    with file_system.open_input_file(summary_path) as stream:
        return parse_summary(stream.read().decode(), where=features)


def read_tracks(features: str, *, columns: Sequence[str] = _TRACK_COLUMNS) -> pa.Table:
    """The ``tracks/`` table: one row an input file.

    Raises
    ------
    SchemaMismatchError
        If the table or a column of the contract is missing.
    """
    return _read_table(features, "tracks", list(columns))


def read_known_tracks(features: str, *, columns: Sequence[str]) -> pa.Table:
    """track_id and those of ``columns`` that the ``tracks/`` table has: not every writer knows them all.

    Raises
    ------
    SchemaMismatchError
        If the table is missing.
    """
    file_system, path = _locate(features)
    try:
        schema = pyarrow.dataset.dataset(posixpath.join(path, "tracks"), filesystem=file_system).schema
    except (OSError, pa.ArrowException) as exc:
        raise SchemaMismatchError(f"cannot read {features}/tracks: {' '.join(str(exc).split())[:200]}") from exc
    return read_tracks(features, columns=["track_id", *(name for name in columns if name in schema.names)])


def read_given_splits(features: str) -> dict[str, frozenset[str]]:
    """Every split that ``tracks/`` or ``segments/`` names of a track: one each, where the collection is sound."""
    named: dict[str, set[str]] = defaultdict(set)
    for table in ("tracks", "segments"):
        pairs = _read_table(features, table, ["track_id", "split"]).group_by(["track_id", "split"]).aggregate([])
        for track_id, split in zip(pairs["track_id"].to_pylist(), pairs["split"].to_pylist(), strict=True):
            if split is not None:
                named[track_id].add(split)
    return {track_id: frozenset(splits) for track_id, splits in named.items()}


def read_segments(features: str, *, feature: str, track_ids: Collection[str] | None = None) -> SegmentTable:
    """All segments of one declared feature, or those of some tracks.

    Raises
    ------
    UnknownFeatureError
        If ``extract.json`` does not declare the feature.
    SchemaMismatchError
        If the column is missing or a row is not of the declared shape or not finite.
    """
    shape = read_summary(features).shape_of(feature)
    wanted = None if track_ids is None else pc.field("track_id").isin(pa.array(sorted(track_ids), pa.string()))
    table = _read_table(features, "segments", [*_SEGMENT_KEYS, feature], wanted)
    table = table.sort_by([(key, "ascending") for key in _SEGMENT_KEYS])
    column = table[feature].combine_chunks()
    lengths = np.diff(column.offsets.to_numpy())
    n_values = shape[0] * shape[1]
    if column.null_count or not (lengths == n_values).all():
        raise SchemaMismatchError(f"{features}: rows of '{feature}' are not all {shape[0]} x {shape[1]} numbers")
    # flatten() honours the offsets of a slice, which .values does not.
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    values = values.reshape(-1, *shape)
    if not np.isfinite(values).all():
        raise SchemaMismatchError(f"{features}: '{feature}' holds NaN or infinite numbers")
    return SegmentTable(values=values, track_ids=table["track_id"].to_numpy())


def _read_table(features: str, name: str, columns: list[str], wanted: pc.Expression | None = None) -> pa.Table:
    file_system, path = _locate(features)
    try:
        return pq.read_table(posixpath.join(path, name), columns=columns, filesystem=file_system, filters=wanted)
    except (OSError, pa.ArrowException) as exc:
        detail = " ".join(str(exc).split())[:200]
        raise SchemaMismatchError(f"cannot read {', '.join(columns)} from {features}/{name}: {detail}") from exc


def _locate(location: str) -> tuple[Any, str]:
    try:
        if "://" in location or location.startswith("file:"):
            # Spark's scheme for S3 is s3a, pyarrow's is s3.
            file_system, path = pyarrow.fs.FileSystem.from_uri(location.replace("s3a://", "s3://", 1))
            return file_system, str(path)
        return pyarrow.fs.LocalFileSystem(), location
    except (OSError, pa.ArrowException) as exc:
        raise InputError(f"cannot open {location}: {' '.join(str(exc).split())[:200]}") from exc
