"""The law of extraction, on files that want to break it: inputs = ok + failed, no worker lost, nothing hangs."""

import math

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from deepsound import errors
from deepsound.config import ExtractSettings
from deepsound.spark.extract import extract
from tests.spark.hostile import write_corpus

SETTINGS = ExtractSettings(segment_s=1.0, max_duration_s=60, max_failure_fraction=1.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile") / "corpus"
    return root, write_corpus(root, seed=1, n_damaged_each=10)


@pytest.fixture(scope="module")
def result(spark, corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("hostile") / "features"
    return extract(spark, str(corpus[0]), str(output), settings=SETTINGS, report=lambda _: None), output


def test_every_file_is_one_row_and_no_failure_is_a_bug(corpus, result):
    counts, output = result
    root, n_files = corpus
    assert n_files >= 500
    tracks = pq.read_table(output / "tracks")
    assert counts.n_tracks == counts.n_ok + counts.n_failed == n_files == tracks.num_rows
    assert {row["track_id"] for row in tracks.to_pylist()} == {path.name for path in root.iterdir()}
    # 'internal' is what an error becomes that nobody foresaw.
    known = {error.code for error in errors.TrackError.__subclasses__()}
    assert set(counts.failures_by_code) <= known
    assert counts.n_ok > 50
    assert counts.n_failed > 150


def test_all_that_came_out_is_finite_and_of_its_shape(result):
    _, output = result
    segments = pq.read_table(output / "segments", columns=["mfcc", "start_s", "duration_s"])
    values = np.concatenate(segments["mfcc"].to_numpy())
    assert np.isfinite(values).all()
    assert len(values) == segments.num_rows * 44 * 13
    ok = pq.read_table(output / "tracks").filter(pc.field("status") == "ok")
    assert pc.max(ok["duration_s"]).as_py() <= SETTINGS.max_duration_s
    assert pc.min(ok["n_segments"]).as_py() >= 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("nothing.wav", "empty"),
        ("no-sample.wav", "empty"),
        ("text.mp3", "unsupported_format"),
        ("one-sample.wav", "too_short"),
        ("silence.wav", "silent"),
        ("tiny-values.wav", "silent"),
        ("nan.wav", "not_finite"),
        ("inf.wav", "not_finite"),
        ("rate-1.wav", "too_long"),
        ("jazz.00054.wav", "unreadable"),
        ("flac-2-36.flac", "unreadable"),
        ("flac-2-32.flac", "too_long"),
        ("mp3-2-31.mp3", None),
        ("dc.wav", None),
        ("wav-4-gb.wav", None),
        ("huge-values.wav", None),
        ("lying-length.wav", None),
        ("wrong-name-flac.txt.wav", None),
        ("wrong-name-m4a.txt.wav", None),
        (f"{'long' * 60}.wav", None),
        ("ünïcödé ♫ 音楽 \u202e.wav", None),
        ("sp ace%20per+cent#hash?.wav", None),
    ],
)
def test_oddities_are_what_they_are(result, name, code):
    _, output = result
    (row,) = pq.read_table(output / "tracks", filters=[("track_id", "=", name)]).to_pylist()
    assert row["error_code"] == code, row["error_detail"]
    assert math.isfinite(row["duration_s"] or 0)
