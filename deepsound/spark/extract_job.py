"""Extraction as a Spark job that may be cut off at any moment and goes on where it was.

The work is committed shard by shard (:mod:`deepsound.spark.shards`); what is still to be done is told from the
files that are there and the rows that were committed (:mod:`deepsound.spark.plan`), by no other record.

Spark's own bookkeeping, Structured Streaming over ``binaryFile``, was weighed and left: its checkpoint knows a
file by its path alone, so that a changed file is not read again; it leaves out files older than ``maxFileAge``
before the newest, and those of 0 bytes; and a failed track cannot be asked for again.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from deepsound.config import ExtractSettings
from deepsound.data.shard_limits import ShardLimits, cut_into_shards
from deepsound.features.registry import find_features
from deepsound.networks.engine import NetworkFile
from deepsound.spark.changes import leave_out_copies, update_tracks
from deepsound.spark.contents import SourceFile, map_files
from deepsound.spark.file_facts import HASH_SCHEMA, TAG_SCHEMA, hash_file, read_file_tags
from deepsound.spark.listing import Source
from deepsound.spark.networks import ship_networks
from deepsound.spark.outcomes import OutcomeWriter
from deepsound.spark.output import OutputFolder
from deepsound.spark.plan import TO_EXTRACT, TO_UPDATE, WorkPlan, plan_copies, plan_work
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.schemas import outcome_schema
from deepsound.spark.session import count_cores
from deepsound.spark.shards import ShardStore
from deepsound.spark.stretches import Scratch
from deepsound.spark.summary import ExtractResult, count_tracks, library_versions

Report = Callable[[str], None]

# What Spark says when the process that ran our code is gone, whatever killed it.
_WORKER_LOST = ("Python worker exited unexpectedly", "Python worker keeps failing", "ExecutorLostFailure")
# Files committed together, where shard_files is left open. A commit takes about a second: with fewer files, short
# ones would wait for it longer than a tenth of their own time. So many a core keep it busy to the end of a shard.
_SHARD_FILES_A_CORE = 32
_MIN_SHARD_FILES = 1024
# Of long files fewer, so that a kill does not cost hours: 256 MB are 4 to 5 hours of compressed music, which take
# a core minutes.
_SHARD_BYTES_A_CORE = 256 << 20
_MIN_SHARD_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class RerunPolicy:
    """What a run does with what an earlier one wrote.

    Attributes
    ----------
    retry_failed : bool
        Try failed tracks again.
    overwrite : bool
        Remove an earlier extraction, whatever its settings were.
    prune : bool
        Remove the rows of files that are no longer there.
    """

    retry_failed: bool = False
    overwrite: bool = False
    prune: bool = False


class ExtractJob:
    """An extraction into one folder, which may be run many times."""

    def __init__(
        self,
        spark: SparkSession,
        output: OutputFolder,
        *,
        settings: ExtractSettings,
        networks: tuple[NetworkFile, ...],
        policy: RerunPolicy,
        report: Report,
    ) -> None:
        self._spark, self._output, self._settings = spark, output, settings
        self._networks, self._policy, self._report = networks, policy, report
        self._store = ShardStore(spark, output)
        self._scratch = Scratch(output.staging)
        self._read = functools.partial(self._scratch.read_contents, max_bytes=settings.max_bytes)

    def run(self, source: Source, *, output_path: str) -> ExtractResult:
        """Bring the output up to date with the tracks there are and their labels."""
        # From here on no other run writes, so that what is planned is what there is.
        self._output.begin()
        self._store.recover()
        plan = self._plan(source)
        has_copies = self._has_copies(source)
        for line in plan.describe(has_copies=has_copies, prunes=self._policy.prune):
            self._report(line)
        if plan.count(*self._worked_on) or has_copies:
            self._output.reopen()
            self._do(plan, source)
        self._output.mark_labelled()
        # What was tried again is not tried once more by the next run over a folder that is watched.
        self._policy = replace(self._policy, retry_failed=False)
        result = count_tracks(
            self._store.read_tracks(),
            fingerprint=self._output.extraction.fingerprint,
            n_extracted=plan.count(*TO_EXTRACT),
            n_gone=0 if self._policy.prune else plan.count("gone"),
        )
        summary = {
            "versions": library_versions(),
            "counts": result.counts(),
            "left_out": source.left_out.counts(),
        }
        self._output.finish(summary)
        for line in result.describe(output_path):
            self._report(line)
        return result

    def has_work(self, source: Source) -> bool:
        """Whether :meth:`run` would find something to do. Writes nothing that counts."""
        plan = self._plan(source)
        return bool(plan.count(*self._worked_on)) or self._has_copies(source)

    def outlook(self, source: Source) -> tuple[DataFrame, list[str]]:
        """The tracks that :meth:`run` would extract, and lines for people about all that it would do."""
        plan = self._plan(source)
        lines = plan.describe(has_copies=self._has_copies(source), prunes=self._policy.prune)
        return plan.rows.where(plan.rows["state"].isin(*TO_EXTRACT)), list(lines)

    @property
    def _worked_on(self) -> tuple[str, ...]:
        """States of tracks with which something is to be done; those that are gone stay unless pruned."""
        return (*TO_EXTRACT, *TO_UPDATE, *(("gone",) if self._policy.prune else ()))

    def _has_copies(self, source: Source) -> bool:
        drops = self._settings.duplicates == "drop"
        return drops and not plan_copies(self._store.read_tracks(), source.rows).isEmpty()

    def _plan(self, source: Source) -> WorkPlan:
        reads_files = self._settings.labels.source == "tags"
        is_labelled = self._output.labels_from == self._settings.labels.source
        return plan_work(
            source.rows,
            self._store.read_tracks(),
            retry_failed=self._policy.retry_failed,
            drop_copies=self._settings.duplicates == "drop",
            keeps_labels=reads_files and is_labelled,
            hash_files=self._hash_files,
            read_labels=self._read_labels if reads_files and not is_labelled else None,
            stage=self._scratch.stage,
        )

    def _hash_files(self, rows: DataFrame, n_rows: int) -> DataFrame:
        return self._read(rows, "suspects", hash_file, HASH_SCHEMA, n_rows=n_rows)

    def _read_labels(self, rows: DataFrame, n_rows: int) -> DataFrame:
        if n_rows:
            self._report(f"reading the tags of {n_rows} files, whose labels are from elsewhere")
        return self._read(rows, "tags", read_file_tags, TAG_SCHEMA, n_rows=n_rows)

    def _do(self, plan: WorkPlan, source: Source) -> None:
        # Whatever has a row already.
        done = [state for state in self._worked_on if state != "new"]
        if plan.count(*done):
            update_tracks(self._store, plan.rows.where(plan.rows["state"].isin(done)))
        self._output.mark_labelled()
        writer = OutcomeWriter(
            settings=self._settings,
            features=find_features(self._settings.features),
            networks=ship_networks(self._spark, self._networks),
            fingerprint=self._output.extraction.fingerprint,
            progress=ExtractProgress(self._spark.sparkContext),
        )
        n_files = plan.count(*TO_EXTRACT)
        with writer.progress.shown(n_files=n_files) if n_files else contextlib.nullcontext():
            if n_files:
                self._extract(plan.rows.where(plan.rows["state"].isin(*TO_EXTRACT)), n_files, writer)
            if self._settings.duplicates == "drop":
                self._settle_copies(source, writer)

    def _extract(self, rows: DataFrame, n_rows: int, writer: OutcomeWriter) -> None:
        limits = _shard_limits(self._settings, n_cores=count_cores(self._spark))
        for files in self._scratch.in_stretches(rows, "to-extract", n_rows=n_rows):
            sizes = [file.size_bytes or 0 for file in files]
            for some in cut_into_shards(files, sizes, limits=limits):
                self._extract_shard(some, writer)

    def _extract_shard(self, files: Sequence[SourceFile], writer: OutcomeWriter) -> None:
        segment_bytes = sum(
            4 * spec["shape"][0] * spec["shape"][1] for spec in self._output.extraction.features.values()
        )
        with self._extracted(files, writer) as (outcomes, n_rows):
            tracks = outcomes.where("track is not null").select("track.*")
            if any(file.native is None for file in files):
                tracks = tracks.unionByName(self._unread(files, tracks, writer))
            segments = outcomes.where("segment is not null").select("segment.*")
            # A row of outcomes is a track or a segment: the segments need not be counted by a job of their own.
            n_bytes = segment_bytes * (n_rows - len(files))
            self._store.commit(tracks=tracks, segments=segments, segment_bytes=n_bytes)

    @contextlib.contextmanager
    def _extracted(self, files: Sequence[SourceFile], writer: OutcomeWriter) -> Iterator[tuple[DataFrame, int]]:
        """Outcomes of files, and how many rows they are; they are there for as long as the block.

        Decoding is the expensive part and both tables need it, so they are kept on the executors' disks. Where a
        worker is lost again and again, so that Spark gives up, all is done once more with care: every decoder
        proves itself on a file in a process of its own, and the file that kills it fails alone.
        """
        schema, limit = outcome_schema(self._settings.features), self._settings.max_bytes
        # With care, a file that kills its worker after all must not take others with it.
        outcomes = map_files(
            self._spark, files, writer, schema, max_bytes=limit, one_by_one=writer.is_careful
        ).persist(StorageLevel.DISK_ONLY)
        try:
            try:
                n_rows = outcomes.count()
            except Exception as exc:
                if writer.is_careful or not any(sign in str(exc) for sign in _WORKER_LOST):
                    raise
            else:
                yield outcomes, n_rows
                return
        finally:
            outcomes.unpersist()
        self._report("a worker was lost several times over the same files: trying them one by one, each with care")
        with self._extracted(files, replace(writer, is_careful=True)) as found:
            yield found

    def _unread(self, files: Sequence[SourceFile], tracks: DataFrame, writer: OutcomeWriter) -> DataFrame:
        """Rows of the files that gave none, as the storage did not give their content."""
        read = {row["track_id"] for row in tracks.select("track_id").collect()}
        batches = [batch for file in files if file.track_id not in read for batch in writer(file, None, None)]
        rows = [row["track"] for batch in batches for row in batch.to_pylist()]
        return self._spark.createDataFrame(rows, tracks.schema)

    def _settle_copies(self, source: Source, writer: OutcomeWriter) -> None:
        """Leave out all copies; what is none any more is extracted, and may have copies in its turn."""
        while True:
            copies = self._scratch.stage(plan_copies(self._store.read_tracks(), source.rows), "copies")
            if copies.isEmpty():
                return
            leave_out_copies(self._store, copies)
            firsts = source.rows.join(copies.where("original is null"), "track_id", "left_semi")
            if n_firsts := firsts.count():
                self._extract(firsts, n_firsts, writer)


def _shard_limits(settings: ExtractSettings, *, n_cores: int) -> ShardLimits:
    """What is committed together."""
    return ShardLimits(
        n_files=settings.shard_files or max(_MIN_SHARD_FILES, _SHARD_FILES_A_CORE * n_cores),
        n_bytes=max(_MIN_SHARD_BYTES, _SHARD_BYTES_A_CORE * n_cores),
    )
