"""What single files cost on this Spark: its executors read, decode and turn each into features, and time it."""

import contextlib
import functools
import math
import resource
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.config import ExtractSettings
from deepsound.doctor.track import extract_file
from deepsound.features.registry import load_extractors
from deepsound.networks.engine import NetworkFile
from deepsound.spark.networks import ShippedNetworks, ship_networks
from deepsound.spark.outcomes import SourceFile, open_source
from deepsound.spark.shard_job import deal_by_size, small_partitions
from deepsound.spark.tables import read_files

# A first pass starts the workers, loads what they need and warms Java up; the others are measured.
_N_PASSES = 3
_TASKS_A_CORE = 4
_SCHEMA = pa.schema(
    [
        *(("path", pa.string()), ("seconds", pa.float64()), ("feature_bytes", pa.int64())),
        *(("error_code", pa.string()), ("peak_bytes", pa.int64()), ("values", pa.list_(pa.float32()))),
    ]
)


@dataclass(frozen=True, kw_only=True)
class FileCost:
    """What one file took.

    Attributes
    ----------
    seconds : float
        Of one core, reading it and giving its features back included; the median of all passes.
    feature_bytes : int
        Of its features in memory; 0 for a file that failed.
    error_code : str or None
        Why it failed.
    """

    seconds: float
    feature_bytes: int
    error_code: str | None


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Costs in the order of the files, and the peak memory of the largest Python worker."""

    costs: tuple[FileCost, ...]
    worker_bytes: int


@dataclass(frozen=True, kw_only=True)
class TrackTimer:
    """Turns files into batches of what each took. Pickled to executors.

    A file's time runs from the row before it, so that waiting for its bytes and handing features over count.
    """

    settings: ExtractSettings
    networks: ShippedNetworks

    def time_opened(
        self, batches: Iterator[pa.RecordBatch], chunks: Broadcast[list[list[SourceFile]]]
    ) -> Iterator[pa.RecordBatch]:
        """Costs of the chunks of files, which this worker opens, whose numbers are in the batches."""
        started = time.perf_counter()
        for batch in batches:
            for number in batch.column(0).to_pylist():
                for file in chunks.value[number]:
                    # One that is gone meanwhile has no row.
                    with contextlib.suppress(OSError), open_source(file) as opened:
                        started = yield from self._time(file.path, opened, started)

    def time_contents(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Costs of files in batches of (path, content)."""
        started = time.perf_counter()
        for batch in batches:
            for path, content in zip(batch.column(0), batch.column(1), strict=True):
                source = pa.BufferReader(content.as_buffer())
                started = yield from self._time(path.as_py(), source, started)

    def _time(self, path: str, source: BinaryIO, started: float) -> Generator[pa.RecordBatch, None, float]:
        extractors = load_extractors(
            self.settings.features, networks=self.networks.on_this_machine(), n_threads=self.networks.n_threads
        )
        outcome = extract_file(source, extractors=extractors, settings=self.settings)
        arrays = [array.ravel() for segment in outcome.segments for array in segment.arrays.values()]
        # As an extraction would, features go back to Java with the row.
        values = np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
        columns = {
            "path": [path],
            "feature_bytes": [values.nbytes],
            "error_code": [outcome.failure.error_code if outcome.failure else None],
            "peak_bytes": [_peak_bytes()],
            "values": [values],
        }
        ended = time.perf_counter()
        yield pa.RecordBatch.from_pydict({**columns, "seconds": [ended - started]}, schema=_SCHEMA)
        return ended


def time_files(
    spark: SparkSession,
    files: Sequence[SourceFile],
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
    n_cores: int,
) -> Timings:
    """Run files several times, as many at a time as there are cores."""
    timer = TrackTimer(settings=settings, networks=ship_networks(spark, networks))
    _run_pass(spark, files, timer, n_cores=n_cores, n_times=1)
    # So often that all cores have work, since neighbours at work slow each other down.
    n_times = max(_N_PASSES, math.ceil(2 * n_cores / len(files)))
    rows = _run_pass(spark, files, timer, n_cores=n_cores, n_times=n_times)
    by_path: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_path.setdefault(row["path"], []).append(row)
    costs = [_sum_up(by_path.get(file.path, [])) for file in files]
    return Timings(costs=tuple(costs), worker_bytes=max((row["peak_bytes"] for row in rows), default=0))


def _run_pass(
    spark: SparkSession, files: Sequence[SourceFile], timer: TrackTimer, *, n_cores: int, n_times: int
) -> list[dict[str, Any]]:
    schema = from_arrow_schema(_SCHEMA)
    if all(file.native is not None for file in files):
        repeated = [file for file in files for _ in range(n_times)]
        n_chunks = min(len(repeated), _TASKS_A_CORE * n_cores)
        chunks = spark.sparkContext.broadcast(deal_by_size(repeated, n_chunks=n_chunks))
        numbers = spark.range(0, n_chunks, 1, n_chunks)
        timed = numbers.mapInArrow(lambda batches: timer.time_opened(batches, chunks), schema)
        rows: list[dict[str, Any]] = timed.drop("values").toArrow().to_pylist()
        return rows
    with small_partitions(spark, files):
        contents = read_files(spark, [file.path for file in files]).select("path", "content")
        timed = functools.reduce(DataFrame.union, [contents.mapInArrow(timer.time_contents, schema)] * n_times)
        rows = timed.drop("values").toArrow().to_pylist()
        return rows


def _sum_up(rows: Sequence[dict[str, Any]]) -> FileCost:
    if not rows:
        # The storage does not give it any more; it costs a job nothing either.
        return FileCost(seconds=0.0, feature_bytes=0, error_code="unreadable")
    seconds = float(np.median([row["seconds"] for row in rows]))
    return FileCost(seconds=seconds, feature_bytes=rows[0]["feature_bytes"], error_code=rows[0]["error_code"])


def _peak_bytes() -> int:
    """The most memory that this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
