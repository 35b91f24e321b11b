"""The packed interpreter stands by itself, wherever it is put, and packing is repeatable."""

import json
import os
import pathlib
import subprocess
import sys
import tarfile

import pytest

from deepsound.shipped import conf_files
from tools import executor_env
from tools.executor_env import ROOT

_LOOK = """
import ctypes, json, pathlib, re, ssl, sys
mapped = re.findall(r" (/.+[.]so.*)", pathlib.Path("/proc/self/maps").read_text())
print(json.dumps({"mapped": mapped, "path": sys.path, "prefix": sys.base_prefix}))
"""


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """An environment without packages, moved after it was made."""
    folder = tmp_path_factory.mktemp("interpreter")
    executor_env.copy_interpreter(folder / "made here")
    (folder / "made here").rename(folder / "moved there")
    return folder / "moved there"


def test_a_moved_interpreter_uses_nothing_of_the_one_it_was_copied_from(interpreter):
    home = interpreter.parent / "home"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (home / ".local" / "lib" / version / "site-packages").mkdir(parents=True)
    hostile = {"PYTHONHOME": "/nowhere", "HOME": str(home)}
    command = [str(interpreter / "bin" / "python"), "-c", _LOOK]
    done = subprocess.run(command, env=hostile, capture_output=True, text=True, check=True, cwd="/")
    seen = json.loads(done.stdout)
    assert seen["prefix"] == str(interpreter)
    assert all(path.startswith(str(interpreter)) for path in seen["path"] if path)
    strays = [path for path in seen["mapped"] if not path.startswith(str(interpreter))]
    # The C library, and it alone, is the machine's.
    assert {pathlib.Path(path).name.split(".")[0] for path in strays} <= {"libc", "libm", "ld-linux-x86-64"}
    assert "libcrypto" in " ".join(seen["mapped"])


def test_pythonpath_still_works_as_spark_gives_pyspark_that_way(interpreter, tmp_path):
    (tmp_path / "shipped.py").write_text("print('shipped')")
    command = [str(interpreter / "bin" / "python"), "-c", "import shipped"]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout == "shipped\n"


def test_an_environment_without_its_packages_is_not_packed(interpreter):
    with pytest.raises(SystemExit, match=r"does not work: (.|\n)*No module named 'av'"):
        executor_env.check_environment(interpreter)


def test_an_environment_that_reaches_outside_is_not_packed(interpreter, monkeypatch):
    monkeypatch.setattr(executor_env, "_CHECK", "print('/usr/lib/elsewhere.so')")
    with pytest.raises(SystemExit, match=r"still needs /usr/lib/elsewhere\.so"):
        executor_env.check_environment(interpreter)


def test_the_same_content_gives_the_same_archive(tmp_path):
    for name, time_s in (("a", 1_000_000_000), ("b", 1_500_000_000)):
        folder = tmp_path / name
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").write_text("#!/bin/sh\n")
        (folder / "bin" / "python").chmod(0o755)
        (folder / "lib.txt").write_text("x" * 1000)
        os.utime(folder / "lib.txt", (time_s, time_s))
        executor_env.pack(folder, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert tar.getnames() == ["bin", "bin/python", "lib.txt"]
        # Python 3.11 has filters from 3.11.4 on.
        tar.extractall(tmp_path / "out", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    assert os.access(tmp_path / "out" / "bin" / "python", os.X_OK)


def test_no_half_archive_is_left_where_making_one_fails(tmp_path, monkeypatch):
    def fail(*_, **__):
        sys.exit("pip could not")

    monkeypatch.setattr(executor_env, "copy_interpreter", lambda _: None)
    monkeypatch.setattr(executor_env, "install_packages", fail)
    (tmp_path / "env.tar.gz").write_text("the one before")
    with pytest.raises(SystemExit, match="pip could not"):
        executor_env.main([str(tmp_path / "env.tar.gz")])
    assert [path.name for path in tmp_path.iterdir()] == ["env.tar.gz"]
    assert (tmp_path / "env.tar.gz").read_text() == "the one before"


def test_the_copied_source_is_all_that_the_package_is_built_from(tmp_path):
    source = executor_env.copy_source(tmp_path / "source")
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path / "built")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    built = tmp_path / "built" / "deepsound"
    assert (built / "evaluation" / "render" / "html" / "templates" / "scorecard.html").exists()
    assert (built / "data" / "gtzan_tracks.csv").exists()
    for folder in ("conf", "jobs"):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.*") if path.suffix != ".pyc"}
        assert {path.relative_to(built) for path in (built / folder).rglob("*.*")} == files > set()
    # And found there, where there is no checkout around it.
    look = """
from deepsound import settings, shipped
from deepsound.config import TrainSettings
from deepsound.label_maps.read import read_label_map
print(read_label_map("fma").name, shipped.shipped_folder("jobs"), sorted(shipped.conf_files()))
print(settings.read_settings(TrainSettings, section="train", path="gtzan").feature)
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "built")}
    done = subprocess.run(
        [sys.executable, "-c", look], cwd="/", env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"fma {built / 'jobs'} {sorted(conf_files())}\nmusicnn\n"
