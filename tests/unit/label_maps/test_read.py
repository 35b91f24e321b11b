"""Label maps are read strictly."""

import pytest
import yaml

from deepsound.errors import LabelMapError
from deepsound.label_maps import read as read_module
from deepsound.label_maps.label_map import AMBIGUOUS, MAPPED, UNMAPPED, LabelOutcome
from deepsound.label_maps.read import builtin_label_maps, parse_label_map, read_label_map

GOOD = {
    "name": "mine",
    "version": 2,
    "source": "my shelf",
    "targets": ["rock", "jazz"],
    "map": {"Rock": "rock", "Techno": "unmapped", "Hm": "ambiguous", "Jazz Rock": ["jazz", "rock"]},
}


def parse(**changed):
    return parse_label_map(yaml.safe_dump({**GOOD, **changed}), where="mine.yaml")


def test_a_map():
    read = parse()
    assert (read.name, read.version, read.source, read.targets) == ("mine", 2, "my shelf", ("rock", "jazz"))
    assert read.entries == {
        "rock": LabelOutcome(MAPPED, "rock"),
        "techno": LabelOutcome(UNMAPPED),
        "hm": LabelOutcome(AMBIGUOUS),
        "jazzrock": LabelOutcome(AMBIGUOUS),
    }


def test_endings_are_wanted_or_not():
    assert [parse(endings=wanted).by_ending for wanted in (True, False)] == [True, False]
    assert not parse().by_ending


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"endings": "yes"}, "endings is 'yes'; wanted true or false"),
        ({"ending": True}, r"unknown key 'ending' \(did you mean 'endings'\?\)"),
        ({"target": ["rock"]}, r"unknown key 'target' \(did you mean 'targets'\?\); wanted name, version"),
        ({"name": ""}, "name is ''; wanted some text"),
        ({"name": 5}, "name is 5"),
        ({"source": None}, "source is None"),
        ({"version": 0}, "version is 0; wanted a number from 1 on"),
        ({"version": True}, "version is True"),
        ({"version": "1.0"}, "version is '1.0'"),
        ({"targets": []}, r"targets is \[\]; wanted a list"),
        ({"targets": "rock"}, "targets is 'rock'"),
        ({"targets": ["rock", "rock"]}, "different genres"),
        ({"targets": ["rock", 5]}, "targets is"),
        ({"targets": ["rock", " "]}, "targets is"),
        ({"targets": ["rock", "unmapped"]}, "targets is"),
        ({"map": {}}, r"map is \{\}; wanted 'label: genre' lines"),
        ({"map": ["Rock"]}, r"map is \['Rock'\]"),
        (
            {"map": {"Rock": "rokc"}},
            r"'Rock' goes to 'rokc'; wanted unmapped, ambiguous, one of the targets \(rock, jazz\)",
        ),
        ({"map": {"Rock": "Rock"}}, "'Rock' goes to 'Rock'"),
        ({"map": {"Rock": None}}, "'Rock' goes to None"),
        ({"map": {"Rock": "mapped"}}, "'Rock' goes to 'mapped'"),
        ({"map": {"Rock": ["rock"]}}, r"'Rock' goes to \['rock'\]"),
        ({"map": {"Rock": ["rock", "rock"]}}, "'Rock' goes to"),
        ({"map": {"Rock": ["rock", "pop"]}}, "'Rock' goes to"),
        ({"map": {"Rock": ["rock", "unmapped"]}}, "'Rock' goes to"),
        ({"map": {"Rock": [["rock"], "jazz"]}}, "'Rock' goes to"),
        ({"map": {"Rock": {"rock": 1}}}, "'Rock' goes to"),
        ({"map": {True: "rock"}}, "the label True is no text; put it in quotes"),
        ({"map": {1970: "rock"}}, "the label 1970 is no text"),
        ({"map": {"--": "rock"}}, "the label '--' has no letter and no digit"),
        ({"map": {"Hip-Hop": "rock", "hip hop": "rock"}}, "'Hip-Hop' and 'hip hop' are both 'hiphop'"),
        ({"map": {"rock": "rock", "genre---Rock": "jazz"}}, "the same label twice"),
    ],
)
def test_refusals(changed, message):
    with pytest.raises(LabelMapError, match=message) as caught:
        parse(**changed)
    assert str(caught.value).startswith("the label map mine.yaml: ")


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(key):
    text = yaml.safe_dump({name: value for name, value in GOOD.items() if name != key})
    with pytest.raises(LabelMapError, match=f"mine.yaml: lacks {key}$"):
        parse_label_map(text, where="mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("map: [", "is not valid YAML"),
        ("version: 2020-13-45", "is not valid YAML"),
        ("a: &x [*x", "is not valid YAML"),
        ("map: {Rock: rock, Rock: jazz}", "'Rock' stands twice"),
        ("? [a]\n: 1\n", "is not valid YAML"),
        ("[" * 2000, "is not valid YAML"),
        ("--- a\n--- b\n", "is not valid YAML"),
        ("just words", "holds a str; wanted name, version, source, targets, map"),
        ("", "holds a NoneType"),
        ("- 1\n", "holds a list"),
        ("7: x", "unknown key 7; wanted name"),
    ],
)
def test_what_is_no_map_at_all(text, message):
    with pytest.raises(LabelMapError, match=message) as caught:
        parse_label_map(text, where="mine.yaml")
    assert "\n" not in str(caught.value)


def test_by_path_and_by_name(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert read_label_map(str(path)) == parse()
    assert read_label_map("fma") == read_label_map(str(builtin_label_maps()["fma"]))
    assert set(builtin_label_maps()) == {"fma", "id3", "jamendo"}


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(LabelMapError, match="no label map fam; wanted fma, id3, jamendo, or the path of a YAML"):
        read_label_map("fam")
    with pytest.raises(LabelMapError, match="cannot read the label map"):
        read_label_map(str(tmp_path))
    (tmp_path / "latin1.yaml").write_bytes("name: Música".encode("latin-1"))
    with pytest.raises(LabelMapError, match=r"cannot read the label map .*can't decode"):
        read_label_map(str(tmp_path / "latin1.yaml"))
    with pytest.raises(LabelMapError, match="cannot read the label map"):
        read_label_map("a\0b")


def test_without_the_built_in_ones_a_path_still_works(tmp_path, monkeypatch):
    monkeypatch.setattr(read_module, "shipped_folder", lambda name: tmp_path / name)
    assert builtin_label_maps() == {}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(GOOD))
    assert read_label_map(str(tmp_path / "mine.yaml")) == parse()
