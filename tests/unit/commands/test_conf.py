"""The files of conf/ by name, wherever one stands."""

import pathlib

import pytest

from deepsound.cli import main
from deepsound.config import TrainSettings
from deepsound.errors import ConfigError
from deepsound.settings import read_settings

CONF = pathlib.Path(__file__).resolve().parents[3] / "conf"


def test_all_are_listed_with_what_they_are(capsys):
    assert main(["conf"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    files = [path for path in CONF.rglob("*.*") if path.is_file()]
    assert set(lines) == {path.relative_to(CONF).as_posix().removesuffix(".yaml") for path in files}
    assert lines["gtzan"].startswith("GTZAN: 1,000 clips")


@pytest.mark.parametrize("name", ["train", "gtzan.yaml", "spark/yarn.conf", "taxonomy/id3"])
def test_one_is_printed_as_it_is(name, capsys):
    assert main(["conf", name]) == 0
    path = CONF / name
    assert capsys.readouterr().out == (path if path.is_file() else CONF / f"{name}.yaml").read_text()


def test_an_unknown_one_names_those_there_are(capsys):
    assert main(["conf", "gzan"]) == 2
    assert "there is no 'gzan'; wanted one of benchmark, demo, extract, gtzan," in capsys.readouterr().err


def test_settings_go_by_name_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name = read_settings(TrainSettings, section="train", path="gtzan")
    assert by_name == read_settings(TrainSettings, section="train", path=str(CONF / "gtzan.yaml"))
    assert by_name.feature == "musicnn"
    with pytest.raises(ConfigError, match=r"no settings file gzan; by name: benchmark, demo, extract, gtzan,"):
        read_settings(TrainSettings, section="train", path="gzan")
