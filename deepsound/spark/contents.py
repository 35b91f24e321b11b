"""One function over the content of each of some files, run where Spark's workers are."""

import contextlib
import functools
import heapq
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import BinaryIO

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.audio.storage import open_uri
from deepsound.errors import first_line
from deepsound.sources.section import FileSection
from deepsound.spark.hadoop import HadoopPath, serves
from deepsound.spark.session import count_cores
from deepsound.spark.tables import plain_path, quoted, read_files, read_table

_OPEN_COST_BYTES = 256 * 1024
_TASKS_A_CORE = 8
_TASK_BYTES = 4 << 20
_NO_HOST = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*:/(?!/)")


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A row of a listing on its way to a worker; ``native`` is its path where the worker can open it."""

    track_id: str
    path: str
    size_bytes: int | None
    modified_ms: int | None
    native: bytes | None = None
    container: str | None = None
    offset: int | None = None
    problem: str | None = None
    genre: str | None = None
    artist: str | None = None
    split: str | None = None


# What is to be done with a file: its content, or None where it is not to be had, and why.
FileFunction = Callable[[SourceFile, BinaryIO | None, str | None], Iterator[pa.RecordBatch]]


def to_files(rows: DataFrame) -> list[SourceFile]:
    """Some rows of a listing, few enough for the driver."""
    names = [field.name for field in fields(SourceFile)]
    return [SourceFile(**row) for row in rows.select(names).toArrow().to_pylist()]


def map_files(
    spark: SparkSession,
    files: Sequence[SourceFile],
    function: FileFunction,
    schema: pa.Schema,
    *,
    max_bytes: int,
    one_by_one: bool = False,
) -> DataFrame:
    """What a function makes of each file, in one lazy DataFrame.

    A file that the workers have mounted is opened there. One of a file system that Hadoop knows, and a row of a
    Parquet table, is read by Spark, where it is not larger than ``max_bytes``; one that the storage does not give
    is not among the rows. Any other URI is opened by the workers through fsspec, with credentials of their own.

    Parameters
    ----------
    function : callable
        Gets the file, its open content or None, and why there is none. Pickled to executors.
    one_by_one : bool
        Whether each file gets a task of its own.
    """
    spark_schema = from_arrow_schema(schema)
    by_hadoop = {scheme: serves(spark, scheme) for scheme in {_scheme_of(file) for file in files}}
    is_read = [_is_readable(file, max_bytes) and by_hadoop[_scheme_of(file)] for file in files]
    opened, read = (
        [file for file, is_it in zip(files, is_read, strict=True) if is_it is want] for want in (False, True)
    )
    parts = []
    if opened:
        n_chunks = len(opened) if one_by_one else _count_chunks(opened, n_cores=count_cores(spark))
        chunks = spark.sparkContext.broadcast(deal_by_size(opened, n_chunks=n_chunks))
        numbers = spark.range(0, n_chunks, 1, n_chunks)
        parts.append(
            numbers.mapInArrow(lambda batches: _over_opened(batches, chunks, function, max_bytes), spark_schema)
        )
    if read:
        by_path = spark.sparkContext.broadcast({_read_path(spark, file): file for file in read})
        for contents in _read_contents(spark, read):
            over = functools.partial(_over_contents, files=by_path, function=function, max_bytes=max_bytes)
            parts.append(contents.mapInArrow(over, spark_schema))
    if not parts:
        return spark.createDataFrame([], spark_schema)
    return functools.reduce(DataFrame.unionByName, parts)


def _count_chunks(files: Sequence[SourceFile], *, n_cores: int) -> int:
    """Several a core, and so many that a song of usual length is alone: progress is told when a task ends."""
    n_bytes = sum(file.size_bytes or 0 for file in files)
    return min(len(files), max(_TASKS_A_CORE * n_cores, n_bytes // _TASK_BYTES))


def _scheme_of(file: SourceFile) -> str:
    """Whose the content is to read: '' of a file that the workers have mounted."""
    return "" if file.native is not None else file.path.partition(":")[0]


def _read_path(spark: SparkSession, file: SourceFile) -> str:
    """The path as Spark will call it: with the host that a URI such as ``hdfs:///x`` leaves out."""
    return HadoopPath(spark, file.path).uri if _NO_HOST.match(file.path) else file.path


def _is_readable(file: SourceFile, max_bytes: int) -> bool:
    return file.problem is None and (file.size_bytes is None or 0 < file.size_bytes <= max_bytes)


def _over_opened(
    batches: Iterator[pa.RecordBatch],
    chunks: "Broadcast[list[list[SourceFile]]]",
    function: FileFunction,
    max_bytes: int,
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            for file in chunks.value[number]:
                with _opened(file, max_bytes) as (sized, content, problem):
                    yield from function(sized, content, problem)


@contextlib.contextmanager
def _opened(file: SourceFile, max_bytes: int) -> Iterator[tuple[SourceFile, BinaryIO | None, str | None]]:
    """The file, with its size where the listing has none, its content or None, and why there is none."""
    if not _is_readable(file, max_bytes):
        yield file, None, file.problem
        return
    content, problem = None, None
    with contextlib.ExitStack() as stack:
        try:
            content = stack.enter_context(_open(file))
        except OSError as exc:
            problem = f"the storage does not give it: {exc.strerror or first_line(exc)}"
        if content is not None and file.size_bytes is None:
            file = replace(file, size_bytes=content.seek(0, io.SEEK_END))
            content.seek(0)
        yield file, content if _is_readable(file, max_bytes) else None, problem


def _over_contents(
    batches: Iterator[pa.RecordBatch],
    files: "Broadcast[dict[str, SourceFile]]",
    function: FileFunction,
    max_bytes: int,
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for path, content in zip(batch.column(0), batch.column(1), strict=True):
            file = files.value.get(path.as_py())
            if file is None:  # the storage has another spelling for it; it is told as one that was not given
                continue
            buffer = content.as_buffer()
            if buffer is None:
                yield from function(file, None, "the table holds no bytes of it")
                continue
            # A table does not tell the sizes of what it holds before.
            file = replace(file, size_bytes=buffer.size)
            is_readable = _is_readable(file, max_bytes)
            yield from function(file, pa.BufferReader(buffer) if is_readable else None, None)


@contextlib.contextmanager
def _open(file: SourceFile) -> Iterator[BinaryIO]:
    """A file of a mounted file system, or of any that fsspec knows.

    Does not wait for the other end of what has become a pipe meanwhile.
    """
    if file.native is None:
        with open_uri(file.path) as opened:
            yield opened
        return
    descriptor = os.open(os.fsdecode(file.native), os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        if file.offset is None:
            yield opened
        else:
            yield io.BufferedReader(FileSection(opened, offset=file.offset, size_bytes=file.size_bytes or 0))


def _read_contents(spark: SparkSession, files: Sequence[SourceFile]) -> Iterator[DataFrame]:
    """Path and content of files, read by a session of its own, set up for files that are long to work on.

    Spark packs files into 128 MB partitions, which is hours of compressed audio in one task. Batches are small
    because a row holds a file.
    """
    work = sum((file.size_bytes or 0) + _OPEN_COST_BYTES for file in files)
    n_tasks = _TASKS_A_CORE * count_cores(spark)
    partition_bytes = min(max(math.ceil(work / n_tasks), _OPEN_COST_BYTES), 32 * 1024 * 1024)
    session = spark.newSession()
    for key, value in {
        "spark.sql.files.maxPartitionBytes": partition_bytes,
        "spark.sql.files.openCostInBytes": _OPEN_COST_BYTES,
        "spark.sql.execution.arrow.maxRecordsPerBatch": 4,
        # The files are named one by one; to list them by a job of their own would take longer.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": len(files) + 1,
    }.items():
        session.conf.set(key, str(value))
    # The storage may fail on one file; it is then missing from the rows and reported as unreadable.
    options = {"ignoreCorruptFiles": "true", "ignoreMissingFiles": "true"}
    paths = [file.path for file in files if file.container is None]
    if paths:
        yield read_files(session, paths, **options).select("path", "content")
    by_column: dict[str, list[SourceFile]] = {}
    for file in files:
        if file.container is not None:
            by_column.setdefault(file.container.partition("#")[2], []).append(file)
    for column, rows in by_column.items():
        yield _read_rows(session, rows, column)


def _read_rows(session: SparkSession, files: Sequence[SourceFile], column: str) -> DataFrame:
    """Path and content of rows of Parquet tables."""
    uris = {(file.container or "").partition("#")[0] for file in files}
    wanted = [((file.container or "").partition("#")[0], file.offset, file.path) for file in files]
    places = session.createDataFrame(wanted, "file string, row long, path string")
    rows = read_table(session, *sorted(map(plain_path, uris))).select(
        F.col("_metadata.file_path").alias("file"),
        F.col("_metadata.row_index").alias("row"),
        F.col(quoted(column))["bytes"].alias("content"),
    )
    return rows.join(F.broadcast(places), ["file", "row"]).select("path", "content")


def deal_by_size(files: Sequence[SourceFile], *, n_chunks: int) -> list[list[SourceFile]]:
    """Files in chunks of about the same work: the largest first, each to the chunk that has least so far.

    Many small chunks a core, so that the last one does not keep all others waiting; the order of Spark's tasks is
    that of the chunks.
    """
    chunks: list[list[SourceFile]] = [[] for _ in range(n_chunks)]
    loads = [(0, number) for number in range(n_chunks)]
    for file in sorted(files, key=lambda file: (-(file.size_bytes or 0), file.track_id)):
        load, number = heapq.heappop(loads)
        chunks[number].append(file)
        heapq.heappush(loads, (load + (file.size_bytes or 0) + _OPEN_COST_BYTES, number))
    return chunks
