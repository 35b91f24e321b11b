"""One genre and one artist however they are spelled, as scoring takes them: refused, or merged where told to."""

import unicodedata
from dataclasses import replace

import pytest

from deepsound.config import TrainSettings
from deepsound.errors import LabelError, LeakageError
from deepsound.label_maps.label_map import map_labels
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import load_dataset
from deepsound.training.held_out import Learned
from tests.unit.training.test_dataset import make_rows

SETTINGS = TrainSettings(feature="toy")
NFC, NFD = (unicodedata.normalize(form, "Música") for form in ("NFC", "NFD"))


def respell(rows, genre, *spellings):
    """The rows, with the genre spelled in one way after the other."""
    turn = 0
    for row in rows:
        if row["genre"] == genre:
            row["genre"] = spellings[turn % len(spellings)]
            turn += 1
    return rows


def load(features, **settings):
    lines = []
    return load_dataset(str(features), settings=replace(SETTINGS, **settings), report=lines.append), lines


@pytest.mark.parametrize(
    ("spellings", "told"),
    [
        (("Hip-Hop", "hiphop", "hiphop"), "'hiphop' (10 tracks) and 'Hip-Hop' (6 tracks)"),
        ((NFC, NFD), r"'Mu\u0301sica' (8 tracks) and 'M\xfasica' (8 tracks)"),
    ],
)
def test_genres_that_differ_in_spelling_alone_are_refused_with_their_counts(write_features, spellings, told):
    features = write_features(respell(make_rows(), "high", *spellings))
    with pytest.raises(LabelError) as caught:
        load(features)
    assert told in str(caught.value)
    assert "genres=[" in str(caught.value)
    assert "low]" in str(caught.value)


@pytest.mark.parametrize("spellings", [("Hip-Hop", "hiphop"), (NFC, NFD)])
def test_they_are_merged_where_genres_says_so_and_scoring_agrees(write_features, spellings):
    first, second = spellings
    features = write_features(respell(make_rows(), "high", first, second))
    dataset, lines = load(features, genres=(first, "low"))
    assert dataset.split.num_rows == 32
    assert set(dataset.split["genre"].to_pylist()) == {first, "low"}
    assert lines[0] == f"taken for {first!r}: {second!r} (8 tracks)"
    outcomes = map_labels(spellings, taxonomy=dataset.taxonomy)
    assert [outcome.genre for outcome in outcomes] == [first, first]


def test_genres_that_name_one_genre_twice_are_refused(write_features):
    features = write_features(respell(make_rows(), "high", "Hip-Hop", "hiphop"))
    with pytest.raises(LabelError, match="genres names 'Hip-Hop' and 'hiphop', which is one genre"):
        load(features, genres=("Hip-Hop", "hiphop", "low"))


def test_names_of_signs_only_are_as_different_as_they_look(write_features):
    rows = respell(respell(make_rows(), "high", "!!!"), "low", "???")
    assert load(write_features(rows))[0].taxonomy == Taxonomy(("!!!", "???"))


def test_an_artist_in_several_spellings_stands_on_one_side(write_features):
    """With a name for each of its tracks, every artist of this collection would be two."""
    rows = make_rows()
    for i, row in enumerate(rows):
        name = f"Björk {row['artist']}"
        row["artist"] = (name, unicodedata.normalize("NFD", name.upper()))[i % 2]
    dataset, lines = load(write_features(rows))
    sides = {}
    for row in dataset.split.to_pylist():
        sides.setdefault(row["track_id"].rpartition("-")[0], set()).add(row["split"])
    assert {len(side) for side in sides.values()} == {1}
    assert len(set(dataset.split["artist"].to_pylist())) == 16
    assert lines[0].startswith("16 artists stand in several spellings, each taken for one (e.g. 'B")
    assert dataset.train.group_sizes.tolist() == [2] * len(dataset.train.group_sizes)


def test_a_given_split_that_parts_two_spellings_of_an_artist_leaks(write_features):
    rows = make_rows()
    for i, row in enumerate(rows):
        row["split"] = ("train", "test")[i % 2] if i > 3 else "validation"
        row["artist"] = (row["artist"], row["artist"].upper())[i % 2]
    with pytest.raises(LeakageError, match="artist"):
        load(write_features(rows))


def test_a_model_knows_an_artist_again_in_another_spelling():
    learned = Learned(track_ids=frozenset(), contents=frozenset(), artists=frozenset({"acdc"}))
    assert learned.knows_artist({"artist": "AC/DC"})
    assert not learned.knows_artist({"artist": None})
