"""Files with the same bytes: told of, or all but the first dropped as failed rows."""

import shutil

import pyarrow.parquet as pq
import pytest

from deepsound.config import ExtractSettings
from deepsound.spark.extract import extract


@pytest.fixture
def collection(music, tmp_path):
    """Four files, of which three have the same bytes, and two empty ones, which are nobody's copies."""
    root = tmp_path / "music"
    root.mkdir()
    for name in ("b.wav", "a.wav", "c.wav"):
        shutil.copy(music / "low" / "low.00000.wav", root / name)
    shutil.copy(music / "low" / "low.00001.wav", root / "d.wav")
    for name in ("e.wav", "f.wav"):
        (root / name).write_text("no music")
    return root


def run(spark, collection, output, **changes):
    lines = []
    settings = ExtractSettings(segment_s=1.0, max_failure_fraction=1.0, **changes)
    result = extract(spark, str(collection), str(output), settings=settings, report=lines.append)
    rows = {row["track_id"]: row for row in pq.read_table(output / "tracks").to_pylist()}
    segments = set(pq.read_table(output / "segments")["track_id"].to_pylist())
    return result, rows, segments, lines


def test_kept_and_told_of(spark, collection, tmp_path):
    result, rows, segments, lines = run(spark, collection, tmp_path / "f")
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {"a.wav", "b.wav", "c.wav", "d.wav"}
    assert segments == {"a.wav", "b.wav", "c.wav", "d.wav"}
    assert result.n_copies == 2
    assert "2 of them repeat the bytes of another" in lines[-1]


def test_dropped_all_but_the_first(spark, collection, tmp_path):
    result, rows, segments, lines = run(spark, collection, tmp_path / "f", duplicates="drop")
    assert segments == {"a.wav", "d.wav"}
    assert len(rows) == result.n_tracks == 6
    assert (result.n_ok, result.n_failed, result.n_copies, result.n_segments) == (2, 4, 0, 4)
    assert result.failures_by_code == {"duplicate": 2, "unsupported_format": 2}
    for name in ("b.wav", "c.wav"):
        assert rows[name]["error_code"] == "duplicate"
        assert rows[name]["error_detail"] == "the same bytes as a.wav"
        assert rows[name]["n_segments"] == 0
        assert rows[name]["content_sha256"] == rows["a.wav"]["content_sha256"]
    assert not any("repeat" in line for line in lines)


def test_nothing_to_drop_changes_nothing(spark, music, tmp_path):
    plain = run(spark, music, tmp_path / "plain")
    dropping = run(spark, music, tmp_path / "dropping", duplicates="drop")
    assert plain[1] == dropping[1]
    assert plain[2] == dropping[2]
    schemas = [pq.read_table(tmp_path / name / "segments").schema.names for name in ("plain", "dropping")]
    assert schemas[0] == schemas[1]
