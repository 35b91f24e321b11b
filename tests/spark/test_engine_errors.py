"""What Java and Python workers say of trouble comes to one sentence; what tells of a bug passes as it is."""

import pytest
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException

from deepsound.errors import EngineError, OutputError, ParameterError
from deepsound.spark.engine_errors import explain, find_reason
from deepsound.spark.session import open_session

_ABORTED = (
    "Job aborted due to stage failure: Task 3 in stage 7.0 failed 4 times, most recent failure: Lost task 3.3 in "
    "stage 7.0 (TID 40) (host executor driver): "
)
_FRAMES = "\n\tat org.apache.spark.{}.run(It.scala:1)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
_FULL_TEMPORARY = f"{_ABORTED}java.io.IOException: No space left on device{_FRAMES.format('storage.DiskStore')}"
_FULL_OUTPUT = f"{_ABORTED}java.io.IOException: No space left on device{_FRAMES.format('sql.execution.Writer')}"
_REFUSED = (
    "java.net.ConnectException: Call From here/127.0.0.1 to localhost:1 failed on connection exception: "
    "java.net.ConnectException: Connection refused; For more details see:  http://wiki.apache.org/hadoop"
    f"{_FRAMES.format('sql.Reader')}Caused by: java.net.ConnectException: Connection refused\n"
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (_REFUSED, "Call From here/127.0.0.1 to localhost:1 failed on connection exception: "),
        (_FULL_TEMPORARY, "Spark's temporary folder (SPARK_LOCAL_DIRS, "),
        (_FULL_OUTPUT, "No space left on device"),
        (f"{_ABORTED}java.lang.OutOfMemoryError: Java heap space{_FRAMES}", "Java ran out of memory; raise "),
        (
            f"{_ABORTED}org.apache.spark.SparkException: Python worker exited unexpectedly (crashed)",
            "a Python worker",
        ),
        (
            f"{_ABORTED}ExecutorLostFailure (executor 1 exited: Container killed)\nDriver",
            "ExecutorLostFailure (exec",
        ),
        ("Job 3 cancelled because SparkContext was shut down", "Spark was shut down while it was at work"),
        ("All masters are unresponsive! Giving up.", "All masters are unresponsive! Giving up."),
        ('java.io.IOException: Cannot run program "python9": error=2, No such', 'Cannot run program "python9"'),
        (
            "[FAILED_READ_FILE.NO_HINT] Encountered error while reading file file:///f/p.parquet. SQLSTATE: KD001",
            "Enc",
        ),
        (
            "org.apache.hadoop.security.AccessControlException: Permission denied: user=x",
            "Permission denied: user=x",
        ),
    ],
)
def test_trouble_is_one_sentence(said, expected):
    explained = explain(PySparkException(message=said))
    assert isinstance(explained, EngineError)
    assert str(explained).startswith(expected)
    assert "\n" not in str(explained)
    assert len(str(explained)) < 450
    assert explained.exit_code == 2


@pytest.mark.parametrize(
    "exc",
    [
        Py4JNetworkError("Answer from Java side is empty"),
        ConnectionRefusedError(111, "Connection refused"),
        Py4JError("An error occurred while calling o31.count"),
    ],
)
def test_a_java_that_has_gone_is_said_so(exc):
    assert str(explain(exc)).startswith("Spark's Java has ended: it was killed, ")


@pytest.mark.parametrize(
    ("last_line", "expected"),
    [
        (
            "OSError: [Errno 28] No space left on device",
            EngineError("a Python worker: [Errno 28] No space left on device"),
        ),
        ("MemoryError", EngineError("a Python worker ran out of memory: ")),
        (
            "ModuleNotFoundError: No module named 'soundfile'",
            EngineError("the executors' Python is not that of the driver: No module named 'soundfile'"),
        ),
        # Errors of ours come back as what they were.
        ("deepsound.errors.OutputError: cannot write x", OutputError("cannot write x")),
        ("deepsound.errors.ParameterError: wanted 3", ParameterError("wanted 3")),
    ],
)
def test_the_error_of_a_python_worker_is_the_last_of_its_traceback(last_line, expected):
    said = (
        f"{_ABORTED}org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
        f'  File "w.py", line 3, in f\n    go()\n{last_line}\n\n{_FRAMES}'
    )
    explained = explain(PySparkException(message=said))
    assert (type(explained), str(explained).strip()) == (type(expected), str(expected).strip())


@pytest.mark.parametrize(
    "said",
    [
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `x` cannot be resolved",
        f"{_ABORTED}java.lang.NullPointerException{_FRAMES}",
        f"{_ABORTED}java.io.NotSerializableException: org.apache.Thing{_FRAMES}",
        "Traceback (most recent call last):\n  File \"w.py\", line 3, in f\nKeyError: 'x'\n",
        'Traceback (most recent call last):\n  File "w.py", line 3, in f\nValueError: no\n',
    ],
)
def test_a_bug_keeps_its_account(said):
    assert explain(PySparkException(message=said)) is None


def test_errors_that_are_not_the_engines_are_none_of_its_business():
    assert explain(ValueError("java.io.IOException: No space left on device")) is None
    assert find_reason("all is well") is None


def test_a_session_raises_what_its_trouble_comes_to(spark):
    # Not the ten seconds of a user, who may have started his cluster a moment ago.
    spark.sparkContext._jsc.hadoopConfiguration().set("ipc.client.connect.max.retries", "0")
    with pytest.raises(EngineError, match="Connection refused"), open_session("x") as session:
        session.read.text("hdfs://127.0.0.1:1/x").count()
    with pytest.raises(ZeroDivisionError), open_session("x"):
        _ = 1 / 0
    with pytest.raises(PySparkException, match="UNRESOLVED_COLUMN"), open_session("x") as session:
        session.range(1).select("nothing").collect()
