"""What runs on an executor: a file to Arrow batches of its outcome."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from deepsound.audio.trial import try_decoding
from deepsound.config import ExtractSettings
from deepsound.features.registry import load_extractors
from deepsound.features.track import (
    SegmentFeatures,
    TrackOutcome,
    extract_track,
    failed_track,
    unread_track,
)
from deepsound.plugins import Plugin
from deepsound.spark.contents import SourceFile
from deepsound.spark.networks import ShippedNetworks
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.schemas import outcome_schema, segment_fields


@dataclass(frozen=True, kw_only=True)
class OutcomeWriter:
    """Turns files into batches of :func:`outcome_schema`. Pickled to executors.

    Where labels are from ``tags``, genre and artist are those that the files name. With ``is_careful`` a decoder
    first proves itself on each file in a process of its own, so that a file which kills or hangs it costs that
    process and not the worker.
    """

    settings: ExtractSettings
    features: tuple[Plugin, ...]
    networks: ShippedNetworks
    fingerprint: str
    progress: ExtractProgress
    is_careful: bool = False

    def __call__(
        self, file: SourceFile, content: BinaryIO | None, problem: str | None
    ) -> Iterator[pa.RecordBatch]:
        """The track's row first, then its segments."""
        track = {
            "track_id": file.track_id,
            "path": file.path,
            "size_bytes": file.size_bytes,
            "modified_ms": file.modified_ms,
            **{"genre": file.genre, "artist": file.artist, "split": file.split},
            "fingerprint": self.fingerprint,
        }
        try:
            if content is not None and self.settings.labels.source == "tags":
                track |= read_tag_labels(content)
            outcome = self._outcome_of(file, content, problem)
        except OSError as exc:
            outcome = self._unread(file, f"the storage does not give it: {exc.strerror}")
        self.progress.count(is_failed=outcome.failure is not None, duration_s=outcome.facts.duration_s)
        track |= {"status": "failed", **asdict(outcome.failure)} if outcome.failure else {"status": "ok"}
        track |= {**asdict(outcome.facts), "n_segments": len(outcome.segments)}
        return _outcome_batches(track, outcome.segments, self.settings.features)

    def _outcome_of(self, file: SourceFile, content: BinaryIO | None, problem: str | None) -> TrackOutcome:
        settings = self.settings
        if content is None:
            return self._unread(file, problem)
        if self.is_careful:
            error = try_decoding(
                content, max_duration_s=settings.max_duration_s, timeout_s=settings.decode_timeout_s
            )
            if error is not None:
                return failed_track(error, stage="decode")
            content.seek(0)
        # Both are kept by the process: extractors are built, and networks read, once.
        extractors = load_extractors(
            self.features, networks=self.networks.on_this_machine(), n_threads=self.networks.n_threads
        )
        return extract_track(content, extractors=extractors, settings=settings, ends_process=True)

    def _unread(self, file: SourceFile, problem: str | None) -> TrackOutcome:
        return unread_track(file.size_bytes or 0, max_bytes=self.settings.max_bytes, problem=problem)


def read_tag_labels(content: BinaryIO) -> dict[str, str | None]:
    """Genre and artist as the tags of an open file have them; its position stays."""
    # Only here: most extractions need no mutagen.
    from deepsound.data.tags import read_tags

    tags = read_tags(content)
    return {"genre": tags.genre, "artist": tags.artist}


# A long track's segments leave in pieces, so that they never stand in memory a second time as a whole.
_SEGMENTS_A_BATCH = 64


def _outcome_batches(
    track: dict[str, Any], segments: list[SegmentFeatures], features: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """The track's row first, then its segments."""
    schema = outcome_schema(features)
    yield pa.RecordBatch.from_pylist([{"track": track, "segment": None}], schema=schema)
    fields = segment_fields(features)
    for first in range(0, len(segments), _SEGMENTS_A_BATCH):
        some = segments[first : first + _SEGMENTS_A_BATCH]
        columns = [_segment_column(field, some, track["track_id"], features) for field in fields]
        structs = pa.StructArray.from_arrays(columns, fields=fields)
        yield pa.RecordBatch.from_arrays([pa.nulls(len(some), schema.field(0).type), structs], schema=schema)


def _segment_column(
    field: pa.Field, segments: list[SegmentFeatures], track_id: str, features: tuple[str, ...]
) -> pa.Array:
    if field.name in features:
        return _list_column([segment.arrays[field.name] for segment in segments])
    if field.name == "track_id":
        return pa.array([track_id] * len(segments), field.type)
    return pa.array([getattr(segment.span, field.name) for segment in segments], field.type)


def _list_column(arrays: list[np.ndarray]) -> pa.ListArray:
    """list<float>; the numbers are not copied one by one."""
    flat = np.concatenate([array.ravel() for array in arrays])
    ends = np.cumsum([0, *(array.size for array in arrays)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat, pa.float32()))
