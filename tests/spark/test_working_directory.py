"""Python files beside the music are a stranger's: no worker and no child imports them."""

import contextlib
import os
import pathlib
import subprocess
import sys
import sysconfig

import pyarrow.parquet as pq
import pytest
import soundfile

from deepsound.errors import ConfigError
from deepsound.spark import session
from deepsound.spark.session import open_session

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Says who imported it, and is then what it takes the place of, so that nothing fails of itself.
PLANTED = """
import os, sys
with open({marker!r}, "a") as file:
    file.write(" ".join(sys.orig_argv) + "\\n")
if __name__ != "sitecustomize":
    path = os.path.join({stdlib!r}, __name__ + ".py")
    with open(path) as file:
        exec(compile(file.read(), path, "exec"))
"""
EXTRACT = "import sys; from deepsound.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def music(clip, tmp_path):
    """A folder of music with traps in it."""
    music = tmp_path / "music"
    (music / "high").mkdir(parents=True)
    for number in range(2):
        soundfile.write(music / "high" / f"{number}.wav", clip("high", number), 22050)
    text = PLANTED.format(marker=str(tmp_path / "imported"), stdlib=sysconfig.get_path("stdlib"))
    for name in ("random", "secrets", "queue", "sitecustomize"):
        (music / f"{name}.py").write_text(text)
    return music


def importers(tmp_path):
    marker = tmp_path / "imported"
    return marker.read_text().splitlines() if marker.exists() else []


def test_an_extraction_amid_traps_runs_none_of_them(music, tmp_path):
    """The empty entry in PYTHONPATH makes the driver import from there: the user has asked Python for it."""
    script = tmp_path / "extract.py"
    script.write_text(EXTRACT)
    command = [sys.executable, str(script), "extract", "--input", ".", "--output", str(tmp_path / "f")]
    command += ["--set", "segment_s=1", "--set", "features=[mfcc]"]
    environment = {**os.environ, "PYTHONPATH": f":{ROOT}::"}
    ended = subprocess.run(command, cwd=music, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert pq.read_table(tmp_path / "f" / "tracks").num_rows == 2
    # The trap works.
    assert set(importers(tmp_path)) == {" ".join(command)}


def test_so_do_workers_of_a_session_of_the_users(spark, monkeypatch):
    # Sent to the worker as it is: a function of a module would be looked up there by name.
    def read_environment(_):
        yield os.environ.get("PYTHONSAFEPATH")

    context = spark.sparkContext
    monkeypatch.delitem(context.environment, "PYTHONSAFEPATH", raising=False)
    with contextlib.suppress(ZeroDivisionError), open_session("another job"):
        assert context.parallelize([0], 1).mapPartitions(read_environment).collect() == ["1"]
        raise ZeroDivisionError
    assert "PYTHONSAFEPATH" not in context.environment


@pytest.mark.parametrize("python_path", [":/a", "/a:", "/a::/b", ":"])
def test_a_submitted_job_whose_workers_would_import_from_there_is_refused(python_path, monkeypatch):
    """Its Java, which starts the workers, was there before the job."""
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    monkeypatch.setenv("PYTHONPATH", python_path)
    monkeypatch.setattr(session.SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(session.SparkContext, "_ensure_initialized", lambda: None)
    monkeypatch.setattr(session, "SparkConf", lambda: {"spark.master": "local[2]"})
    with pytest.raises(ConfigError, match="PYTHONPATH has an empty entry"), open_session("a job"):
        pass
