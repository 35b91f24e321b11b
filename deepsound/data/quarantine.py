"""What became of the tracks of an extraction: how many failed and why, which are copies of another."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, kw_only=True)
class TrackReport:
    """A collection in numbers.

    Attributes
    ----------
    n_tracks, n_ok : int
    audio_s : float
        Seconds of the readable tracks.
    failures_by_code : dict
        Code to number of tracks, the most frequent first.
    failed : list of dict
        track_id, error_code, error_stage, error_detail of the failed tracks, by track_id.
    copies : list of list of str
        track_ids of readable tracks with the same bytes, two or more each, by their first.
    """

    n_tracks: int
    n_ok: int
    audio_s: float
    failures_by_code: dict[str, int]
    failed: list[dict[str, Any]]
    copies: list[list[str]]


def report_tracks(tracks: pa.Table, *, code: str | None = None) -> TrackReport:
    """Sum up a ``tracks/`` table.

    Parameters
    ----------
    tracks : pa.Table
        track_id, status, error_code, error_stage, error_detail, content_sha256, duration_s.
    code : str, optional
        List only the tracks that failed with this code; the counts stay those of all.
    """
    is_ok = pc.equal(tracks["status"], "ok")
    ok, failed = tracks.filter(is_ok), tracks.filter(pc.invert(is_ok)).sort_by("track_id")
    counts = pc.value_counts(failed["error_code"]).to_pylist()
    by_code = sorted(((row["values"], row["counts"]) for row in counts), key=lambda pair: (-pair[1], pair[0]))
    listed = failed if code is None else failed.filter(pc.equal(failed["error_code"], code))
    grouped = ok.group_by("content_sha256").aggregate([("track_id", "list")])
    groups = [sorted(ids) for ids in grouped["track_id_list"].to_pylist() if len(ids) > 1]
    return TrackReport(
        n_tracks=tracks.num_rows,
        n_ok=ok.num_rows,
        audio_s=float(pc.sum(ok["duration_s"]).as_py() or 0.0),
        failures_by_code=dict(by_code),
        failed=listed.select(["track_id", "error_code", "error_stage", "error_detail"]).to_pylist(),
        copies=sorted(groups),
    )
