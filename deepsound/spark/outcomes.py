"""What runs on an executor: Arrow batches of files to Arrow batches of outcomes."""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyspark import Broadcast

from deepsound.audio.trial import try_decoding
from deepsound.config import ExtractSettings
from deepsound.data.labels import Labeller, TrackLabels
from deepsound.features.registry import load_extractors
from deepsound.features.track import (
    SegmentFeatures,
    TrackOutcome,
    extract_track,
    failed_track,
    unread_track,
)
from deepsound.spark.networks import ShippedNetworks
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.schemas import outcome_schema, segment_fields


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A row of a listing on its way to a worker; ``native`` is its path where the worker can open it."""

    track_id: str
    path: str
    size_bytes: int
    modified_ms: int
    native: bytes | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class OutcomeWriter:
    """Turns files into batches of :func:`outcome_schema`. Pickled to executors.

    With ``is_careful`` a decoder first proves itself on each file in a process of its own, so that a file which
    kills or hangs it costs that process and not the worker.
    """

    settings: ExtractSettings
    networks: ShippedNetworks
    fingerprint: str
    labeller: Broadcast[Labeller]
    progress: ExtractProgress
    is_careful: bool = False

    def extract_opened(
        self, batches: Iterator[pa.RecordBatch], chunks: Broadcast[list[list[SourceFile]]]
    ) -> Iterator[pa.RecordBatch]:
        """Outcomes of the chunks of files, which this worker opens, whose numbers are in the batches."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                for file in chunks.value[number]:
                    yield from self._outcome_of(file)

    def extract_contents(
        self, batches: Iterator[pa.RecordBatch], files: Broadcast[dict[str, SourceFile]]
    ) -> Iterator[pa.RecordBatch]:
        """Outcomes of files in batches of (path, content)."""
        for batch in batches:
            for path, content in zip(batch.column(0), batch.column(1), strict=True):
                yield from self._outcome_of(files.value[path.as_py()], pa.BufferReader(content.as_buffer()))

    def write_unread(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The failed row of a file whose content is not to be had."""
        outcome = unread_track(file.size_bytes, max_bytes=self.settings.max_bytes, problem=file.problem)
        yield from self._to_batches(file, outcome, self.labeller.value.labels_of(file.track_id))

    def _outcome_of(self, file: SourceFile, source: BinaryIO | None = None) -> Iterator[pa.RecordBatch]:
        labels = self.labeller.value.labels_of(file.track_id)
        if file.problem is not None or not 0 < file.size_bytes <= self.settings.max_bytes:
            outcome = unread_track(file.size_bytes, max_bytes=self.settings.max_bytes, problem=file.problem)
        elif source is not None:
            labels = self.labeller.value.labels_in(source, track_id=file.track_id)
            outcome = self._extract(source)
        else:
            try:
                with open_source(file) as opened:
                    labels = self.labeller.value.labels_in(opened, track_id=file.track_id)
                    outcome = self._extract(opened)
            except OSError as exc:
                reason = f"the storage does not give it: {exc.strerror}"
                outcome = unread_track(file.size_bytes, max_bytes=self.settings.max_bytes, problem=reason)
        self.progress.count(is_failed=outcome.failure is not None, duration_s=outcome.facts.duration_s)
        yield from self._to_batches(file, outcome, labels)

    def _extract(self, source: BinaryIO) -> TrackOutcome:
        settings = self.settings
        if self.is_careful:
            error = try_decoding(
                source, max_duration_s=settings.max_duration_s, timeout_s=settings.decode_timeout_s
            )
            if error is not None:
                return failed_track(error, stage="decode")
            source.seek(0)
        # Both are kept by the process: extractors are built, and networks read, once.
        extractors = load_extractors(
            settings.features, networks=self.networks.on_this_machine(), n_threads=self.networks.n_threads
        )
        return extract_track(source, extractors=extractors, settings=settings, ends_process=True)

    def _to_batches(
        self, file: SourceFile, outcome: TrackOutcome, labels: TrackLabels
    ) -> Iterator[pa.RecordBatch]:
        failure = outcome.failure
        track = {
            "track_id": file.track_id,
            "path": file.path,
            "size_bytes": file.size_bytes,
            "modified_ms": file.modified_ms,
            **asdict(labels),
            "status": "failed" if failure else "ok",
            **(asdict(failure) if failure else {}),
            **asdict(outcome.facts),
            "n_segments": len(outcome.segments),
            "fingerprint": self.fingerprint,
        }
        return _outcome_batches(track, outcome.segments, labels, self.settings.features)


@contextlib.contextmanager
def open_source(file: SourceFile) -> Iterator[io.BufferedReader]:
    """A file of a mounted file system. Does not wait for the other end of what has become a pipe meanwhile."""
    descriptor = os.open(os.fsdecode(file.native or b""), os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        yield opened


# A long track's segments leave in pieces, so that they never stand in memory a second time as a whole.
_SEGMENTS_A_BATCH = 64


def _outcome_batches(
    track: dict[str, Any], segments: list[SegmentFeatures], labels: TrackLabels, features: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """The track's row first, then its segments."""
    schema = outcome_schema(features)
    yield pa.RecordBatch.from_pylist([{"track": track, "segment": None}], schema=schema)
    fields = segment_fields(features)
    keys = {"track_id": track["track_id"], **asdict(labels)}
    for first in range(0, len(segments), _SEGMENTS_A_BATCH):
        some = segments[first : first + _SEGMENTS_A_BATCH]
        columns = [_segment_column(field, some, keys, features) for field in fields]
        structs = pa.StructArray.from_arrays(columns, fields=fields)
        yield pa.RecordBatch.from_arrays([pa.nulls(len(some), schema.field(0).type), structs], schema=schema)


def _segment_column(
    field: pa.Field, segments: list[SegmentFeatures], keys: dict[str, Any], features: tuple[str, ...]
) -> pa.Array:
    if field.name in features:
        return _list_column([segment.arrays[field.name] for segment in segments])
    if field.name in keys:
        return pa.array([keys[field.name]] * len(segments), field.type)
    return pa.array([getattr(segment.span, field.name) for segment in segments], field.type)


def _list_column(arrays: list[np.ndarray]) -> pa.ListArray:
    """list<float>; the numbers are not copied one by one."""
    flat = np.concatenate([array.ravel() for array in arrays])
    ends = np.cumsum([0, *(array.size for array in arrays)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat, pa.float32()))
