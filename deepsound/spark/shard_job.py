"""The extraction of one shard: its files to rows of both tables, once, on the executors' disks."""

import contextlib
import heapq
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.spark.inputs import AudioListing
from deepsound.spark.outcomes import OutcomeWriter, SourceFile
from deepsound.spark.schemas import outcome_schema
from deepsound.spark.session import count_cores
from deepsound.spark.tables import read_files

# What Spark says when the process that ran our code is gone, whatever killed it.
_WORKER_LOST = ("Python worker exited unexpectedly", "Python worker keeps failing", "ExecutorLostFailure")
_OPEN_COST_BYTES = 256 * 1024
_TASKS_A_CORE = 8


@dataclass(frozen=True, kw_only=True)
class ShardOutcomes:
    """Rows of ``tracks/`` and of ``segments/``, and how many the latter are."""

    tracks: DataFrame
    segments: DataFrame
    n_segments: int


@contextlib.contextmanager
def extracted(
    spark: SparkSession,
    listing: AudioListing,
    track_ids: Collection[str],
    *,
    writer: OutcomeWriter,
    report: Callable[[str], None],
) -> Iterator[ShardOutcomes]:
    """Extract some files of a listing; the rows are there for as long as the block.

    Where a worker is lost again and again, so that Spark gives up, all is done once more with care: every decoder
    proves itself on a file in a process of its own, and the file that kills it fails alone.
    """
    files = to_sources(listing, track_ids)
    try:
        outcomes, n_rows = _compute(spark, listing, files, writer)
    except Exception as exc:
        if not any(sign in str(exc) for sign in _WORKER_LOST):
            raise
        report("a worker was lost several times over the same files: trying them one by one, each with care")
        outcomes, n_rows = _compute(spark, listing, files, replace(writer, is_careful=True))
    try:
        tracks, n_read = outcomes.where("track is not null").select("track.*"), len(files)
        if not listing.is_local:
            read = {row["path"] for row in tracks.select("path").collect()}
            unread, n_read = [file for file in files if file.path not in read], len(read)
            tracks = tracks.unionByName(_unread_rows(spark, unread, tracks, writer))
        segments = outcomes.where("segment is not null").select("segment.*")
        # A row of outcomes is a track or a segment: the segments need not be counted by a job of their own.
        yield ShardOutcomes(tracks=tracks, segments=segments, n_segments=n_rows - n_read)
    finally:
        outcomes.unpersist()


def _compute(
    spark: SparkSession, listing: AudioListing, files: list[SourceFile], writer: OutcomeWriter
) -> tuple[DataFrame, int]:
    """Outcomes, computed, and the number of rows.

    Decoding is the expensive part and both tables need it, so they are kept on disk.
    """
    outcomes = _plan(spark, listing, files, writer).persist(StorageLevel.DISK_ONLY)
    try:
        with small_partitions(spark, files):
            return outcomes, outcomes.count()
    except Exception:
        outcomes.unpersist()
        raise


def to_sources(listing: AudioListing, track_ids: Collection[str]) -> list[SourceFile]:
    """The rows of a listing with these track_ids."""
    files = listing.files[listing.files["track_id"].isin(set(track_ids))]
    names = [field.name for field in fields(SourceFile)]
    rows = zip(*(files[name].tolist() for name in names), strict=True)
    return [SourceFile(**dict(zip(names, row, strict=True))) for row in rows]


def _plan(spark: SparkSession, listing: AudioListing, files: list[SourceFile], writer: OutcomeWriter) -> DataFrame:
    schema = from_arrow_schema(outcome_schema(writer.settings.features))
    if listing.is_local:
        n_cores = count_cores(spark)
        # With care, a file that kills its worker after all must not take others with it.
        n_chunks = len(files) if writer.is_careful else min(len(files), _TASKS_A_CORE * n_cores)
        chunks = spark.sparkContext.broadcast(deal_by_size(files, n_chunks=n_chunks))
        numbers = spark.range(0, n_chunks, 1, n_chunks)
        return numbers.mapInArrow(lambda batches: writer.extract_opened(batches, chunks), schema)
    readable = [file for file in files if 0 < file.size_bytes <= writer.settings.max_bytes]
    if not readable:
        return spark.createDataFrame([], schema)
    by_path = spark.sparkContext.broadcast({file.path: file for file in readable})
    with small_partitions(spark, readable):  # for the listing, which is done here
        contents = read_files(spark, [file.path for file in readable]).select("path", "content")
    return contents.mapInArrow(lambda batches: writer.extract_contents(batches, by_path), schema)


def deal_by_size(files: Sequence[SourceFile], *, n_chunks: int) -> list[list[SourceFile]]:
    """Files in chunks of about the same work: the largest first, each to the chunk that has least so far.

    Many small chunks a core, so that the last one does not keep all others waiting; the order of Spark's tasks is
    that of the chunks.
    """
    chunks: list[list[SourceFile]] = [[] for _ in range(n_chunks)]
    loads = [(0, number) for number in range(n_chunks)]
    for file in sorted(files, key=lambda file: (-file.size_bytes, file.track_id)):
        load, number = heapq.heappop(loads)
        chunks[number].append(file)
        heapq.heappush(loads, (load + file.size_bytes + _OPEN_COST_BYTES, number))
    return chunks


def _unread_rows(
    spark: SparkSession, unread: list[SourceFile], tracks: DataFrame, writer: OutcomeWriter
) -> DataFrame:
    """Rows of the files that gave none: empty, too large, or not given by the storage."""
    batches = [batch for file in unread for batch in writer.write_unread(file)]
    table = pa.Table.from_batches(batches, schema=outcome_schema(writer.settings.features))
    rows = table["track"].to_pylist()
    return spark.createDataFrame(rows, tracks.schema)


@contextlib.contextmanager
def small_partitions(spark: SparkSession, files: Sequence[SourceFile]) -> Iterator[None]:
    """Spark's reader set up for files that are long to work on.

    Spark packs files into 128 MB partitions, which is hours of compressed audio in one task. Batches are small
    because a row holds a file.
    """
    n_cores = count_cores(spark)
    work = sum(file.size_bytes + _OPEN_COST_BYTES for file in files)
    partition_bytes = min(max(math.ceil(work / (_TASKS_A_CORE * n_cores)), _OPEN_COST_BYTES), 32 * 1024 * 1024)
    wanted = {
        "spark.sql.files.maxPartitionBytes": str(partition_bytes),
        "spark.sql.files.openCostInBytes": str(_OPEN_COST_BYTES),
        # The storage may fail on one file; it is then missing from the rows and reported as unreadable.
        "spark.sql.files.ignoreCorruptFiles": "true",
        "spark.sql.files.ignoreMissingFiles": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "4",
        # The files of a shard are named one by one; to list them by a job of their own would take longer.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": str(len(files) + 1),
    }
    before = {key: spark.conf.get(key) for key in wanted}
    for key, value in wanted.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            spark.conf.set(key, str(old))
