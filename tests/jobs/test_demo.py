"""The demo, with its jobs run in this process on the Spark at hand instead of through ``spark-submit``."""

import shutil
from types import SimpleNamespace

import pytest

from deepsound.commands import demo, demo_jobs
from deepsound.errors import CommandFailedError

CONFIG = """
extract: {segment_s: 3.0, network: "http://127.0.0.1:9/vggish"}
train: {epochs: 8, learning_rate: 0.01, folds: 2}
"""


@pytest.fixture
def arguments(music, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for genre in ("high", "low", "noise"):
        shutil.copy(music / genre / f"{genre}.00000.wav", foreign / f"{genre}_1.wav")
    (foreign / "low_2.wav").write_text("no music")
    (tmp_path / "demo.yaml").write_text(CONFIG)
    paths = ["--input", str(music), "--ood", str(foreign), "--output", str(tmp_path / "demo")]
    return [*paths, "--config", str(tmp_path / "demo.yaml")]


@pytest.fixture
def submitted(job, monkeypatch):
    """The names of the jobs that were run, in order."""
    names = []

    def submit(one):
        names.append(one.name)
        code = job(one.script)(list(one.arguments))
        if code:
            raise CommandFailedError(f"{one.name}: {code}")

    monkeypatch.setattr(demo_jobs, "_submit", submit)
    # One after the other: the session of this process is shared.
    monkeypatch.setattr(demo_jobs, "_N_AT_A_TIME", 1)
    return names


@pytest.mark.usefixtures("spark", "network_cache")
def test_both_models_stand_side_by_side(arguments, submitted, tmp_path, capsys):
    assert demo.main(arguments) == 0
    printed = capsys.readouterr()
    assert submitted == [
        "extract",
        *("train mfcc", "extract ood", "train musicnn"),
        *("score mfcc test", "score musicnn test", "score mfcc ood", "score musicnn ood"),
    ]
    assert "embedding: MusiCNN, as VGGish cannot be had" in printed.err
    card = printed.out[printed.out.index("==== deepsound scorecard: your music") :].splitlines()
    assert sum(line.startswith("mfcc: accuracy") for line in card) == 2
    assert sum(line.startswith("musicnn: accuracy") for line in card) == 2
    assert any("3 scored, 1 failed" in line for line in card)
    assert any(
        "each track held out once   held-out test tracks       out-of-distribution" in line for line in card
    )
    assert [len(line.split("[")) for line in card if line.startswith("musicnn  ")] == [4]
    rows = [line.split("|") for line in card if line.startswith("noise ")]
    assert [len(row) for row in rows] == [3, 3]
    for name in ("mfcc-test", "mfcc-ood", "musicnn-test", "musicnn-ood"):
        assert (tmp_path / "demo" / "scores" / name / "metrics.json").is_file()


@pytest.mark.usefixtures("spark", "network_cache")
@pytest.mark.soak
def test_without_foreign_music_only_the_test_tracks_are_shown(arguments, submitted, capsys):
    del arguments[2:4]
    assert demo.main(arguments) == 0
    assert "score mfcc ood" not in submitted
    assert "out-of-distribution collection" not in capsys.readouterr().out


@pytest.mark.usefixtures("spark", "network_cache")
@pytest.mark.soak
def test_features_of_the_settings_file_are_taken_as_they_are(arguments, submitted, tiny_vggish, tmp_path):
    config = CONFIG.replace("segment_s: 3.0", "segment_s: 3.0, features: [musicnn, vggish]")
    (tmp_path / "demo.yaml").write_text(config)
    assert demo.main([*arguments, "--network", str(tiny_vggish)]) == 0
    assert submitted[1:4] == ["train musicnn", "extract ood", "train vggish"]


def test_a_job_that_fails_ends_the_demo(arguments, monkeypatch, capsys):
    monkeypatch.setattr("deepsound.commands.demo.choose_embedding", lambda network: "musicnn")  # noqa: ARG005
    monkeypatch.setattr(demo_jobs, "subprocess", SimpleNamespace(Popen=_failing_popen, PIPE=-1))
    assert demo.main(arguments) == 2
    said = capsys.readouterr().err
    assert "[extract] something went wrong" in said
    assert "'extract' (jobs/extract.py) ended with exit code 2" in said


def test_a_job_with_many_failed_tracks_does_not(monkeypatch, capsys):
    monkeypatch.setattr(demo_jobs, "subprocess", SimpleNamespace(Popen=_failing_popen, PIPE=-1))
    monkeypatch.setattr(_failing_popen, "returncode", 3)
    demo_jobs._submit(demo_jobs._Job(name="extract ood", script="extract", arguments=()))
    assert "[extract ood] goes on with the tracks that could be used" in capsys.readouterr().err


def test_folders_that_are_not_there(capsys):
    assert demo.main(["--input", "/nowhere/at/all"]) == 2
    assert "INPUT=/nowhere/at/all is no folder" in capsys.readouterr().err


class _failing_popen:  # noqa: N801
    returncode = 2
    stdout = ("something went wrong\n",)

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
