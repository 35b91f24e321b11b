"""What an error of Spark, its Java or its Python workers comes to: a sentence for the user, or a bug of ours.

Java tells its troubles in stack traces of a hundred lines. An executor's reach the driver as text alone, so text
is what is read here.
"""

import re

from deepsound import errors
from deepsound.errors import DeepsoundError, EngineError

_MAX_CHARS = 300

_JAVA_GONE = (
    "Spark's Java has ended: it was killed, as by the system where memory runs out, or could not go on. What was "
    "committed is kept, and a rerun goes on from there"
)
_SPARK_STOPPED = "Spark was shut down while it was at work"
_WORKER_LOST = (
    "a Python worker was killed several times over the same work, as by the system where memory runs out; give "
    "Spark fewer cores or the machine more memory"
)
_TEMPORARY = "Spark's temporary folder (SPARK_LOCAL_DIRS, else spark.local.dir, else /tmp)"

# A pattern and what is said where it is found; without words, what was found. The first one counts.
_REASONS = (
    (r"OutOfMemoryError: [^\n]+", "Java ran out of memory; raise spark.driver.memory or spark.executor.memory"),
    (r'Cannot run program "[^"]*"[^\n]*', ""),
    (r"\[PYTHON_VERSION_MISMATCH\][^\n]*", ""),
    (r"Python worker failed to connect back[^\n]*", ""),
    (r"Python worker (?:exited unexpectedly|keeps failing)", _WORKER_LOST),
    (r"ExecutorLostFailure \([^\n]+", ""),
    (r"All masters are unresponsive[^\n]*", ""),
    (r"SparkContext was shut down|stopped SparkContext|SparkContext has been shutdown", _SPARK_STOPPED),
    (r"\[JAVA_GATEWAY_EXITED\]", "Spark's Java ended before Spark was there; what it said stands above"),
)
# Of the exceptions of these packages some tell of code, not of storage.
_IO_ERROR = re.compile(
    r"(?:java\.io|java\.net|java\.nio\.(?:file|channels)|org\.apache\.hadoop(?:\.\w+)+)\."
    r"(?!NotSerializable|InvalidClass|EOF|ClosedByInterrupt|InterruptedIO)\w+Exception: ([^\n]+)"
)
_TEMPORARY_FRAME = re.compile(r"\n\s+at org\.apache\.spark\.(?:storage|shuffle|util\.collection)\.")
_UNREADABLE_FILE = re.compile(r"\[FAILED_READ_FILE[^\]]*\] ([^\n]+)")
# The last line of a traceback: what is neither indented nor the beginning of another one.
_PYTHON_ERROR = re.compile(r"^ {0,2}(?:\w+\.)*(\w+)(?:: ([^\n]*))?$", re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):"


def explain(exc: BaseException) -> DeepsoundError | None:
    """The user's error that an error of the engine stands for; None for a bug.

    An error of ours that was raised in a Python worker comes back as what it was.
    """
    from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
    from pyspark.errors import PySparkException

    if isinstance(exc, Py4JNetworkError | ConnectionError):
        return EngineError(_JAVA_GONE)
    if not isinstance(exc, PySparkException | Py4JError):
        return None
    try:
        text = str(exc)
    except (Py4JError, ConnectionError, AssertionError):  # it asks Java, which has ended since
        return EngineError(_JAVA_GONE)
    # py4j has an answer, of an exception or of a mistake in a call, or it lost Java while it waited for one.
    if isinstance(exc, Py4JError) and not isinstance(exc, Py4JJavaError) and "\n" not in text.strip():
        return EngineError(_JAVA_GONE)
    if _TRACEBACK in text:
        return _explain_python(text.rpartition(_TRACEBACK)[2])
    reason = find_reason(text)
    return None if reason is None else EngineError(reason)


def find_reason(text: str) -> str | None:
    """What in an account of Java tells of trouble around Spark; None where nothing does."""
    for pattern, words in _REASONS:
        if found := re.search(pattern, text):
            return _cut(words or found[0])
    if found := _UNREADABLE_FILE.search(text):
        return _cut(found[1])
    return find_io_error(text)


def find_io_error(text: str) -> str | None:
    """What an IOException within an account of Java says; None where there is none."""
    found = _IO_ERROR.search(text)
    if found is None:
        return None
    said = _cut(found[1].partition("; For more details see")[0])
    # Its stack goes on to the next exception.
    frames = text[found.end() :].partition("Caused by:")[0]
    return f"{_TEMPORARY}: {said}" if _TEMPORARY_FRAME.search(frames) else said


def _explain_python(text: str) -> DeepsoundError | None:
    """Of an error in a Python worker, which may have been raised by the machine or by our own checks."""
    found = _PYTHON_ERROR.search(text)
    if found is None:
        return None
    name, message = found[1], found[2] or ""
    own = getattr(errors, name, None)
    if isinstance(own, type) and issubclass(own, DeepsoundError):
        return own(message)
    if name.endswith("MemoryError"):
        return EngineError(_cut(f"a Python worker ran out of memory: {message}"))
    if name in ("ModuleNotFoundError", "ImportError"):
        return EngineError(_cut(f"the executors' Python is not that of the driver: {message}"))
    # A disk or a file of the machine: Python numbers these by the system's own numbers.
    return EngineError(_cut(f"a Python worker: {message}")) if message.startswith("[Errno ") else None


def _cut(text: str) -> str:
    return text.strip()[:_MAX_CHARS]
