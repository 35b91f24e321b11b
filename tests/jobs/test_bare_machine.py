"""A job on a machine that has Python, what a package index has, and no Java."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """All programs of the system but Java, and no JAVA_HOME."""
    programs = tmp_path_factory.mktemp("programs")
    for folder in ("/bin", "/usr/bin"):
        for program in pathlib.Path(folder).iterdir():
            link = programs / program.name
            if program.name != "java" and not link.is_symlink():
                link.symlink_to(program)
    path = f"{BIN}{os.pathsep}{programs}"
    assert shutil.which("java", path=path) is None
    kept = {key: value for key, value in os.environ.items() if key not in ("JAVA_HOME", "PYSPARK_PYTHON")}
    cache = str(tmp_path_factory.mktemp("cache"))
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "DEEPSOUND_CACHE_DIR": cache}


@pytest.mark.parametrize("road", ["deepsound extract", "spark-submit"])
def test_an_extraction_without_java(environment, music, tmp_path, road):
    if road == "spark-submit":
        # As the README has it.
        home = "export JAVA_HOME=$(deepsound java-home)"
        command = ["sh", "-c", f'{home}; exec spark-submit "$@"', "sh", str(ROOT / "jobs" / "extract.py")]
    else:
        command = [str(BIN / "deepsound"), "extract"]
    # Short Spark starts: most of a JVM's time would go into optimising code that is about to end.
    done = subprocess.run(
        [*command, "--input", str(music / "high"), "--output", "features", "--set", "segment_s=1"],
        env={**environment, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads((tmp_path / "features" / "extract.json").read_text())["counts"]
    assert (counts["tracks"], counts["ok"]) == (8, 8)
