"""What single files cost on this Spark: each is read, decoded and turned into features by its executors, and timed."""

import functools
import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.config import ExtractSettings
from deepsound.doctor.sampling import AudioFile
from deepsound.doctor.track import extract_bytes
from deepsound.features.registry import load_extractors
from deepsound.networks.engine import NetworkFile
from deepsound.spark.networks import ShippedNetworks, ship_networks

# A first pass starts the workers, loads what they need and warms Java up; the others are measured.
_N_PASSES = 3
_TASKS_A_CORE = 4
_OPEN_COST_BYTES = 256 * 1024
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
    """Maps batches of (path, content) to batches of what each file took. Pickled to executors."""

    settings: ExtractSettings
    networks: ShippedNetworks

    def time_batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One row per file. Its time runs from the row before, so that waiting for bytes and handing over count."""
        networks = self.networks.on_this_machine()
        extractors = load_extractors(self.settings.features, networks=networks, n_threads=self.networks.n_threads)
        started = time.perf_counter()
        for batch in batches:
            for path, content in zip(batch.column(0), batch.column(1), strict=True):
                outcome = extract_bytes(content.as_py(), extractors=extractors, settings=self.settings)
                arrays = [array.ravel() for segment in outcome.segments for array in segment.arrays.values()]
                # As an extraction would, features go back to Java with the row.
                values = np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
                columns = {
                    "path": [path.as_py()],
                    "feature_bytes": [values.nbytes],
                    "error_code": [outcome.failure.error_code if outcome.failure else None],
                    "peak_bytes": [_peak_bytes()],
                    "values": [values],
                }
                ended = time.perf_counter()
                yield pa.RecordBatch.from_pydict({**columns, "seconds": [ended - started]}, schema=_SCHEMA)
                started = ended


def time_files(
    spark: SparkSession,
    files: Sequence[AudioFile],
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
    n_cores: int,
) -> Timings:
    """Run files several times, as many at a time as there are cores."""
    timer = TrackTimer(settings=settings, networks=ship_networks(spark, networks))
    # Its own settings: the ones of the session that was given stay as they are.
    session = spark.newSession()
    one_pass = _read(session, files, n_cores=n_cores).mapInArrow(timer.time_batches, from_arrow_schema(_SCHEMA))
    _collect(one_pass)
    # So often that all cores have work, since neighbours at work slow each other down.
    n_passes = max(_N_PASSES, math.ceil(2 * n_cores / len(files)))
    rows = _collect(functools.reduce(DataFrame.union, [one_pass] * n_passes))
    by_path: dict[str, list[tuple[float, int, str | None]]] = {}
    for row in rows:
        cost = (row["seconds"], row["feature_bytes"], row["error_code"])
        by_path.setdefault(row["path"], []).append(cost)
    costs = []
    for file in files:
        # A file that the storage does not give any more has no row; it costs a job nothing either.
        seconds, sizes, codes = zip(*by_path.get(file.path, [(0.0, 0, "unreadable")]), strict=True)
        costs.append(FileCost(seconds=float(np.median(seconds)), feature_bytes=sizes[0], error_code=codes[0]))
    return Timings(costs=tuple(costs), worker_bytes=max((row["peak_bytes"] for row in rows), default=0))


def _read(session: SparkSession, files: Sequence[AudioFile], *, n_cores: int) -> DataFrame:
    work = sum(file.size_bytes + _OPEN_COST_BYTES for file in files)
    for key, value in {
        "spark.sql.files.maxPartitionBytes": math.ceil(work / (_TASKS_A_CORE * n_cores)),
        "spark.sql.files.openCostInBytes": _OPEN_COST_BYTES,
        "spark.sql.files.ignoreCorruptFiles": "true",
        "spark.sql.files.ignoreMissingFiles": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": 4,
    }.items():
        session.conf.set(key, str(value))
    reader = session.read.format("binaryFile").option("__globPaths__", "false")
    return reader.load([file.path for file in files]).select("path", "content")


def _collect(timed: DataFrame) -> list[dict[str, object]]:
    return timed.drop("values").toArrow().to_pylist()


def _peak_bytes() -> int:
    """The most memory that this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
