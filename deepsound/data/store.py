"""A FEATURES folder on any file system, read through pyarrow: what training needs of it, without Spark.

Every read holds the rows against ``extract.json`` and against each other: see :mod:`deepsound.data.contract`.
"""

import posixpath
import urllib.parse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.fs

from deepsound.data.contract import (
    SEGMENT_KEYS,
    SUMMARY_NAME,
    FeatureSummary,
    check_columns,
    check_counts,
    check_fingerprints,
    check_no_nulls,
    check_statuses,
    describe_repeated_track,
    describe_wrong_segments,
    is_text,
    parse_summary,
)
from deepsound.data.layout import Layout
from deepsound.errors import InputError, SchemaMismatchError

_TRACK_COLUMNS = ("track_id", "content_sha256", "genre", "artist", "split", "status", "duration_s", "n_segments")
# What every read of tracks/ looks at; an early writer knew no fingerprint.
_CHECKED = ("track_id", "status", "n_segments")
_KEYS = ("track_id", "status", "segment_index")


@dataclass(frozen=True, kw_only=True)
class SegmentTable:
    """Segments of one or more features, ordered by track_id and segment_index.

    Attributes
    ----------
    values : np.ndarray [shape=(n_segments, *layout.shape), float32]
    layout : Layout
        How the features lie in there.
    track_ids : np.ndarray [shape=(n_segments,), str objects]
    """

    values: np.ndarray
    layout: Layout
    track_ids: np.ndarray


def read_summary(features: str) -> FeatureSummary:
    """The summary of the FEATURES folder at a path or URI.

    Raises
    ------
    InputError
        No such folder, or its extraction did not finish.
    SchemaMismatchError
        It is not what extract writes.
    """
    file_system, path = _locate(features)
    if file_system.get_file_info(path).type != pyarrow.fs.FileType.Directory:
        raise InputError(f"the features folder {features} does not exist")
    summary_path = posixpath.join(path, SUMMARY_NAME)
    if file_system.get_file_info(summary_path).type != pyarrow.fs.FileType.File:
        raise InputError(
            f"{features} holds no {SUMMARY_NAME}: it is no FEATURES folder, or its extraction did not finish"
        )
    try:
        with file_system.open_input_file(summary_path) as stream:
            text = stream.read()
    except OSError as exc:
        raise InputError(f"cannot read {features}/{SUMMARY_NAME}: {exc}") from exc
    return parse_summary(text, where=features)


def read_tracks(features: str, *, columns: Sequence[str] = _TRACK_COLUMNS) -> pa.Table:
    """The ``tracks/`` table: one row an input file.

    Raises
    ------
    SchemaMismatchError
        If the table or a column of the contract is missing, a track stands there twice, or rows are of another
        extraction than ``extract.json``.
    """
    return _read_tracks(features, columns).select(list(columns))


def read_known_tracks(features: str, *, columns: Sequence[str] | None = None) -> pa.Table:
    """track_id and those of ``columns``, or all, that the ``tracks/`` table has: not every writer knows them all.

    Raises
    ------
    SchemaMismatchError
        As of :func:`read_tracks`.
    """
    table = _read_tracks(features, (), optional=columns)
    wanted = table.column_names if columns is None else columns
    return table.select(list(dict.fromkeys(["track_id", *(n for n in wanted if n in table.column_names)])))


def read_segments(
    features: str, *, names: Sequence[str], track_ids: Collection[str] | None = None
) -> SegmentTable:
    """All segments of declared features, or those of some tracks.

    Parameters
    ----------
    features : str
        A FEATURES folder.
    names : sequence of str
        Of one or more features, in the order in which they are wanted.

    Raises
    ------
    UnknownFeatureError
        If ``extract.json`` does not declare a feature.
    SchemaMismatchError
        If the column is missing, a row is not of the declared shape or not finite, or the segments of a track are
        not those that ``tracks/`` counts, each once.
    """
    summary = read_summary(features)
    layout = summary.layout_of(*names)
    wanted = None if track_ids is None else pc.field("track_id").isin(pa.array(sorted(track_ids), pa.string()))
    table = _read_table(features, "segments", [*SEGMENT_KEYS, *names], wanted=wanted, features_in=names)
    tracks = read_tracks(features, columns=("track_id", "n_segments"))
    _check_segments(table, tracks if wanted is None else tracks.filter(wanted), where=features)
    if wanted is None:
        check_counts({"segments": table.num_rows}, summary, where=features)
    table = table.sort_by([(key, "ascending") for key in SEGMENT_KEYS])
    parts = [
        _to_array(table[name], shape, where=f"{features}/segments: '{name}'")
        for name, shape in zip(names, layout.shapes, strict=True)
    ]
    return SegmentTable(values=layout.join(parts), layout=layout, track_ids=table["track_id"].to_numpy())


def _to_array(column: pa.ChunkedArray, shape: tuple[int, int], *, where: str) -> np.ndarray:
    """Lists of numbers as (n_segments, n_frames, n_dims); ``where`` begins what is said of others."""
    lists = column.combine_chunks()
    lengths = np.diff(lists.offsets.to_numpy())
    if lists.null_count or not (lengths == shape[0] * shape[1]).all():
        raise SchemaMismatchError(f"{where} holds rows that are not {shape[0]} x {shape[1]} numbers")
    # flatten() honours the offsets of a slice, which .values does not.
    numbers = lists.flatten()
    values: np.ndarray = numbers.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, *shape)
    if numbers.null_count or not np.isfinite(values).all():
        raise SchemaMismatchError(f"{where} holds NaN or infinite numbers")
    return values


def _read_tracks(features: str, columns: Sequence[str], *, optional: Sequence[str] | None = ()) -> pa.Table:
    summary = read_summary(features)
    wanted = list(dict.fromkeys([*_CHECKED, *columns]))
    table = _read_table(
        features, "tracks", wanted, optional=None if optional is None else ["fingerprint", *optional]
    )
    if "fingerprint" in table.column_names:
        check_fingerprints(pc.unique(table["fingerprint"]).to_pylist(), summary, where=features)
    counts = pc.value_counts(table["track_id"])
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        first = min(repeated.to_pylist(), key=lambda pair: str(pair["values"]))
        raise SchemaMismatchError(describe_repeated_track(features, first["values"], first["counts"]))
    check_statuses(pc.unique(table["status"]).to_pylist(), where=features)
    check_counts({"tracks": table.num_rows}, summary, where=features)
    return table


def _check_segments(segments: pa.Table, tracks: pa.Table, *, where: str) -> None:
    """Raise :class:`SchemaMismatchError` unless every track has the segments that it should, each of them once."""
    aggregates = [("segment_index", "count"), ("segment_index", "count_distinct")]
    found = segments.select(SEGMENT_KEYS).group_by("track_id").aggregate(aggregates)
    both = tracks.select(["track_id", "n_segments"]).join(found, "track_id", join_type="full outer")
    expected, n, n_distinct = (pc.fill_null(both[name], 0).cast(pa.int64()) for name in both.column_names[1:])
    wrong = both.filter(pc.or_(pc.not_equal(expected, n), pc.not_equal(n, n_distinct))).sort_by("track_id")
    if wrong.num_rows:
        track_id, *numbers = wrong.slice(0, 1).to_pylist()[0].values()
        n_expected, n_found, n_different = (number or 0 for number in numbers)
        raise SchemaMismatchError(
            describe_wrong_segments(where, track_id, n=n_found, n_distinct=n_different, n_expected=n_expected)
        )


def _read_table(
    features: str,
    name: str,
    columns: Sequence[str],
    *,
    optional: Sequence[str] | None = (),
    features_in: Sequence[str] = (),
    wanted: pc.Expression | None = None,
) -> pa.Table:
    """Some columns of a table, text as strings, and those of the optional ones (None: of all) that it has."""
    file_system, path = _locate(features)
    where = f"{features}/{name}"
    try:
        table = pyarrow.dataset.dataset(
            posixpath.join(path, name), filesystem=file_system, format="parquet", partitioning="hive"
        )
        more = table.schema.names if optional is None else optional
        names = [*columns, *(name for name in more if name in table.schema.names and name not in columns)]
        check_columns(table.schema, names, where=where, features=features_in)
        rows = table.to_table(columns=names, filter=wanted)
        rows.validate(full=True)
        check_no_nulls({key: rows[key].null_count for key in _KEYS if key in names}, where=where)
        return rows.cast(_with_plain_text(rows.schema))
    except (OSError, pa.ArrowException) as exc:
        detail = " ".join(str(exc).split())[:200]
        raise SchemaMismatchError(f"cannot read {', '.join(columns)} from {where}: {detail}") from exc


def _with_plain_text(schema: pa.Schema) -> pa.Schema:
    """Every way of writing text is one for those who compare it."""
    return pa.schema([field.with_type(pa.string()) if is_text(field.type) else field for field in schema])


def _locate(location: str) -> tuple[Any, str]:
    """File system and path. A name is what it says, as it is for Spark: its ``%20`` stands for no space."""
    try:
        if location.startswith("file:"):
            return pyarrow.fs.LocalFileSystem(), "/" + location.removeprefix("file:").lstrip("/")
        if "://" in location:
            # Spark's scheme for S3 is s3a, pyarrow's is s3.
            uri = location.replace("s3a://", "s3://", 1)
            file_system, path = pyarrow.fs.FileSystem.from_uri(urllib.parse.quote(uri, safe=":/@?&=,+"))
            return file_system, str(path)
        return pyarrow.fs.LocalFileSystem(), location
    except (OSError, pa.ArrowException) as exc:
        raise InputError(f"cannot open {location}: {' '.join(str(exc).split())[:200]}") from exc
