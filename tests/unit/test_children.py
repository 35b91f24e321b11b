"""Processes that are started import nothing of the folder they are started in."""

import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

import deepsound
from deepsound.audio.trial import try_decoding
from deepsound.children import child_environment, children_kept_safe, named_folders
from deepsound.sample.collection import _write_all

ROOT = pathlib.Path(deepsound.__file__).resolve().parents[1]
PRINT_PATH = "import sys; print([path for path in sys.path if path in sys.argv])"


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """The working directory, of which Python's own modules are imported; what has been imported."""
    folder, marker = tmp_path / "music", tmp_path / "imported"
    folder.mkdir()
    text = "import os, sys\nopen({!r}, 'a').write(__name__)\npath = os.path.join({!r}, __name__ + '.py')\n"
    text += "exec(compile(open(path).read(), path, 'exec'))\n"
    for name in ("random", "secrets", "tempfile", "queue"):
        (folder / f"{name}.py").write_text(text.format(str(marker), sysconfig.get_path("stdlib")))
    monkeypatch.chdir(folder)
    # As by "python -c", and as by "python -m".
    monkeypatch.setattr(sys, "path", ["", str(folder), *sys.path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep)
    return lambda: marker.read_text() if marker.exists() else ""


def test_the_trap_works(trap):
    subprocess.run([sys.executable, "-c", "import tempfile"], check=True)
    assert "random" in trap()


def test_a_trial_of_the_decoder_is_out_of_it(trap, tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF")
    with path.open("rb") as file:
        assert try_decoding(file, max_duration_s=1.0, timeout_s=60.0) is None
    assert trap() == ""


def test_so_are_the_writers_of_the_sample(trap, tmp_path, monkeypatch):
    """They import what the driver does, which is not from here where "deepsound" was called by its name."""
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path / "music"))])
    _write_all(pow, [2, 3], [2, 2], 1)
    _write_all(pow, [2, 3], [2, 2], 2)
    assert trap() == ""
    assert os.environ["PYTHONPATH"] == os.pathsep
    assert "PYTHONSAFEPATH" not in os.environ


def test_modules_are_started_in_one_place():
    """Who starts Python asks for the command and the environment of a child, or leaves all of it out (-I)."""
    for path in (ROOT / "deepsound").rglob("*.py"):
        started = re.findall(r'"-[mc]"', path.read_text())
        isolated = re.findall(r'"-I", "-c"', path.read_text())
        assert len(started) == len(isolated) + (path.name == "children.py"), path
        if "child_command(" in path.read_text():
            assert "child_environment()" in path.read_text(), path


def test_a_child_finds_what_its_parent_does(trap, tmp_path, monkeypatch):
    """Packages that Spark shipped, by sys.path alone; and Python's own before any of them."""
    shipped = str(tmp_path / "shipped.zip")
    monkeypatch.setattr(sys, "path", [*sys.path, shipped])
    command = [sys.executable, "-c", PRINT_PATH, shipped, str(pathlib.Path.cwd()), "", str(ROOT)]
    ended = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True)
    assert shipped in ended.stdout
    assert str(pathlib.Path.cwd()) not in ended.stdout
    assert trap() == ""


def test_deepsound_is_found_where_it_is_run_from_its_own_folder(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", "/elsewhere"])
    assert child_environment()["PYTHONPATH"] == f"{ROOT}{os.pathsep}/elsewhere"


def test_a_working_directory_that_is_gone_is_no_trouble(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr(sys, "path", ["", str(gone), "/elsewhere"])
    gone.rmdir()
    assert "/elsewhere" in child_environment()["PYTHONPATH"].split(os.pathsep)
    assert "" not in child_environment()["PYTHONPATH"].split(os.pathsep)


def test_what_was_there_comes_back(monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with children_kept_safe():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONSAFEPATH"] == ""
    assert "PYTHONPATH" not in os.environ


@pytest.mark.parametrize(
    ("path", "named"), [("", ""), (":", ""), (":/a", "/a"), ("/a::/b:", "/a:/b"), ("/a:.", "/a:.")]
)
def test_empty_entries_are_taken_out(path, named):
    assert named_folders(path) == named
