"""The maps in conf/taxonomy: complete, consistent, and honest about what has no counterpart."""

import functools
import re

import pytest
from mutagen.id3 import TCON

from deepsound.label_maps.label_map import AMBIGUOUS, UNMAPPED
from deepsound.label_maps.names import normalize_label
from deepsound.label_maps.read import builtin_label_maps, read_label_map
from deepsound.taxonomy import GTZAN_GENRES, Taxonomy

NAMES = ("fma", "id3", "jamendo")
FMA_TOP = (
    *("Blues", "Classical", "Country", "Easy Listening", "Electronic", "Experimental", "Folk", "Hip-Hop"),
    *("Instrumental", "International", "Jazz", "Old-Time / Historic", "Pop", "Rock", "Soul-RnB", "Spoken"),
)
ELECTRONIC = re.compile(r"electroni|techno|house|trance|dubstep|^edm$|^idm$|ambient|triphop|downtempo|breakbeat")
ENTRY = re.compile(r'  ("[^"]+"|[^#:"]+): (\[[a-z, ]+\]|[a-z]+)(?: # (.+))?')


read = functools.cache(read_label_map)


def look_up(name, label):
    outcome = read(name).resolve(label)
    return outcome.genre or outcome.outcome


@pytest.mark.parametrize("name", NAMES)
def test_files_are_what_they_are_called_and_fit_gtzan(name):
    label_map = read(name)
    assert (label_map.name, label_map.targets) == (name, GTZAN_GENRES)
    # FMA knows reggae only as dub and dancehall.
    for genre in set(GTZAN_GENRES) - {"reggae"} if name == "fma" else GTZAN_GENRES:
        assert label_map.resolve(genre).genre == genre
    assert label_map.describe(Taxonomy(GTZAN_GENRES)) == f"labels by the map {name}, version {label_map.version}"


def test_vocabularies_are_complete():
    assert len(read("fma").entries) == 163
    assert len(read("jamendo").entries) == 95
    assert {normalize_label(title) for title in FMA_TOP} <= set(read("fma").entries)
    entries = read("id3").entries
    for number, title in enumerate(TCON.GENRES):
        assert entries[normalize_label(title)] == entries[str(number)], title


@pytest.mark.parametrize("name", NAMES)
def test_electronic_music_is_forced_into_no_genre(name):
    checked = [form for form in read(name).entries if ELECTRONIC.search(form)]
    assert len(checked) > 8
    for form in checked:
        assert read(name).entries[form].outcome == UNMAPPED, form


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_not_plain_has_its_reason(name):
    """Each genre that a label does not name itself, and each choice between several, says why on its line."""
    found = [ENTRY.fullmatch(line) for line in builtin_label_maps()[name].read_text().splitlines()]
    entries = [match.groups() for match in found if match]
    assert len(entries) == len(read(name).entries)
    for label, target, reason in entries:
        is_plain = target == UNMAPPED or normalize_label(target) in normalize_label(label)
        assert is_plain or reason, label


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("fma", "Electronic", UNMAPPED),
        ("fma", "Soul-RnB", AMBIGUOUS),
        ("fma", "Hip-Hop", "hiphop"),
        ("fma", "Hip-Hop; Rap", "hiphop"),
        ("fma", "Rock; Punk; Loud-Rock", AMBIGUOUS),
        ("fma", "Reggae - Dub", "reggae"),
        ("fma", "Big Band/Swing", "jazz"),
        ("fma", "Jazz: Vocal", "jazz"),
        ("jamendo", "genre---rock", "rock"),
        ("jamendo", "rock", "rock"),
        ("jamendo", "genre---rock\tgenre---pop", AMBIGUOUS),
        ("jamendo", "genre---electronic", UNMAPPED),
        ("jamendo", "instrument---guitar", UNMAPPED),
        ("id3", "(17)", "rock"),
        ("id3", "17", "rock"),
        ("id3", "(17)Rock", "rock"),
        ("id3", "(51)(39)", UNMAPPED),
        ("id3", "(7)(15)", "hiphop"),
        ("id3", "(255)", UNMAPPED),
        ("id3", "Hip-Hop", "hiphop"),
        ("id3", "Hip Hop / Rap", "hiphop"),
        ("id3", "hip hop/rap", "hiphop"),
        ("id3", "R&B", AMBIGUOUS),
        ("id3", "r'n'b", AMBIGUOUS),
        ("id3", "heavy metal", "metal"),
        ("id3", "Electronica", UNMAPPED),
        ("id3", "Pop/Rock", AMBIGUOUS),
        ("id3", "Pop-Rock", AMBIGUOUS),
        ("id3", "Rock 'n' Roll", "rock"),
        ("id3", "Rock/Metal", AMBIGUOUS),
        ("id3", "Jazz, Bebop", "jazz"),
        ("id3", "Folk, World, & Country", AMBIGUOUS),
        ("id3", "Dancehall", "reggae"),
        # What ends in a name of the map, unless what stands before speaks against it.
        ("id3", "Romantic Classical", "classical"),
        ("id3", "Melodic Death Metal", "metal"),
        ("id3", "Viking/Pagan Metal", AMBIGUOUS),
        ("id3", "Texas Blues", "blues"),
        ("id3", "Electro Swing", UNMAPPED),
        ("id3", "Latin & Reggae", UNMAPPED),
        ("id3", "Indian Classical", UNMAPPED),
        ("id3", "Non-Classical", UNMAPPED),
        ("id3", "Top 17", UNMAPPED),
        ("id3", "Game", UNMAPPED),
        ("id3", "Video Game", UNMAPPED),
        ("id3", "Soundtrack", UNMAPPED),
        ("id3", "Sound FX", UNMAPPED),
        ("id3", "(None)", UNMAPPED),
        # Closed vocabularies name all that they have.
        ("fma", "Romantic Classical", UNMAPPED),
    ],
)
def test_examples(name, label, expected):
    assert look_up(name, label) == expected
