"""Which tracks a page shows."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from deepsound.audio.clips import Clip
from deepsound.evaluation import examples as module
from deepsound.evaluation.examples import SegmentRows, add_clips, choose_examples

GENRES = ("blues", "jazz")


def make_table(rows):
    names = ("track_id", "genre", "predicted_genre", "confidence", "ood_score", "is_ood")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    sure = [[c, 1 - c] if p == "blues" else [1 - c, c] for _, _, p, c, *_ in rows]
    return pa.table({**columns, "probabilities": sure})


ROWS = [
    ("a", "blues", "blues", 0.9, 1.0, False),
    ("b", "blues", "jazz", 0.6, 5.0, True),
    ("c", "jazz", "blues", 0.8, 2.0, False),
    ("d", None, "jazz", 0.7, 3.0, False),
    ("e", "blues", "blues", 0.7, 0.0, False),
]
# In the penultimate layer, e lies between a and b, and far from both lies c.
PLACES = {"a": 0.0, "b": 1.2, "c": 3.0, "d": 2.0, "e": 0.4}


def make_segments(n=2):
    names = [name for name in PLACES for _ in range(n)]
    angles = np.array([PLACES[name] for name in names])
    return SegmentRows(
        track_ids=np.array(names, dtype=object),
        # The last first: order is not that of time.
        start_s=np.array([10.0 * (n - 1 - i % n) for i in range(len(names))]),
        duration_s=np.full(len(names), 10.0),
        probabilities=np.array([[0.9, 0.1] if i % n else [0.2, 0.8] for i in range(len(names))]),
        penultimate=7 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
    )


def choose(rows=ROWS, segments=None, tracks=None):
    return choose_examples(make_table(rows), genres=GENRES, tracks=tracks or {}, segments=segments)


def names_of(found, places):
    return [found.tracks[place].track_id for place in places]


def test_mistakes_by_confidence_and_the_farthest():
    found = choose()
    assert names_of(found, found.mistakes) == ["c", "b"]
    assert names_of(found, found.farthest) == ["b", "d", "c", "a"]
    assert found.typical == ()
    assert found.vectors is None
    worst = found.tracks[found.mistakes[0]]
    assert (worst.is_wrong, worst.guesses) == (True, (("blues", 0.8), ("jazz", pytest.approx(0.2))))
    assert not any(track.is_wrong for track in found.tracks if track.true_genre is None)


def test_typical_is_near_to_the_mean_of_its_genre():
    found = choose(segments=make_segments())
    ((genre, most, least),) = found.typical
    assert (genre, *names_of(found, (most, least))) == ("blues", "e", "b")
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    unlabelled = choose([(name, None, "jazz", *rest) for name, _, _, *rest in ROWS], segments=make_segments())
    assert [genre for genre, *_ in unlabelled.typical] == ["jazz"]


def test_a_timeline_goes_by_time_and_the_clip_is_what_speaks_for_the_mistake():
    found = choose(segments=make_segments())
    b = found.tracks[found.mistakes[1]]
    assert [(s.start_s, s.genre, s.probability) for s in b.segments] == [(0.0, "blues", 0.9), (10.0, "jazz", 0.8)]
    assert b.clip_start_s == 10.0
    assert choose(tracks={"b": {"duration_s": 30.0}}).tracks[-1].clip_start_s == 10.0


def test_clips_go_to_what_matters_most(monkeypatch):
    asked = []

    def cut(requests, *, limits):
        asked.append(([request.uri for request in requests], limits.max_duration_s))
        return [Clip(mp3=b"x", picture=np.zeros((1, 64), np.uint8), start_s=0.0, duration_s=1.0) for _ in requests]

    monkeypatch.setattr(module, "cut_clips", cut)
    found = choose(segments=make_segments(), tracks={name: {"path": f"file:/{name}"} for name in PLACES})
    heard = add_clips(found, n_clips=3, extraction={"max_duration_s": 77.0})
    assert asked == [(["file:/c", "file:/b", "file:/d"], 77.0)]
    assert sorted(t.track_id for t in heard.tracks if isinstance(t.clip, Clip)) == ["b", "c", "d"]
    assert all("report.audio" in t.clip for t in heard.tracks if not isinstance(t.clip, Clip))
    add_clips(found, n_clips=0, extraction={})
    assert asked[1] == ([], 14400.0)


def test_tracks_and_training_segments_lie_on_one_map():
    segments = dataclasses.replace(make_segments(), home=np.eye(2, dtype=np.float32)[[0, 1, 0]])
    found = choose(segments=segments)
    assert found.places.shape == (5, 2)
    assert found.home_places.shape == (3, 2)
    assert choose(segments=dataclasses.replace(segments, penultimate=None)).places is None


def test_of_very_many_rows_each_cell_keeps_its_surest(monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", 3)
    monkeypatch.setattr(module, "N_A_CELL", 2)
    rows = [
        (f"t{i:02}", "blues", "blues" if i else "jazz", 0.9 - i / 100, float(i == 20), False) for i in range(40)
    ]
    found = choose(rows)
    # The one of its cell, the surest two of the other, the farthest, and three at even steps.
    assert {"t00", "t01", "t02", "t20", "t39"} <= {track.track_id for track in found.tracks}
    assert len(found.tracks) < 12
    assert names_of(found, found.farthest)[0] == "t20"
