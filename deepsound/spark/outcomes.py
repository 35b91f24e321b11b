"""What runs on an executor: Arrow batches of files to Arrow batches of outcomes."""

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast

from deepsound.config import ExtractSettings
from deepsound.data.labels import Labeller, TrackLabels
from deepsound.features.registry import load_extractors
from deepsound.features.track import (
    SegmentFeatures,
    TrackOutcome,
    extract_track,
    unread_track,
)
from deepsound.spark.networks import ShippedNetworks
from deepsound.spark.progress import ExtractProgress
from deepsound.spark.schemas import TRACK_FIELDS, outcome_schema, segment_fields


@dataclass(frozen=True, kw_only=True)
class OutcomeWriter:
    """Maps batches of (path, length, content) to batches of :func:`outcome_schema`. Pickled to executors."""

    settings: ExtractSettings
    networks: ShippedNetworks
    root_uri: str
    fingerprint: str
    labeller: Broadcast[Labeller]
    progress: ExtractProgress

    def extract_batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One batch out per file: its track row, then its segments."""
        networks = self.networks.on_this_machine()
        extractors = load_extractors(self.settings.features, networks=networks, n_threads=self.networks.n_threads)
        for batch in batches:
            for path, length, content in zip(*(batch.column(i) for i in range(3)), strict=True):
                file = io.BytesIO(content.as_py())
                outcome = extract_track(file, extractors=extractors, settings=self.settings)
                failure = outcome.failure
                self.progress.count(is_failed=failure is not None, duration_s=outcome.facts.duration_s)
                yield self._to_batch(path.as_py(), length.as_py(), outcome)

    def unread_batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Failed track rows for files of (path, length) whose content was never seen."""
        for batch in batches:
            for path, length in zip(batch.column(0), batch.column(1), strict=True):
                outcome = unread_track(length.as_py(), max_bytes=self.settings.max_bytes)
                yield self._to_batch(path.as_py(), length.as_py(), outcome)

    def _to_batch(self, path: str, size_bytes: int, outcome: TrackOutcome) -> pa.RecordBatch:
        track_id = path[len(self.root_uri) + 1 :]
        labels = self.labeller.value.labels_of(track_id)
        failure = outcome.failure
        track = {
            "track_id": track_id,
            "path": path,
            "size_bytes": size_bytes,
            **asdict(labels),
            "status": "failed" if failure else "ok",
            **(asdict(failure) if failure else {}),
            **asdict(outcome.facts),
            "n_segments": len(outcome.segments),
            "fingerprint": self.fingerprint,
        }
        return _outcome_batch(track, outcome.segments, labels, self.settings.features)


def _outcome_batch(
    track: dict[str, Any], segments: list[SegmentFeatures], labels: TrackLabels, features: tuple[str, ...]
) -> pa.RecordBatch:
    """Row 0 is the track, the others its segments."""
    n_rows = 1 + len(segments)
    fields = segment_fields(features)
    keys = {"track_id": track["track_id"], **asdict(labels)}
    columns = []
    for field in fields:
        if field.name in features:
            columns.append(_list_column([segment.arrays[field.name] for segment in segments]))
        elif field.name in keys:
            columns.append(pa.array([keys[field.name]] * n_rows, field.type))
        else:
            values = [getattr(segment.span, field.name) for segment in segments]
            columns.append(pa.array([None, *values], field.type))
    is_track = pa.array([True] + [False] * len(segments))
    tracks = pa.array([track] + [None] * len(segments), pa.struct(TRACK_FIELDS))
    return pa.RecordBatch.from_arrays(
        [tracks, pa.StructArray.from_arrays(columns, fields=fields, mask=is_track)],
        schema=outcome_schema(features),
    )


def _list_column(arrays: list[np.ndarray]) -> pa.ListArray:
    """list<float> with an empty list for the track's row; the numbers are not copied one by one."""
    flat = np.concatenate([array.ravel() for array in arrays]) if arrays else np.zeros(0, np.float32)
    ends = np.cumsum([0, 0, *(array.size for array in arrays)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(flat, pa.float32()))
