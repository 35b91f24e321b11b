"""A session that is there is somebody else's; a local one is opened with the retries of a cluster."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark import SparkContext

from deepsound.errors import EngineError
from deepsound.spark import session
from deepsound.spark.session import open_session, with_retries

_KILL_ONE_WORKER = """
import os, signal
from pyspark import TaskContext
from deepsound.spark.session import open_session

def die_once(rows):
    if TaskContext.get().attemptNumber() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from rows

with open_session("retries") as spark:
    print(spark.sparkContext.parallelize(range(3), 1).mapPartitions(die_once).count())
"""


def test_a_session_of_another_thread_is_used_and_left_running(spark):
    def count():
        with open_session("another job") as session:
            return session.sparkContext.applicationId, session.range(3).count()

    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(count).result() == (spark.sparkContext.applicationId, 3)
    assert spark.range(3).count() == 3


def test_a_local_session_outlives_a_killed_worker():
    ended = subprocess.run([sys.executable, "-c", _KILL_ONE_WORKER], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "3\n"), ended.stderr[-3000:]


def test_temporary_folders_that_take_no_file_are_refused_before_java_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    (tmp_path / "file").touch()
    for variable in ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path}/file/a,{tmp_path}/file")
    with (
        pytest.raises(EngineError, match=r"no folder of SPARK_LOCAL_DIRS: .*Not a directory.*; .*file"),
        open_session("x"),
    ):
        pass


def test_an_interrupt_is_held_back_while_spark_starts(monkeypatch):
    # A start that is cut off would leave its Java behind, for ever.
    handler, seen = signal.getsignal(signal.SIGINT), []

    def start(_name):
        signal.raise_signal(signal.SIGINT)
        seen.append("started")
        return Stopped()

    class Stopped:
        def stop(self):
            seen.append("stopped")

    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(session, "_start", start)
    monkeypatch.setattr(session, "_stop", lambda spark, **_: spark.stop())
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    with pytest.raises(KeyboardInterrupt), open_session("x"):
        seen.append("used")
    assert seen == ["started", "stopped"]
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(
    ("master", "expected"),
    [
        ("local", "local[1,4]"),
        ("local[*]", "local[*,4]"),
        ("local[2]", "local[2,4]"),
        # Who gives a number means it.
        ("local[2,1]", "local[2,1]"),
        ("spark://here:7077", "spark://here:7077"),
        ("yarn", "yarn"),
    ],
)
def test_local_masters_get_the_retries_of_a_cluster(master, expected):
    assert with_retries(master) == expected
