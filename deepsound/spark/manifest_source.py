"""Manifests as sources: tables of paths or URIs, which may have labels, for millions of tracks."""

import os
import pathlib
import stat
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.data.labels import LABEL_NAMES
from deepsound.data.listing import LeftOut
from deepsound.errors import InputError
from deepsound.plugins import Plugin
from deepsound.sources.manifest import find_manifest_columns, native_path, resolve
from deepsound.sources.readers import ROW_SCHEMA, read_rows
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import LISTING_SCHEMA, Source, stage_listing, write_rows
from deepsound.spark.tables import as_pattern, quoted, read_table, table_errors


def list_manifest(spark: SparkSession, file: HadoopPath, *, scratch: HadoopPath) -> Source:
    """The tracks of a CSV, TSV, JSONL or Parquet file with a row each.

    Files of this machine are looked at for their size and time, where the manifest does not tell both. Of files
    elsewhere these are unknown unless it does; their content is then taken for unchanged. A row that repeats
    another to the letter counts once.

    Raises
    ------
    InputError
        It cannot be read, has no column of paths, or two different rows for one track.
    """
    with table_errors(f"cannot read {file.uri}", kind=InputError):
        table = _read(spark, file)
    return _list_rows(table, file, folder=file.parent, scratch=scratch)


def list_with_reader(spark: SparkSession, place: HadoopPath, reader: Plugin, *, scratch: HadoopPath) -> Source:
    """The tracks that a source of another package reads, on the driver, from a file or a folder.

    Raises
    ------
    PluginError
        It fails, or gives something else than rows of a manifest.
    InputError
        Two different rows are of one track.
    """
    path = str(place.local_path) if place.is_on_this_machine else place.uri
    table = write_rows(spark, read_rows(reader, path), ROW_SCHEMA, scratch.child("read.parquet"))
    return _list_rows(table, place, folder=place if place.is_folder() else place.parent, scratch=scratch)


def _list_rows(table: DataFrame, file: HadoopPath, *, folder: HadoopPath | None, scratch: HadoopPath) -> Source:
    where = file.uri
    columns = find_manifest_columns(table.columns, where=where)
    wanted = {name: getattr(columns, name) for name in ("path", *LABEL_NAMES, "size_bytes", "modified_ms")}
    rows = table.select(*(_plain(column, name) for name, column in wanted.items())).where(
        "path is not null and path != ''"
    )
    base = folder.uri if folder else where
    listed = rows.mapInArrow(lambda batches: _look_up(batches, base), from_arrow_schema(LISTING_SCHEMA))
    with table_errors(f"cannot read {where}", kind=InputError):
        return stage_listing(listed, folder or file, scratch, left_out=LeftOut())


def _read(spark: SparkSession, file: HadoopPath) -> DataFrame:
    name, pattern = file.uri.lower(), as_pattern(file.uri)
    if name.endswith(".parquet"):
        return read_table(spark, file.uri)
    if name.endswith(".jsonl"):
        return spark.read.json(pattern, mode="FAILFAST")
    separator = "\t" if name.endswith(".tsv") else ","
    return spark.read.csv(pattern, header=True, sep=separator, quote='"', escape='"', mode="FAILFAST")


def _plain(column: str | None, name: str) -> Column:
    kind = "bigint" if name in ("size_bytes", "modified_ms") else "string"
    if column is None:
        return F.lit(None).cast(kind).alias(name)
    return F.nullif(F.trim(F.col(quoted(column)).cast("string")), F.lit("")).cast(kind).alias(name)


def _look_up(batches: Iterator[pa.RecordBatch], folder: str) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_pylist(
            [_to_row(row, folder) for row in batch.to_pylist()], schema=LISTING_SCHEMA
        )


def _to_row(row: dict[str, object], folder: str) -> dict[str, object]:
    track_id, uri = resolve(str(row["path"]), folder=folder)
    native = native_path(uri)
    listed = {**row, "track_id": track_id, "path": uri, "native": native}
    if native is None or (row["size_bytes"] is not None and row["modified_ms"] is not None):
        return listed
    try:
        status = pathlib.Path(os.fsdecode(native)).stat()
    except OSError as exc:
        return {**listed, "size_bytes": 0, "modified_ms": 0, "problem": f"it cannot be looked at: {exc.strerror}"}
    if not stat.S_ISREG(status.st_mode):
        return {**listed, "size_bytes": 0, "modified_ms": 0, "problem": "no file"}
    return {**listed, "size_bytes": status.st_size, "modified_ms": status.st_mtime_ns // 1_000_000}
