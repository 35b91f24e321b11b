"""YAML and JSON of others: bombs, objects and what is no document are refused before anything is made of them."""

import json
import pathlib

import pytest

from deepsound.config import ExtractSettings, ScoreSettings, TrainSettings
from deepsound.documents import parse_json, parse_yaml
from deepsound.errors import ConfigError, LabelMapError
from deepsound.label_maps.read import parse_label_map
from deepsound.settings import read_settings

LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
BOMBS = {
    "a billion laughs": LAUGHS,
    "laughing keys": LAUGHS.replace("[", "{? [").replace("]", "] : 1}"),
    "merged": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
    "itself": "a: &a [*a]",
    "itself as a key's value": "a: &a {b: *a}",
    "deep": "[" * 5_000,
    "deep and whole": "[" * 60 + "]" * 60,
    "deep mappings": "".join(f"{' ' * n}a:\n" for n in range(100)),
}
OBJECTS = {
    "call": "!!python/object/apply:os.system ['touch planted']",
    "new": "!!python/object/new:os.system ['touch planted']",
    "object": "!!python/object:collections.OrderedDict {}",
    "name": "!!python/name:os.system",
    "module": "!!python/module:os",
    "tag of our own": "!deepsound {a: 1}",
}
ODD = {
    "no date": "2001-99-99",
    "key twice": "{a: 1, a: 2}",
    "list for a key": "{[1]: 2}",
    "control character": "a: \x01",
    "two documents": "a: 1\n---\nb: 2",
    "no alias": "*nothing",
    "digits without end": "9" * 5000,
}
REFUSED = {**BOMBS, **OBJECTS, **ODD}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not pathlib.Path("planted").exists()


@pytest.mark.parametrize("name", REFUSED)
def test_yaml_is_refused_in_one_line_wherever_it_is_read(name):
    """Settings of a file and of the command line, and label maps: all the YAML that there is."""
    text = REFUSED[name]
    pathlib.Path("settings.yaml").write_text(text)
    for settings_type, section in (
        (ExtractSettings, "extract"),
        (TrainSettings, "train"),
        (ScoreSettings, "score"),
    ):
        with pytest.raises(ConfigError, match=r"not valid YAML: [^\n]+$") as caught:
            read_settings(settings_type, section=section, path="settings.yaml")
        assert len(str(caught.value)) < 400
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_settings(ExtractSettings, section="extract", overrides=[f"features={text}"])
    with pytest.raises(LabelMapError, match=r"is not valid YAML: [^\n]+$"):
        parse_label_map(text, where="x")


def test_aliases_are_fine_as_long_as_they_say_little():
    assert parse_yaml("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}") == {
        "a": {"x": [1, 2]},
        "b": {"x": [1, 2]},
        "c": {"x": [1, 2], "y": 3},
    }
    assert parse_yaml("") is parse_yaml("# nothing") is None


@pytest.mark.parametrize(
    "override",
    [
        *(
            "max_bytes=.inf",
            "max_bytes=.nan",
            "max_bytes=-.inf",
            "segment_s=.nan",
            "segment_s=nan",
            "segment_s=NaN",
        ),
        *(f"segment_s={10**400}", f"max_bytes={10**400}", "max_bytes=1e999", f"features=[{'x, ' * 1_000}x]"),
        *(
            "segment_s=[1]",
            "segment_s={a: 1}",
            "segment_s=2001-01-01",
            "features={a: b}",
            "labels=3",
            "labels=[a]",
        ),
    ],
)
def test_numbers_that_are_none_are_refused_in_one_line(override):
    with pytest.raises(ConfigError) as caught:
        read_settings(ExtractSettings, section="extract", overrides=[override])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[-1e999]", str(1 << 63), str(-(1 << 64)), "9" * 5000),
        *("[" * 51 + "]" * 51, "[" * 100_000, '{"a":' * 100_000, "", "{", "\ud800", "[1,]"),
    ],
    ids=lambda text: text[:12],
)
def test_json_is_refused(text):
    with pytest.raises(ValueError, match=r"\S"):
        parse_json(text)


def test_json_that_is_meant_is_read():
    document = {"a": [1, -2.5, None, True, "x"], "b": (1 << 63) - 1, "c": 1e308}
    assert parse_json(json.dumps(document)) == parse_json(json.dumps(document).encode()) == document
    parse_json("[" * 50 + "]" * 50)
