"""Extraction as a Spark job: binaryFile rows -> :func:`deepsound.features.track.extract_track` -> two tables."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound import __version__
from deepsound.config import ExtractSettings
from deepsound.errors import TooManyFailuresError
from deepsound.features.base import FeatureExtractor
from deepsound.features.fingerprint import declare_features, fingerprint_of
from deepsound.features.registry import check_segment_length, load_extractors
from deepsound.networks.engine import NetworkFile
from deepsound.settings import to_plain
from deepsound.spark.duplicates import drop_duplicates, without_duplicates
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.inputs import AudioListing, list_audio, load_labeller, prepare_output
from deepsound.spark.networks import ship_networks
from deepsound.spark.outcomes import OutcomeWriter
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.schemas import outcome_schema

_LIBRARIES = ("numpy", "scipy", "soundfile", "av", "soxr", "onnxruntime", "pyarrow", "pyspark")
_SEGMENT_FILE_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ExtractResult:
    """Counts of a finished extraction; inputs = ok + failed, and ``n_copies`` of the ok repeat another's bytes."""

    n_tracks: int
    n_ok: int
    n_failed: int
    n_segments: int
    audio_s: float
    n_copies: int
    failures_by_code: dict[str, int]
    fingerprint: str

    def check_failures(self, max_failure_fraction: float) -> None:
        """Raise :class:`TooManyFailuresError` past the allowed fraction; everything is written by then."""
        if self.n_failed > max_failure_fraction * self.n_tracks:
            codes = ", ".join(f"{n} {code}" for code, n in sorted(self.failures_by_code.items()))
            raise TooManyFailuresError(
                f"{self.n_failed} of {self.n_tracks} tracks failed ({codes}); max_failure_fraction is "
                f"{max_failure_fraction:g}. Everything is written; tracks/ says why each one failed"
            )


def extract(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...] = (),
    report: Callable[[str], None],
) -> ExtractResult:
    """Turn a folder of audio into a FEATURES folder.

    ``extract.json`` is written last: a folder without it is an extraction that did not finish.

    Parameters
    ----------
    input_path, output_path : str
        On any file system that Spark reaches.
    networks : tuple of NetworkFile
        Prepared, one for every embedding among the features.
    report : callable
        Gets one line of text at a time.

    Raises
    ------
    InputError
        The input does not exist, is no folder, or holds no audio file.
    OutputError
        The output holds something else, or features of another definition.
    UnknownFeatureError, ConfigError, LabelError
        From the settings.
    """
    extractors = load_extractors(settings.features, networks=networks)
    check_segment_length(extractors, settings=settings)
    declared = declare_features(extractors, settings=settings)
    fingerprint = fingerprint_of(declared)
    listing = list_audio(spark, input_path)
    labeller = load_labeller(spark, settings.labels, root=listing.root)
    output = prepare_output(spark, output_path, root=listing.root, fingerprint=fingerprint)
    report(f"{listing.n_files} files, {listing.n_bytes / 1e6:.1f} MB in {listing.root.uri}")
    with _work_sized_partitions(spark, listing):
        writer = OutcomeWriter(
            settings=settings,
            networks=ship_networks(spark, networks),
            root_uri=listing.root.uri,
            fingerprint=fingerprint,
            labeller=spark.sparkContext.broadcast(labeller),
            progress=ExtractProgress(spark.sparkContext),
        )
        result = _run(listing, output, writer, extractors)
    summary = {
        "fingerprint": fingerprint,
        "features": declared,
        "settings": to_plain(settings),
        "versions": {"deepsound": __version__, **{name: version(name) for name in _LIBRARIES}},
        "counts": {
            "tracks": result.n_tracks,
            "ok": result.n_ok,
            "failed": result.n_failed,
            "segments": result.n_segments,
        },
    }
    output.child("extract.json").write_text(json.dumps(summary, indent=2))
    report(
        f"{result.n_ok} tracks ok, {result.n_failed} failed, {result.n_segments} segments, "
        f"{result.audio_s / 3600:.2f} h of audio -> {output_path}"
    )
    if result.n_copies:
        report(
            f"{result.n_copies} of them repeat the bytes of another; 'deepsound tracks' lists them, "
            "duplicates=drop leaves them out"
        )
    return result


def _run(
    listing: AudioListing, output: HadoopPath, writer: OutcomeWriter, extractors: Sequence[FeatureExtractor]
) -> ExtractResult:
    schema = from_arrow_schema(outcome_schema(writer.settings.features))
    # Decoding is the expensive part and both tables need it: done once, kept on the executors' disks.
    is_decodable = F.col("length") <= writer.settings.max_bytes
    decodable = listing.files.where(is_decodable).select("path", "length", "content")
    outcomes = decodable.mapInArrow(writer.extract_batches, schema).persist(StorageLevel.DISK_ONLY)
    try:
        with writer.progress.shown(n_files=listing.n_files):
            outcomes.count()
        return _write_tables(listing, outcomes, writer, output, extractors)
    finally:
        outcomes.unpersist()


def _write_tables(
    listing: AudioListing,
    outcomes: DataFrame,
    writer: OutcomeWriter,
    output: HadoopPath,
    extractors: Sequence[FeatureExtractor],
) -> ExtractResult:
    done = outcomes.where("track is not null").select("track.*")
    # Files that were listed but gave no row: empty, too large, or the storage failed to give them.
    unread = listing.listed.join(done.select("path"), "path", "left_anti")
    unread_rows = unread.mapInArrow(writer.unread_batches, outcomes.schema).select("track.*")
    tracks = done.unionByName(unread_rows)
    drops = writer.settings.duplicates == "drop"
    tracks = (drop_duplicates(tracks) if drops else tracks).persist(StorageLevel.DISK_ONLY)
    try:
        counts = _count(tracks, writer.fingerprint)
        tracks.coalesce(math.ceil(counts.n_tracks / 100_000)).write.mode("overwrite").parquet(
            output.child("tracks").uri
        )
        segment_s = writer.settings.segment_s
        segment_bytes = sum(4 * math.prod(extractor.shape(segment_s)) for extractor in extractors)
        n_files = math.ceil((counts.n_segments * segment_bytes + 1) / _SEGMENT_FILE_BYTES)
        segments = outcomes.where("segment is not null").select("segment.*")
        if drops:
            columns = segments.columns
            segments = without_duplicates(segments, tracks).select(columns)
        segments.coalesce(n_files).write.mode("overwrite").parquet(output.child("segments").uri)
        return counts
    finally:
        tracks.unpersist()


def _count(tracks: DataFrame, fingerprint: str) -> ExtractResult:
    groups = tracks.groupBy("status", "error_code").agg(
        F.count("*").alias("n"),
        F.coalesce(F.sum("n_segments"), F.lit(0)).alias("n_segments"),
        F.coalesce(F.sum("duration_s"), F.lit(0.0)).alias("audio_s"),
        F.count_distinct("content_sha256").alias("n_contents"),
    )
    rows = groups.collect()
    failed = {row["error_code"]: int(row["n"]) for row in rows if row["status"] == "failed"}
    n_tracks = sum(int(row["n"]) for row in rows)
    return ExtractResult(
        n_tracks=n_tracks,
        n_ok=n_tracks - sum(failed.values()),
        n_failed=sum(failed.values()),
        n_segments=sum(int(row["n_segments"]) for row in rows),
        audio_s=sum(float(row["audio_s"]) for row in rows if row["status"] == "ok"),
        n_copies=sum(int(row["n"] - row["n_contents"]) for row in rows if row["status"] == "ok"),
        failures_by_code=failed,
        fingerprint=fingerprint,
    )


@contextlib.contextmanager
def _work_sized_partitions(spark: SparkSession, listing: AudioListing) -> Iterator[None]:
    """Partitions by work, for the length of a job.

    Spark packs files into 128 MB partitions, which is hours of compressed audio in one task. Here a task is
    small enough that every core gets at least eight of them (so that the last one does not keep all others
    waiting) and large enough that its start costs little. Batches are small because a row holds a file.
    """
    n_cores = max(1, spark.sparkContext.defaultParallelism)
    open_cost = 256 * 1024
    work = listing.n_bytes + open_cost * listing.n_files
    partition_bytes = min(max(math.ceil(work / (8 * n_cores)), open_cost), 32 * 1024 * 1024)
    wanted = {
        "spark.sql.files.maxPartitionBytes": str(partition_bytes),
        "spark.sql.files.openCostInBytes": str(open_cost),
        # The storage may fail on one file; it is then missing from the rows and reported as unreadable.
        "spark.sql.files.ignoreCorruptFiles": "true",
        "spark.sql.files.ignoreMissingFiles": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "4",
    }
    before = {key: spark.conf.get(key) for key in wanted}
    for key, value in wanted.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            spark.conf.set(key, str(old))
