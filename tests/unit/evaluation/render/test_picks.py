"""What a click on a page lists: the very tracks that a figure counts."""

import dataclasses
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.examples import Examples, choose_examples
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.render.chart_style import pick_of
from deepsound.evaluation.render.html.collection import collection_page
from deepsound.evaluation.render.html.picks import find_picks
from deepsound.evaluation.slices import find_slices, join_columns

GENRES = ("blues", "jazz, 音", "rock")
N = 120


def make_table():
    """Tracks of mp3, short ones, of which few are right, and of wav."""
    rng = np.random.default_rng(2)
    truth, is_mp3 = rng.integers(0, 3, N), np.arange(N) % 3 == 0
    chances = rng.dirichlet([1, 1, 1], N) + 2.5 * np.eye(3)[np.where(is_mp3, (truth + 1) % 3, truth)]
    table = make_predictions(
        [f"t{i:03}" for i in range(N)],
        artists=[None] * N,
        true_indices=truth,
        probabilities=chances / chances.sum(axis=1, keepdims=True),
        genres=GENRES,
    )
    names = {
        "container": np.where(is_mp3, "mp3", "wav").tolist(),
        "duration_s": np.arange(N) + np.where(is_mp3, 0.0, 100.0),
    }
    return table, pa.table({"track_id": table["track_id"], **names})


@pytest.fixture(scope="module")
def found():
    """The predictions with what is known of their files, beside others without a label, and what comes of them."""
    table, files = make_table()
    others = table.set_column(0, "track_id", pa.array([f"u{i:03}" for i in range(N)]))
    others = others.set_column(2, "genre", pa.nulls(N, pa.string()))
    known = {row["track_id"]: row for row in files.to_pylist()}
    known |= {f"u{name[1:]}": row for name, row in known.items()}
    examples = choose_examples(pa.concat_tables([table, others]), genres=GENRES, tracks=known, segments=None)
    joined = join_columns(table, files)
    report = dataclasses.replace(evaluate(table, genres=GENRES), slices=find_slices(joined, genres=GENRES))
    picks = find_picks(examples, reliability=report.reliability, slices=report.slices)
    return joined.to_pylist(), examples, report, picks


def test_cells_and_genres(found):
    rows, examples, report, picks = found
    for i, own in enumerate(GENRES):
        listed = {examples.tracks[place].track_id for place in picks[pick_of("genre", own)]}
        assert listed == {row["track_id"] for row in rows if row["genre"] == own}
        for j, other in enumerate(GENRES):
            places = picks.get(pick_of("cell", own, other), [])
            assert len(places) == report.metrics.confusion[i, j]
            assert places == sorted(places), "the surest first, as the tracks are"
        # Of each there is one without a label.
        assert len(picks[pick_of("predicted", own)]) == 2 * sum(row["predicted_genre"] == own for row in rows)


def test_bins_hold_the_tracks_that_they_count(found):
    _, examples, report, picks = found
    assert len(report.reliability.bins) == 10
    for number, part in enumerate(report.reliability.bins, start=1):
        tracks = [examples.tracks[place] for place in picks[pick_of("bin", str(number))]]
        assert len(tracks) == part.n_tracks
        assert np.mean([not one.is_wrong for one in tracks]) == pytest.approx(part.accuracy)
        assert {part.least, part.most} <= {one.confidence for one in tracks}


def test_slices_hold_the_tracks_that_they_count(found):
    rows, examples, report, picks = found
    assert {one.part.column for one in report.slices.worst} >= {"container", "duration_s"}
    for one in report.slices.worst:
        places = picks[pick_of("slice", one.name)]
        assert len(places) == one.n_tracks
        assert np.mean([not examples.tracks[place].is_wrong for place in places]) == pytest.approx(one.accuracy)
    mp3 = {examples.tracks[place].track_id for place in picks[pick_of("slice", "container mp3")]}
    assert mp3 == {row["track_id"] for row in rows if row["container"] == "mp3"}


def test_every_pick_on_a_page_has_its_tracks(found):
    _, examples, report, _ = found
    page = collection_page(report, title="x", examples=examples, facts={})
    (data,) = re.findall(r'id="data">(.*?)</script>', page)
    picks = json.loads(data)["picks"]
    drawn = set(re.findall(r'data-pick="([^"]*)"', page))
    assert {pick.partition("=")[0] for pick in drawn} == {"cell", "genre", "bin", "slice"}
    assert all(picks[pick] for pick in drawn)


def test_what_is_not_known_is_in_no_slice(found):
    *_, report, _ = found
    assert find_picks(Examples(genres=GENRES), slices=report.slices) == {}
    table, _ = make_table()
    bare = choose_examples(table.drop_columns(["artist"]), genres=GENRES, tracks={}, segments=None)
    picks = find_picks(bare, slices=report.slices)
    nowhere = [one.name for one in report.slices.worst if one.part.column in ("container", "duration_s")]
    assert [picks[pick_of("slice", name)] for name in nowhere] == [[]] * len(nowhere)
