"""The doctor with a Spark that runs: its executors' Pythons, and a prediction end to end."""

import os
import pathlib
import re
import sys
import tempfile
import time

import pytest

from deepsound.commands.doctor import main
from deepsound.doctor import executors
from deepsound.doctor.executors import look_at_executors
from deepsound.errors import EngineError

CHECKS = ("executor.code", "executor.libraries", "executor.formats", "executor.folders", "threads")


def lines_of(capsys):
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    lines = [re.split(r" {2,}", line) for line in said.out.splitlines() if re.match(r"(ok|warn|fail) ", line)]
    return said.out, {line[1]: (line[0], "  ".join(line[2:])) for line in lines}


@pytest.fixture
def apart(monkeypatch, tmp_path):
    """A folder of its own to run in, and no store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def test_an_executor_is_what_the_driver_is(spark):
    ((where, checks),) = look_at_executors(spark, timeout_s=60).items()
    assert sys.executable in where[1]
    assert {name: check[0] for name, check in checks.items()} == dict.fromkeys(CHECKS, "ok")
    assert "blockmgr" in checks["executor.folders"][1]


def test_all_is_well(spark, apart, capsys):
    assert main([]) == 0
    _, lines = lines_of(capsys)
    assert {"spark", "executor", "executor.code", "executor.libraries", "executor.formats", "threads"} <= set(
        lines
    )
    assert "fail" not in {status for status, _ in lines.values()}
    assert spark.sparkContext.master in lines["spark"][1]
    assert list(apart.iterdir()) == []
    assert spark.range(3).count() == 3


def test_a_python_that_executors_do_not_have(spark, apart, capsys, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/no/such/python")
    assert main([]) == 2
    _, lines = lines_of(capsys)
    assert lines["executor"][0] == "fail"
    assert 'Cannot run program "/no/such/python"' in lines["executor"][1]
    assert "make executor-env" in lines["executor"][1]


def test_a_python_of_another_version_on_the_executors(spark, monkeypatch):
    monkeypatch.setattr(spark.sparkContext, "pythonVer", "3.9")
    with pytest.raises(EngineError, match=r"PYTHON_VERSION_MISMATCH.*different version"):
        look_at_executors(spark, timeout_s=60)


def test_executors_without_deepsound(spark, tmp_path, monkeypatch):
    (tmp_path / "deepsound.py").write_text("raise ImportError('not the real one')")
    python = tmp_path / "python"
    # Not the folder that it is started in: nothing is imported from there.
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}:$PYTHONPATH exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(spark.sparkContext, "pythonExec", str(python))
    with pytest.raises(EngineError, match=r"cannot use this deepsound \(ImportError: not the real one\)"):
        look_at_executors(spark, timeout_s=60)


def test_executors_with_a_deepsound_of_another_day(spark, monkeypatch):
    monkeypatch.setattr(executors, "list_versions", lambda: {"deepsound": "of another day"})
    with pytest.raises(EngineError, match=r"cannot use this deepsound \(KeyError"):
        look_at_executors(spark, timeout_s=60)


def test_executors_that_never_come(spark, monkeypatch):
    def sleep(_):
        time.sleep(30)
        yield

    monkeypatch.setattr(executors, "_make_look", lambda _: sleep)
    started = time.monotonic()
    with pytest.raises(EngineError, match=r"no executor has run a task within 1 s; the cluster may have no free"):
        look_at_executors(spark, timeout_s=1)
    assert time.monotonic() - started < 20
    monkeypatch.undo()
    assert spark.range(3).count() == 3


@pytest.mark.parametrize("where", ["nowhere", "file"])
def test_an_input_that_cannot_be_one(where, spark, apart, capsys):  # noqa: ARG001
    (apart / "file").write_text("")
    assert main(["--input", str(apart / where)]) == 2
    out, lines = lines_of(capsys)
    assert lines["input"][0] == "fail"
    assert str(apart / where) in lines["input"][1]
    assert "prediction" not in out


def test_no_network_no_prediction(spark, apart, music, capsys):  # noqa: ARG001
    settings = ("--set", "features=[vggish]", "--set", "network=/no/weights")
    assert main(["--input", str(music), *settings]) == 2
    _, lines = lines_of(capsys)
    assert lines["input"] == (
        "warn",
        "not looked at, as its features cannot be computed  mend what failed above first",
    )


@pytest.mark.soak
def test_a_prediction(spark, apart, music, capsys):  # noqa: ARG001
    """Twenty-four tracks and three that are none; the sample is extracted by a process of its own."""
    folder = apart / "music"
    folder.mkdir()
    for path in music.rglob("*.wav"):
        os.link(path, folder / path.name)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("not music " * 1000)
    before = sorted(path.name for path in folder.iterdir())
    code = main(["--input", str(folder), "--set", "segment_s=1", "--cores", "8"])
    out, lines = lines_of(capsys)
    assert code == 0
    assert lines["input"][0] == "warn"
    assert "26 files" in lines["input"][1]
    assert "24 wav, 1 mp3; 1 that will not be decoded" in lines["input"][1]
    assert (lines["sample"][0], lines["trial"][0]) == ("warn", "ok")
    assert re.search(r"of \d\d files, 1 unsupported_format", lines["sample"][1])
    assert "prediction for 26 files" in out
    assert "on 8 cores" in out
    # 24 tracks of two segments, (44, 13) floats each: 110 kB, which Parquet makes a little smaller or larger.
    assert 0.0001 <= float(re.search(r"output +([\d.]+) GB", out)[1]) <= 0.0003
    assert 0.05 < float(re.search(r"worker memory +([\d.]+) GB", out)[1]) < 2
    # All of it was extracted: what that took is what is predicted, for what there is to do is next to nothing.
    trial_s = int(re.search(r"(\d+) s on \d+ cores", out)[1])
    assert trial_s / 2 < 3600 * float(re.search(r"wall time +([\d.]+) hours", out)[1]) < trial_s * 1.5
    assert sorted(path.name for path in apart.iterdir()) == ["music"]
    assert sorted(path.name for path in folder.iterdir()) == before
    assert not list(pathlib.Path(tempfile.gettempdir()).glob("deepsound-doctor-*"))
