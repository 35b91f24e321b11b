"""Folders of audio files as sources: listed by this process where they are mounted, else by Spark."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from deepsound.data.listing import AUDIO_EXTENSIONS, LeftOut, is_audio_name, walk_folder
from deepsound.errors import InputError
from deepsound.spark.hadoop import HadoopPath, list_input_files
from deepsound.spark.listing import LISTING_SCHEMA, Source, as_listing, write_rows
from deepsound.spark.tables import plain_path, read_files


def list_folder(spark: SparkSession, root: HadoopPath, *, scratch: HadoopPath) -> Source:
    """The audio files of a folder and all its subfolders.

    Names that start with ``_`` or ``.`` are hidden; what is hidden, and what is not called as audio is, is left
    out and counted.

    Raises
    ------
    InputError
        The folder cannot be listed.
    """
    if root.is_on_this_machine:
        return _list_local(spark, root, scratch)
    return _list_remote(spark, root)


def _list_local(spark: SparkSession, root: HadoopPath, scratch: HadoopPath) -> Source:
    folder = str(root.local_path)
    left_out, n_files, n_bytes = LeftOut(), 0, 0

    def to_rows() -> Iterator[dict[str, Any]]:
        nonlocal n_files, n_bytes
        for file in walk_folder(folder, left_out=left_out):
            n_files += 1
            n_bytes += file.size_bytes
            yield {**asdict(file), "path": f"{root.uri}/{file.track_id}"}

    try:
        rows = write_rows(spark, to_rows(), LISTING_SCHEMA, scratch.child("listing.parquet"))
    except OSError as exc:
        raise InputError(f"cannot list {folder}: {exc.strerror}") from exc
    return Source(root=root, rows=rows, n_files=n_files, n_bytes=n_bytes, left_out=left_out)


def _list_remote(spark: SparkSession, root: HadoopPath) -> Source:
    try:
        scan = read_files(spark, [root.uri], recursiveFileLookup="true")
        names = [plain_path(uri) for uri in list_input_files(scan)]
        found = scan.selectExpr("path", "length as size_bytes", "unix_millis(modificationTime) as modified_ms")
        # Spark leaves files of 0 bytes out of every scan, but not out of the list of files.
        n_found = found.count()
    except AnalysisException as exc:
        raise InputError(f"cannot list {root.uri}: {' '.join(str(exc).split())[:300]}") from exc
    if n_found < len(names):
        all_names = spark.createDataFrame(pa.table({"path": names}))
        found = all_names.join(found, "path", "left").fillna(0, subset=["size_bytes", "modified_ms"])
    # Hidden ones are not in Spark's list; a million names would be too many to fetch for a count.
    left_out = LeftOut(name[len(root.uri) + 1 :] for name in names if not is_audio_name(name))
    left_out.n_hidden = max(0, (root.count_files() or 0) - len(names))
    endings = "|".join(AUDIO_EXTENSIONS)
    rows = as_listing(
        found.withColumn("track_id", F.expr(f"substr(path, {len(root.uri) + 2})")).where(
            F.col("track_id").rlike(rf"(?i)\.({endings})\z")
        )
    )
    totals = rows.agg(F.count("*").alias("n"), F.coalesce(F.sum("size_bytes"), F.lit(0)).alias("n_bytes"))
    row = totals.collect()[0]
    return Source(root=root, rows=rows, n_files=row["n"], n_bytes=row["n_bytes"], left_out=left_out)
