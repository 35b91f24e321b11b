"""A session that is there is somebody else's; a local one is opened with the retries of a cluster."""

import os
import pathlib
import pwd
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark import SparkContext

from deepsound.errors import ConfigError, EngineError, InputError
from deepsound.spark import session
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.session import open_session, with_retries

_KILL_ONE_WORKER = """
import os, signal, sys
from pyspark import TaskContext
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.session import open_session

def die_once(rows):
    if TaskContext.get().attemptNumber() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    yield from rows

with open_session("retries") as spark:
    print(spark.sparkContext.parallelize(range(3), 1).mapPartitions(die_once).count())
    print(HadoopPath(spark, sys.argv[1]).names() == ["ärger.wav"])
"""

_START = """
import sys
from deepsound.console import Loudness, set_loudness
from deepsound.spark.session import open_session

set_loudness(Loudness[sys.argv[1]])
with open_session("a start") as spark:
    print(spark.range(3).count())
"""


def test_a_session_of_another_thread_is_used_and_left_running(spark):
    def count():
        with open_session("another job") as session:
            return session.sparkContext.applicationId, session.range(3).count()

    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(count).result() == (spark.sparkContext.applicationId, 3)
    assert spark.range(3).count() == 3


def test_a_local_session_outlives_a_killed_worker_and_opens_names_that_its_locale_cannot_spell(tmp_path):
    (tmp_path / "müsik").mkdir()
    (tmp_path / "müsik" / "ärger.wav").write_bytes(b"")
    command = [sys.executable, "-c", _KILL_ONE_WORKER, str(tmp_path / "müsik")]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    assert (ended.returncode, ended.stdout) == (0, "3\nTrue\n"), ended.stderr[-3000:]


def test_a_name_of_bytes_that_are_no_utf8_is_refused(spark):
    with pytest.raises(InputError, match=r"name '/x/latin-\\udce9' is not written in UTF-8"):
        HadoopPath(spark, "/x/latin-\udce9")


def test_a_java_of_a_locale_without_the_letters_says_so(spark, tmp_path):
    system = spark.sparkContext._jvm.java.lang.System
    before = system.setProperty("sun.jnu.encoding", "ANSI_X3.4-1968")
    try:
        # As given, and as spark-submit hands it on.
        for name in ("müsik", "m??sik"):
            with pytest.raises(InputError, match=r"Java cannot open .*m.+sik: .* set LC_ALL=C\.UTF-8 before"):
                HadoopPath(spark, str(tmp_path / name))
        HadoopPath(spark, str(tmp_path / "music"))
    finally:
        system.setProperty("sun.jnu.encoding", before)


def test_a_user_without_a_name_is_told_so(monkeypatch):
    """As in a container that is run as any number; Java would end in two tracebacks."""
    for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (_ for _ in ()).throw(KeyError("uid not found")))
    with pytest.raises(ConfigError, match=r"has no name here.*line in /etc/passwd"), open_session("nobody's"):
        pass


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


@pytest.mark.parametrize("loudness", ["NORMAL", "VERBOSE"])
def test_a_start_is_silent_unless_it_is_to_be_verbose(loudness):
    # Not as the tests' own session has it, but as whoever has a Java on the PATH.
    plain = {name: value for name, value in os.environ.items() if name not in ("JAVA_HOME", "SPARK_LOCAL_IP")}
    plain["PYTHONPATH"] = str(pathlib.Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", _START, loudness]
    started = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
    assert started.stdout == "3\n"
    if loudness == "NORMAL":
        assert started.stderr == ""
    else:
        assert "WARN NativeCodeLoader" in started.stderr
        assert "incubator" not in started.stderr
