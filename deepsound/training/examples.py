"""What the page of a training shows of single tracks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from deepsound.data.store import read_known_tracks
from deepsound.evaluation.examples import Examples, SegmentRows, choose_examples
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.evaluation.slices import SLICE_COLUMNS, join_columns
from deepsound.models.head import Head
from deepsound.training.dataset import Dataset
from deepsound.training.predictions import TrackPredictions


def find_examples(
    judged: pa.Table,
    *,
    predictions: TrackPredictions,
    head: Head,
    rule: OodRule,
    dataset: Dataset,
    features: str,
) -> Examples:
    """The tracks of the headline (``judged``); of test tracks, what the head says of their segments, too."""
    test, summary = dataset.test, dataset.summary
    scores = head.score(test.values, ood_scores=[rule.score])
    known = read_known_tracks(features, columns=("path", *SLICE_COLUMNS))
    tracks = {row["track_id"]: row for row in known.to_pylist()}
    ood_scores = test.mean_by_track(scores.ood[rule.score])
    columns = {
        "track_id": list(predictions.track_ids),
        "ood_score": ood_scores,
        "is_ood": ood_scores > rule.threshold,
    }
    table = join_columns(judged, pa.table(columns))
    starts = [
        start_s
        for track_id, n in zip(predictions.track_ids, np.bincount(test.track_indices).tolist(), strict=True)
        for start_s in _starts(n, tracks.get(track_id, {}).get("duration_s"), summary.settings)
    ]
    order = np.argsort(test.track_indices, kind="stable")
    segments = SegmentRows(
        track_ids=np.array(predictions.track_ids, dtype=object)[test.track_indices[order]],
        start_s=np.array(starts),
        duration_s=np.full(len(order), float(summary.settings.get("segment_s", np.nan))),
        probabilities=scores.probabilities[order],
        penultimate=None if scores.penultimate is None else scores.penultimate[order],
        home=head.training_vectors,
    )
    return choose_examples(table, genres=predictions.genres, tracks=tracks, segments=segments)


def _starts(n_segments: int, duration_s: float | None, settings: dict[str, Any]) -> Sequence[float]:
    """Where a track's segments start: one after the other, the last no later than the end allows."""
    segment_s = float(settings.get("segment_s", np.nan))
    hop_s = settings.get("segment_hop_s") or segment_s
    latest_s = np.inf if duration_s is None else max(duration_s - segment_s, 0.0)
    return [min(index * float(hop_s), latest_s) for index in range(n_segments)]
