"""The listing of ``deepsound tracks``: a row a line, whatever a file is called."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.commands.tracks import main

HOSTILE = "blues/\x1b[2J\x1b[H\nok.wav: 0 failed\u202e.wav"


@pytest.fixture
def features(write_features):
    folder = write_features([{"track_id": HOSTILE, "error_code": "unreadable"}, {"track_id": "b.wav"}])
    tracks = pq.read_table(folder / "tracks")
    words = pa.array([f"cannot read {HOSTILE}", None], pa.string())
    for name in ("error_stage", "error_detail"):
        tracks = tracks.append_column(name, words)
    pq.write_table(tracks, folder / "tracks" / "part-0.parquet")
    return folder


def test_names_give_no_orders_to_the_terminal(features, capsys):
    assert main([str(features)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line[:40] for line in lines] == [
        "2 tracks: 1 ok (0.00 h), 1 failed",
        "  unreadable                 1",
        "blues/\\x1b[2J\\x1b[H\\nok.wav: 0 failed\\u2",
        "",
    ]
    # What is written keeps the true name.
    assert pq.read_table(features / "tracks")["track_id"].to_pylist()[0] == HOSTILE
