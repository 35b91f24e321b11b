"""Labels to outcomes."""

import dataclasses
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsound.errors import LabelMapError
from deepsound.label_maps.label_map import (
    AMBIGUOUS,
    MAPPED,
    OUTCOMES,
    UNLABELLED,
    UNMAPPED,
    LabelOutcome,
    make_identity_map,
    map_labels,
)
from deepsound.label_maps.read import parse_label_map
from deepsound.taxonomy import Taxonomy

TAXONOMY = Taxonomy(("hiphop", "jazz", "rock"))
MINE = parse_label_map(
    """
name: mine
version: 3
source: my shelf
targets: [jazz, rock]
map:
  Rock: rock
  Punk: rock
  Jazz: jazz
  Jazz/Rock: jazz          # not what its parts would say
  Fusion: [jazz, rock]
  Techno: unmapped
  "(17)": rock
""",
    where="mine",
)


def outcome_of(label, label_map=MINE):
    (outcome,) = map_labels([label], taxonomy=TAXONOMY, label_map=label_map)
    return outcome.genre or outcome.outcome


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        ("rock", "rock"),
        ("ROCK ", "rock"),
        ("Techno", UNMAPPED),
        ("Yodelling", UNMAPPED),
        ("🎸", UNMAPPED),
        ("Fusion", AMBIGUOUS),
        (None, UNLABELLED),
        ("", UNLABELLED),
        (" ; \0", UNLABELLED),
        ("Rock; Punk", "rock"),
        ("Rock; Rock", "rock"),
        ("Rock; Jazz", AMBIGUOUS),
        ("Rock; Techno", AMBIGUOUS),
        ("Rock; Yodelling", AMBIGUOUS),
        ("Rock; Fusion", AMBIGUOUS),
        ("Techno; Yodelling", UNMAPPED),
        ("Fusion; Fusion", AMBIGUOUS),
        ("Jazz/Rock", "jazz"),
        ("Rock/Jazz", AMBIGUOUS),
        ("Rock/Punk", "rock"),
        ("Punk, Rock", "rock"),
        ("Rock/Yodelling", AMBIGUOUS),
        ("Techno/Yodelling", UNMAPPED),
        ("/", UNMAPPED),
        ("(17)Rock", "rock"),
        ("(17)Punk; Rock", "rock"),
        ("(17)Jazz", AMBIGUOUS),
    ],
)
def test_outcomes(label, outcome):
    assert outcome_of(label) == outcome


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        ("Math Rock", "rock"),
        ("Northern Punk", "rock"),
        ("Very Cool Jazz", "jazz"),
        ("Jazz Rock", "jazz"),
        ("Cool Jazz/Rock", AMBIGUOUS),
        ("Cool Jazz; Jazz", "jazz"),
        ("Cool Jazz; Math Rock", AMBIGUOUS),
        ("New Fusion", AMBIGUOUS),
        ("Jazz Punk", UNMAPPED),
        ("Techno Jazz", UNMAPPED),
        ("Hard Techno Jazz", UNMAPPED),
        ("Not Rock", UNMAPPED),
        ("Anti-Rock", UNMAPPED),
        ("Rocking", UNMAPPED),
        ("Rock Opera", UNMAPPED),
        ("Number 17", UNMAPPED),
    ],
)
def test_labels_by_their_last_words(label, outcome):
    assert outcome_of(label, dataclasses.replace(MINE, by_ending=True)) == outcome
    if label not in ("Jazz Rock", "Cool Jazz/Rock", "Cool Jazz; Jazz"):
        assert outcome_of(label) in (UNMAPPED, AMBIGUOUS)


def test_what_was_taken_for_its_last_words_is_listed():
    tracks_of = {"Math Rock": 3, "Rock": 5, "Cool Jazz; Math Rock": 2, "New Techno": 9, "Polka": 1}
    by_ending = dataclasses.replace(MINE, by_ending=True)
    taken = [
        (one.label, one.taken_for, one.outcome.genre, one.n_tracks) for one in by_ending.list_taken(tracks_of)
    ]
    assert taken == [("Math Rock", "rock", "rock", 5), ("Cool Jazz", "jazz", "jazz", 2)]
    assert MINE.list_taken(tracks_of) == []


def test_maps_that_take_endings_are_others():
    by_ending = dataclasses.replace(MINE, by_ending=True)
    assert by_ending.identity()["fingerprint"] != MINE.identity()["fingerprint"]


def test_counts_and_order():
    labels = ["Rock", None, "Techno", "jazz", "Fusion", "Rock", "x"]
    mapped = map_labels(labels, taxonomy=TAXONOMY, label_map=MINE)
    assert [o.genre for o in mapped] == ["rock", None, None, "jazz", None, "rock", None]
    assert Counter(o.outcome for o in mapped) == {"mapped": 3, "unmapped": 2, "ambiguous": 1, "unlabelled": 1}
    assert map_labels([], taxonomy=TAXONOMY) == []


@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(["Rock", "jazz;rock", "Fusion", "Hip-Hop"]))))
def test_every_label_has_one_outcome(labels):
    for label_map in (MINE, None):
        mapped = map_labels(labels, taxonomy=TAXONOMY, label_map=label_map)
        assert len(mapped) == len(labels)
        for outcome in mapped:
            assert outcome.outcome in OUTCOMES
            assert (outcome.genre is not None) == (outcome.outcome == MAPPED)
            assert outcome.genre is None or outcome.genre in TAXONOMY


@pytest.mark.parametrize(
    ("label", "outcome"),
    [
        ("hiphop", "hiphop"),
        ("Hip-Hop", "hiphop"),
        ("Jazz ", "jazz"),
        ("Jazz/Rock", AMBIGUOUS),
        ("live [1999]", UNMAPPED),
        (None, UNLABELLED),
    ],
)
def test_without_a_map_a_genre_is_known_by_its_name_in_any_spelling(label, outcome):
    assert outcome_of(label, None) == outcome


def test_genres_that_differ_in_spelling_only_are_told_apart_by_it():
    taxonomy = Taxonomy(("Rock", "rock", "🎸", "🎷"))
    labels = ["Rock", "rock", "ROCK", "🎸", "🥁"]
    outcomes = map_labels(labels, taxonomy=taxonomy)
    assert [o.genre for o in outcomes] == ["Rock", "rock", None, "🎸", None]


def test_targets_that_the_model_does_not_know_are_refused():
    with pytest.raises(LabelMapError, match=r"mine has targets .* not know: rock; it knows hiphop, jazz\. Take"):
        map_labels(["x"], taxonomy=Taxonomy(("hiphop", "jazz")), label_map=MINE)


def test_what_is_said_and_written_about_a_map():
    assert MINE.describe(TAXONOMY) == "labels by the map mine, version 3; no label goes to hiphop"
    assert MINE.describe(Taxonomy(("jazz", "rock"))) == "labels by the map mine, version 3"
    assert make_identity_map(TAXONOMY).describe(TAXONOMY) == "labels by the map identity, version 1"
    identity = MINE.identity()
    assert (identity["name"], identity["version"], len(identity["fingerprint"])) == ("mine", 3, 64)
    other = parse_label_map(
        "name: mine\nversion: 3\nsource: x\ntargets: [jazz, rock]\nmap: {Rock: jazz}", where="other"
    )
    assert other.identity()["fingerprint"] != identity["fingerprint"]


def test_a_map_travels_to_workers():
    again = pickle.loads(pickle.dumps(MINE))
    assert again == MINE
    assert again.resolve("Punk") == LabelOutcome(MAPPED, "rock")
