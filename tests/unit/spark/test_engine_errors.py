"""Accounts of Java and of Python workers, cut from real ones, to the line that a user gets; and interrupts."""

import os
import signal

import pytest
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkContext
from pyspark.errors import PySparkException, PythonException

from deepsound import errors
from deepsound.errors import EngineError, JavaMissingError
from deepsound.spark import session
from deepsound.spark.engine_errors import explain, find_io_error

TASK = """Job aborted due to stage failure: Task 1 in stage 3.0 failed 4 times, most recent failure: Lost task 1.3
in stage 3.0 (TID 9) (vm executor driver): {error}
\tat org.apache.spark.{package}.Thing.call(Thing.scala:12)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Driver stacktrace:"""
WORKER = """An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/x/worker.py", line 5, in work
    raise something
{error}
"""


def task(error, package="sql"):
    return PySparkException(TASK.format(error=error, package=package))


def worker(error):
    return PythonException(WORKER.format(error=error))


@pytest.mark.parametrize(
    ("exc", "words"),
    [
        (
            task("java.net.ConnectException: Call From vm to localhost:9 failed: Connection refused"),
            "Call From vm to localhost:9 failed: Connection refused",
        ),
        (task("java.io.IOException: No space left on device"), "No space left on device"),
        (
            task("java.io.IOException: No space left on device", "storage"),
            r"Spark's temporary folder \(SPARK_LOCAL_DIRS.*\): No space left on device",
        ),
        (task("java.lang.OutOfMemoryError: Java heap space"), r"raise spark\.driver\.memory"),
        (
            task("org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)"),
            "worker was killed",
        ),
        (
            task("org.apache.hadoop.hdfs.BlockMissingException: Could not obtain block: BP-1"),
            "Could not obtain block",
        ),
        (PySparkException("Job 3 cancelled because SparkContext was shut down"), "Spark was shut down"),
        (Py4JNetworkError("Answer from Java side is empty"), "Java has ended"),
        (ConnectionRefusedError(111, "Connection refused"), "Java has ended"),
        (Py4JError("An error occurred while calling o40.load"), "Java has ended"),
        (worker("OSError: [Errno 28] No space left on device: '/tmp/x'"), r"a Python worker: \[Errno 28\]"),
        (
            worker("numpy.exceptions._ArrayMemoryError: Unable to allocate 3 GiB"),
            "a Python worker ran out of memory",
        ),
        (
            worker("ModuleNotFoundError: No module named 'deepsound'"),
            "the executors' Python is not that of the driver",
        ),
    ],
)
def test_a_trouble_of_the_machine_is_one_line(exc, words):
    explained = explain(exc)
    assert isinstance(explained, EngineError)
    with pytest.raises(EngineError, match=words):
        raise explained
    assert "\n" not in str(explained)
    assert len(str(explained)) < 400


def test_an_error_of_ours_comes_back_from_a_worker_as_what_it_was():
    explained = explain(worker("deepsound.errors.SchemaMismatchError: cannot read x.parquet"))
    assert isinstance(explained, errors.SchemaMismatchError)
    assert str(explained) == "cannot read x.parquet"


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("ours"),
        worker("KeyError: 'genre'"),
        task("java.lang.NullPointerException: null"),
        task("java.io.NotSerializableException: a.b.C"),
        PySparkException("[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column cannot be resolved"),
    ],
)
def test_a_bug_stays_one(exc):
    assert explain(exc) is None


def test_only_what_storage_says_is_taken_from_an_account():
    assert find_io_error("java.io.InvalidClassException: local class incompatible") is None
    assert find_io_error("java.io.FileNotFoundException: gone; For more details see:  http://x") == "gone"


# ---- sessions


class Session:
    """As much of one as is stopped."""

    def __init__(self):
        self.is_stopped = False
        self.sparkContext = self

    def setLogLevel(self, _):  # noqa: N802
        pass

    def stop(self):
        self.is_stopped = True


@pytest.fixture
def started(monkeypatch):
    """No session is there, and the one that would be started is made up."""
    made = Session()
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(session, "_start", lambda _: made)
    return made


def test_an_interrupt_while_spark_starts_waits_until_it_can_be_stopped(monkeypatch, started):
    def start(_):
        os.kill(os.getpid(), signal.SIGINT)
        return started

    monkeypatch.setattr(session, "_start", start)
    # A session of other tests may have put Spark's own in its place.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), session.open_session("x"):
            pytest.fail("nothing is done with it")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    assert started.is_stopped


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (Py4JNetworkError("gone"), EngineError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (errors.InputError("x"), errors.InputError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_a_session_ends_with_its_block(started, raised, expected):
    with pytest.raises(expected), session.open_session("x"):
        raise raised
    assert started.is_stopped


def test_without_java_no_session(monkeypatch):
    monkeypatch.setattr(session, "find_java_home", lambda _: (None, "no java"))
    with pytest.raises(JavaMissingError, match="no java"):
        session._as_local(None)
