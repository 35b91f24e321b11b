"""What an extraction spends beside its files: on each shard, and on writing, which one core does for all."""

import contextlib
import dataclasses
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings, LabelSettings
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract import extract
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.tables import read_table, write_table

_N_SHARDS = 3
_WRITTEN_BYTES = 16_000_000
_MAX_COPIES = 256


@dataclass(frozen=True, kw_only=True)
class ShardCosts:
    """Seconds of wall time: for a shard, and for each byte of segments as Parquet."""

    shard_s: float
    byte_s: float


# Where nothing could be measured: a shard is a handful of small Spark jobs, Parquet is written at 50 MB/s.
ASSUMED = ShardCosts(shard_s=3.0, byte_s=1 / 50e6)


def plain_settings(settings: ExtractSettings) -> ExtractSettings:
    """Settings of the same cost for copies of the files, whose names and labels are others."""
    return dataclasses.replace(settings, labels=LabelSettings(source="none"), duplicates="keep")


def measure_shards(
    spark: SparkSession,
    input_path: str,
    *,
    scratch: str,
    n_files: int,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
) -> ShardCosts:
    """Extract a folder in one shard and in several, and write what came out many times over.

    Parameters
    ----------
    scratch : str
        Takes the extractions; whoever named it clears it away.
    """

    def run(n_shards: int, name: str) -> float:
        some = dataclasses.replace(plain_settings(settings), shard_files=math.ceil(n_files / n_shards))
        # Its progress is nobody's concern.
        with contextlib.redirect_stderr(io.StringIO()):
            return _time(
                lambda: extract(
                    spark, input_path, f"{scratch}/{name}", settings=some, networks=networks, report=_ignore
                )
            )

    run(1, "first")  # pays for what the session does for the first time
    n_shards = min(_N_SHARDS, n_files)
    several_s, one_s = run(n_shards, "several"), run(1, "one")
    shard_s = max(several_s - one_s, 0.0) / max(n_shards - 1, 1)
    return ShardCosts(
        shard_s=shard_s, byte_s=_time_writing(spark, f"{scratch}/one/segments", f"{scratch}/written")
    )


def _time_writing(spark: SparkSession, segments_path: str, target: str) -> float:
    """Seconds a byte of segments takes to be written, by one task, from the executors' disks."""
    segments = read_table(spark, segments_path)
    n_bytes = count_bytes(HadoopPath(spark, segments_path))
    if n_bytes == 0:
        return ASSUMED.byte_s
    n_copies = min(max(math.ceil(_WRITTEN_BYTES / n_bytes), 1), _MAX_COPIES)
    copies = spark.range(n_copies).crossJoin(segments).drop("id").persist(StorageLevel.DISK_ONLY)
    try:
        copies.count()
        seconds = _time(lambda: write_table(copies.coalesce(1), target))
    finally:
        copies.unpersist()
    return seconds / (n_copies * n_bytes)


def count_bytes(folder: HadoopPath) -> int:
    """Size of the files of a folder; 0 where there is none."""
    return sum(folder.child(name).size_bytes() for name in folder.names()) if folder.exists() else 0


def _time(run: Callable[[], object]) -> float:
    started = time.monotonic()
    run()
    return time.monotonic() - started


def _ignore(_line: str) -> None:
    pass
