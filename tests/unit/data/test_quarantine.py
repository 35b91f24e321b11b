"""Counting and listing what failed and what is there twice."""

import pyarrow as pa
import pytest

from deepsound.commands.tracks import format_tracks
from deepsound.data.quarantine import report_tracks


def make_tracks(*rows):
    """(track_id, error_code or None, sha)"""
    return pa.table(
        {
            "track_id": [row[0] for row in rows],
            "status": ["failed" if row[1] else "ok" for row in rows],
            "error_code": pa.array([row[1] for row in rows], pa.string()),
            "error_stage": pa.array(["decode" if row[1] else None for row in rows], pa.string()),
            "error_detail": pa.array(["why" if row[1] else None for row in rows], pa.string()),
            "content_sha256": pa.array([row[2] for row in rows], pa.string()),
            "duration_s": pa.array([None if row[1] else 1800.0 for row in rows], pa.float64()),
        }
    )


@pytest.fixture
def tracks():
    return make_tracks(
        *(("z.wav", None, "1"), ("a.wav", None, "1"), ("m.wav", None, "2"), ("k.wav", None, "1")),
        *(
            ("q.wav", "empty", "3"),
            ("c.wav", "empty", "3"),
            ("b.wav", "silent", "4"),
            ("u.wav", "unreadable", None),
        ),
        ("v.wav", "empty", "5"),
    )


def test_counts_lists_and_copies(tracks):
    report = report_tracks(tracks)
    assert (report.n_tracks, report.n_ok, report.audio_s) == (9, 4, 7200.0)
    assert list(report.failures_by_code.items()) == [("empty", 3), ("silent", 1), ("unreadable", 1)]
    assert [row["track_id"] for row in report.failed] == ["b.wav", "c.wav", "q.wav", "u.wav", "v.wav"]
    # Failed tracks with the same bytes failed for the same reason; they are no copies of music.
    assert report.copies == [["a.wav", "k.wav", "z.wav"]]


def test_one_code_lists_less_but_counts_all(tracks):
    report = report_tracks(tracks, code="silent")
    assert [row["track_id"] for row in report.failed] == ["b.wav"]
    assert report.failures_by_code["empty"] == 3


def test_lines(tracks):
    lines = format_tracks(report_tracks(tracks), limit=2)
    assert lines[0] == "9 tracks: 4 ok (2.00 h), 5 failed"
    assert lines[1].split() == ["empty", "3"]
    assert lines[4] == "b.wav: silent (decode): why"
    assert lines[6] == "... and 3 more (--limit 0 lists all)"
    assert lines[7:] == ["2 tracks repeat the bytes of another:", "a.wav = k.wav = z.wav"]
    assert len(format_tracks(report_tracks(tracks), limit=0)) == 1 + 3 + 5 + 2


def test_a_collection_without_a_fault():
    assert format_tracks(report_tracks(make_tracks(("a.wav", None, "1"))), limit=5) == [
        "1 tracks: 1 ok (0.50 h), 0 failed"
    ]


def test_an_empty_collection():
    assert report_tracks(make_tracks()).failures_by_code == {}
