"""Extraction as a Spark job that may be cut off at any moment and goes on where it was.

The work is committed shard by shard (:mod:`deepsound.spark.shards`); what is still to be done is told from the
files that are there and the rows that were committed (:mod:`deepsound.data.ledger`), by no other record.

Spark's own bookkeeping, Structured Streaming over ``binaryFile``, was weighed and left: its checkpoint knows a
file by its path alone, so that a changed file is not read again; it leaves out files older than ``maxFileAge``
before the newest, and those of 0 bytes; and a failed track cannot be asked for again.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd
from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.data.labels import Labeller, TrackLabels
from deepsound.data.ledger import (
    LABEL_COLUMNS,
    ShardLimits,
    changed_among,
    cut_into_shards,
    plan_copies,
    plan_work,
)
from deepsound.features.fingerprint import declare_features, fingerprint_of
from deepsound.features.registry import check_segment_length, load_extractors
from deepsound.networks.engine import NetworkFile
from deepsound.settings import to_plain
from deepsound.spark.file_labels import read_file_labels
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.hashes import hash_contents
from deepsound.spark.inputs import AudioListing, ExtractInput
from deepsound.spark.networks import ship_networks
from deepsound.spark.outcomes import OutcomeWriter
from deepsound.spark.output import Extraction, open_output
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.relabelling import compare_rows
from deepsound.spark.rewrite import RowChanges, rewrite_shards
from deepsound.spark.session import count_cores
from deepsound.spark.shard_job import extracted
from deepsound.spark.shards import ShardStore
from deepsound.spark.summary import ExtractResult, count_tracks, library_versions

Report = Callable[[str], None]

# Files committed together, where shard_files is left open. A commit takes about a second: with fewer files, short
# ones would wait for it longer than a tenth of their own time. So many a core keep it busy to the end of a shard.
_SHARD_FILES_A_CORE = 32
_MIN_SHARD_FILES = 1024
# Of long files fewer, so that a kill does not cost hours: 256 MB are 4 to 5 hours of compressed music, which take
# a core minutes.
_SHARD_BYTES_A_CORE = 256 << 20
_MIN_SHARD_BYTES = 1 << 30


def shard_limits(settings: ExtractSettings, *, n_cores: int) -> ShardLimits:
    """What is committed together."""
    return ShardLimits(
        n_files=settings.shard_files or max(_MIN_SHARD_FILES, _SHARD_FILES_A_CORE * n_cores),
        n_bytes=max(_MIN_SHARD_BYTES, _SHARD_BYTES_A_CORE * n_cores),
    )


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


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What a run is to do: change committed rows, then extract; in words, why."""

    changes: RowChanges
    to_extract: list[str]
    n_new: int
    n_changed: int
    n_again: int
    n_gone: int
    n_lost_labels: Mapping[str, int]
    has_copies: bool

    def is_nothing(self) -> bool:
        return not self.to_extract and self.changes.is_nothing() and not self.has_copies

    def describe(self) -> Iterator[str]:
        if self.is_nothing():
            yield "nothing to do: every file has its row"
            return
        parts = [
            f"{n} {what}"
            for n, what in (
                (self.n_new, "new"),
                (self.n_changed, "changed"),
                (self.n_again, "to be tried again"),
                (len(self.changes.updates), "with new labels or a new time only"),
                (len(self.changes.leave) - self.n_changed - self.n_again, "to be removed"),
            )
            if n
        ]
        yield "to do: " + (", ".join(parts) or "to leave out copies")
        if self.n_lost_labels:
            lost = ", ".join(f"{name} of {n} tracks" for name, n in self.n_lost_labels.items())
            yield f"labels that stood there before and are lost, as there are no new ones: {lost}"


class ExtractJob:
    """An extraction into one folder, which may be run many times.

    Raises
    ------
    OutputError, UnknownFeatureError, ConfigError
        See :func:`deepsound.spark.extract.extract`.
    """

    def __init__(
        self,
        spark: SparkSession,
        root: HadoopPath,
        output_path: str,
        *,
        settings: ExtractSettings,
        networks: tuple[NetworkFile, ...],
        policy: RerunPolicy,
        report: Report,
    ) -> None:
        self._spark, self._settings, self._report = spark, settings, report
        self._output_path, self._policy, self._networks = output_path, policy, networks
        extractors = load_extractors(settings.features, networks=networks)
        check_segment_length(extractors, settings=settings)
        declared = declare_features(extractors, settings=settings)
        self._extraction = Extraction(
            fingerprint=fingerprint_of(declared), features=declared, settings=to_plain(settings)
        )
        self._output = open_output(
            spark,
            output_path,
            root=root,
            extraction=self._extraction,
            overwrite=policy.overwrite,
            report=report,
        )
        self._store = ShardStore(spark, self._output)

    def run(self, found: ExtractInput) -> ExtractResult:
        """Bring the output up to date with the files there are and their labels."""
        listing, labeller = found.listing, found.labeller
        for line in found.describe():
            self._report(line)
        # From here on no other run writes, so that what is planned is what there is.
        self._output.begin()
        self._store.recover()
        ledger = self._store.read_ledger()
        work = self._plan(listing, labeller, ledger)
        for line in work.describe():
            self._report(line)
        if not work.is_nothing():
            self._output.reopen()
            self._do(work, listing, labeller, ledger)
        self._output.mark_labelled()
        # What was tried again is not tried once more by the next run over a folder that is watched.
        self._policy = replace(self._policy, retry_failed=False)
        result = count_tracks(
            self._store.read_tracks(),
            fingerprint=self._extraction.fingerprint,
            n_extracted=len(work.to_extract),
            n_gone=work.n_gone,
        )
        summary = {
            "versions": library_versions(),
            "counts": result.counts(),
            "left_out": listing.left_out.counts(),
        }
        self._output.finish(summary)
        for line in result.describe(self._output_path):
            self._report(line)
        return result

    def has_work(self, found: ExtractInput) -> bool:
        """Whether :meth:`run` would find something to do. Writes nothing."""
        return not self._plan(found.listing, found.labeller, self._store.read_ledger()).is_nothing()

    def _plan(self, listing: AudioListing, labeller: Labeller, ledger: pd.DataFrame) -> _Work:
        drops = self._settings.duplicates == "drop"
        plan = plan_work(listing.files, ledger, retry_failed=self._policy.retry_failed, drop_copies=drops)
        max_bytes = self._settings.max_bytes
        hashes = hash_contents(self._spark, listing, plan.suspects, max_bytes=max_bytes) if plan.suspects else {}
        changed = changed_among(plan.suspects, ledger, hashes=hashes)
        to_extract = sorted([*plan.missing, *changed, *plan.again])
        leave = {*changed, *plan.again, *(plan.gone if self._policy.prune else ())}
        stay = ledger[~ledger["track_id"].isin({*to_extract, *leave})]
        labels_now = self._labels_now(listing, stay, labeller)
        # Where labels stand in the files, those of files to be extracted are not known yet.
        compared = compare_rows(listing.files, stay if labeller.reads_files else ledger, labels_now)
        return _Work(
            changes=RowChanges(leave=leave, updates=compared.updates_of(stay["track_id"])),
            to_extract=to_extract,
            n_new=len(plan.missing),
            n_changed=len(changed),
            n_again=len(plan.again),
            n_gone=0 if self._policy.prune else len(plan.gone),
            n_lost_labels=compared.count_lost_labels(),
            has_copies=drops and not plan_copies(ledger, there=listing.files["track_id"]).is_nothing(),
        )

    def _labels_now(
        self, listing: AudioListing, stay: pd.DataFrame, labeller: Labeller
    ) -> Callable[[str], TrackLabels]:
        """The labels that rows of unchanged files should have."""
        if not labeller.reads_files:
            return labeller.labels_of
        if self._output.labels_from == labeller.source:  # then they have them
            rows = zip(stay["track_id"], *(stay[name] for name in LABEL_COLUMNS), strict=True)
            known = {
                track_id: TrackLabels(genre=genre, artist=artist, split=split)
                for track_id, genre, artist, split in rows
            }
        else:
            self._report(f"reading the tags of {len(stay)} files, whose labels are from elsewhere")
            max_bytes = self._settings.max_bytes
            known = read_file_labels(
                self._spark, listing, stay["track_id"].tolist(), labeller=labeller, max_bytes=max_bytes
            )
        return lambda track_id: known.get(track_id, TrackLabels())

    def _do(self, work: _Work, listing: AudioListing, labeller: Labeller, ledger: pd.DataFrame) -> None:
        writer = OutcomeWriter(
            settings=self._settings,
            networks=ship_networks(self._spark, self._networks),
            fingerprint=self._extraction.fingerprint,
            labeller=self._spark.sparkContext.broadcast(labeller),
            progress=ExtractProgress(self._spark.sparkContext),
        )
        rewrite_shards(self._spark, self._store, ledger, work.changes)
        self._output.mark_labelled()
        n_files = len(work.to_extract)
        with writer.progress.shown(n_files=n_files) if n_files else contextlib.nullcontext():
            self._extract(listing, work.to_extract, writer)
            if self._settings.duplicates == "drop":
                self._settle_copies(listing, writer)

    def _extract(self, listing: AudioListing, track_ids: list[str], writer: OutcomeWriter) -> None:
        n_cores = count_cores(self._spark)
        limits = shard_limits(self._settings, n_cores=n_cores)
        files = listing.files.set_index("track_id").loc[track_ids]
        segment_bytes = sum(4 * spec["shape"][0] * spec["shape"][1] for spec in self._extraction.features.values())
        revision = self._store.next_shard()
        for some in cut_into_shards(track_ids, files["size_bytes"].tolist(), limits=limits):
            with extracted(self._spark, listing, some, writer=writer, report=self._report) as rows:
                n_bytes = segment_bytes * rows.n_segments
                self._store.commit(revision, tracks=rows.tracks, segments=rows.segments, segment_bytes=n_bytes)
            revision = revision.next_shard()

    def _settle_copies(self, listing: AudioListing, writer: OutcomeWriter) -> None:
        """Leave out all copies; what is none any more is extracted, and may have copies in its turn."""
        while True:
            ledger = self._store.read_ledger()
            copies = plan_copies(ledger, there=listing.files["track_id"])
            if copies.is_nothing():
                return
            changes = RowChanges(leave=copies.to_extract, originals=copies.originals)
            rewrite_shards(self._spark, self._store, ledger, changes)
            self._extract(listing, copies.to_extract, writer)
