"""Opening Spark for one job."""

import contextlib
import locale
import logging
import os
import pathlib
import pwd
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from deepsound.children import SAFE_PATH, named_folders
from deepsound.console import is_verbose
from deepsound.errors import ConfigError, DeepsoundError, EngineError, first_line
from deepsound.spark.engine_errors import explain
from deepsound.spark.java import java_home

# spark.task.maxFailures, by default.
_MAX_TASK_FAILURES = 4
_LOG_SETTINGS = pathlib.Path(__file__).with_name("log4j2.properties")


def count_cores(spark: SparkSession) -> int:
    """Cores that Spark plans for; at least 1."""
    return max(1, spark.sparkContext.defaultParallelism)


def is_local(spark: SparkSession) -> bool:
    """Whether all work is done on this machine."""
    return str(spark.sparkContext.master).startswith("local")


def check_is_classic(spark: SparkSession, *, work: str) -> None:
    """Refuse a Spark Connect session for work that reaches into Spark's Java. Raises EngineError."""
    if not hasattr(spark, "_jsc"):
        raise EngineError(
            f"{work} moves files through Spark's own Java, which a Spark Connect session does not reach; run it "
            "with spark-submit or on a classic session. Features are scored on Connect by deepsound.genre_udf"
        )


@contextlib.contextmanager
def open_session(app_name: str, *, given: SparkSession | None = None) -> Iterator[SparkSession]:
    """A session for the length of one job.

    Under ``spark-submit`` master and memory are what its command line says, and so with ``PYSPARK_SUBMIT_ARGS``;
    otherwise a local Spark on all cores is started. A session that is ``given``, or already there, is used and
    left running.

    Raises
    ------
    JavaMissingError
        If Spark would have to be started and there is no Java for it.
    ConfigError
        If a ``spark-submit`` has already given its workers the working directory to import from, or the user of a
        local Spark has no name.
    EngineError
        From the block, too, if Spark, its Java or a machine of its cannot do the work.
    """
    with _engine_errors():
        if given is not None:
            is_classic = hasattr(given, "_jsc")
            with _safe_path(given.sparkContext) if is_classic else contextlib.nullcontext():
                yield given
            return
        # Not getActiveSession(): it knows the sessions of this thread only; stopping another's would end its job.
        if SparkContext._active_spark_context is not None:
            with _safe_path(SparkContext._active_spark_context):
                yield SparkSession.builder.getOrCreate()
            return
        with _held_interrupts() as let_go:
            spark = _start(app_name)
        try:
            let_go()
            yield spark
        except KeyboardInterrupt:
            # Under spark-submit its Java was interrupted, too, and ends by itself.
            if "PYSPARK_GATEWAY_PORT" not in os.environ:
                _stop(spark, is_silent=True)
            raise
        except BaseException:
            # What went wrong is on its way up; the tasks that end with the session have nothing to add.
            _stop(spark, is_silent=True)
            raise
        _stop(spark)


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn what the engine raises for the user's troubles into an :class:`EngineError`; bugs pass as they are."""
    try:
        yield
    except DeepsoundError:
        raise
    except Exception as exc:
        explained = explain(exc)
        if explained is None:
            raise
        raise explained from exc


@contextlib.contextmanager
def _held_interrupts() -> Iterator[Callable[[], None]]:
    """Hold back what Ctrl-C raises while Spark starts; what is yielded lets it go. The handler stays as it is.

    A start that is cut off leaves a Java behind that never ends. And pyspark puts another handler in the place of
    the process's, which calls Java from within a call to Java and fails over it. A KeyboardInterrupt ends the
    block that a session is for, and with the session its jobs.
    """
    # py4j accounts for a call that is cut off in fifty lines, on the root logger and on its own.
    logging.getLogger().addFilter(_is_not_of_py4j)
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handler, held = signal.getsignal(signal.SIGINT), list[KeyboardInterrupt]()

    def hold(number: int, frame: FrameType | None) -> None:
        try:
            if callable(handler):
                handler(number, frame)
        except KeyboardInterrupt as exc:
            held.append(exc)

    def let_go() -> None:
        if held:
            raise held.pop()

    signal.signal(signal.SIGINT, hold)
    try:
        yield let_go
    finally:
        signal.signal(signal.SIGINT, handler)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in pathlib.Path(record.pathname).parts


def _stop(spark: SparkSession, *, is_silent: bool = False) -> None:
    """End a session, in silence where its Java has gone before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if is_silent:
            # A call that Ctrl-C cuts off leaves a broken connection behind, over which the next one fails.
            for _ in range(2):
                with contextlib.suppress(Py4JError, OSError):
                    spark.sparkContext.setLogLevel("OFF")
        with contextlib.suppress(Py4JError, OSError):
            spark.stop()


def _start(app_name: str) -> SparkSession:
    # Workers must run the interpreter that has the packages, not whatever 'python3' the PATH finds first.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name).config("spark.ui.showConsoleProgress", "false")
    # One numeric thread per task: Spark already runs a task per core.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for variable, value in {**threads, **SAFE_PATH}.items():
        builder = builder.config(f"spark.executorEnv.{variable}", value)
    # Java inherits it from here, unless it was there first.
    if "PYSPARK_GATEWAY_PORT" not in os.environ and "PYTHONPATH" in os.environ:
        os.environ["PYTHONPATH"] = named_folders(os.environ["PYTHONPATH"])
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        os.environ["JAVA_HOME"] = java_home()
    master = "local[*]"
    if {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS"} & os.environ.keys():
        # What spark-submit was told is known to its Java, and a SparkConf made before that is reached is empty.
        SparkContext._ensure_initialized()
        master = SparkConf().get("spark.master", master) or master
        _check_python_path(master)
    else:
        builder = _as_local(builder)
    spark = builder.master(with_retries(master)).getOrCreate()
    if not is_verbose():
        _shorten_log(spark)
    # Java that ends in the middle of a count is told of by the call that waits for it, not by a traceback of the
    # thread that takes counts.
    server: Any = getattr(spark.sparkContext, "_accumulatorServer", None)
    if server is not None:
        server.handle_error = lambda _request, _address: None
    return spark


def _shorten_log(spark: SparkSession) -> None:
    """Our log settings in the place of Spark's default ones; a user's own stay, but for all that is no error."""
    jvm: Any = spark.sparkContext._jvm
    log4j = jvm.org.apache.logging.log4j
    source = log4j.LogManager.getContext(False).getConfiguration().getConfigurationSource()
    if str(source.getLocation()).endswith("log4j2-defaults.properties") and _LOG_SETTINGS.exists():
        log4j.core.config.Configurator.reconfigure(jvm.java.net.URI.create(_LOG_SETTINGS.as_uri()))
    spark.sparkContext.setLogLevel("ERROR")


def _check_user() -> None:
    """Refuse a user without a name, as of a container that is run as any number: Spark's Hadoop cannot."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError as exc:
        raise ConfigError(
            f"the user with the number {os.getuid()} has no name here, and Spark works for none without; wanted a "
            f"line in /etc/passwd, such as music:x:{os.getuid()}:{os.getgid()}::/tmp:/bin/sh"
        ) from exc


@contextlib.contextmanager
def _safe_path(context: SparkContext) -> Iterator[None]:
    """Workers of a session of the user's own leave the working directory alone, for as long as they are ours."""
    former = dict(context.environment)
    context.environment.update(SAFE_PATH)
    try:
        yield
    finally:
        for name in SAFE_PATH.keys() - former.keys():
            context.environment.pop(name, None)


def _check_python_path(master: str) -> None:
    """Refuse an empty entry that is left: the Java of a spark-submit, which starts the workers, has it, too."""
    python_path = os.environ.get("PYTHONPATH", "")
    if named_folders(python_path) != python_path and master.startswith("local"):
        raise ConfigError(
            "PYTHONPATH has an empty entry (a colon at an end, or two in a row), which stands for the working "
            "directory: workers would run Python files that lie there; take it out and submit again"
        )


def with_retries(master: str) -> str:
    """A local master whose tasks may fail as often as those of a cluster; any other master as it is.

    Spark gives up a local job at the first task that fails, so that one killed worker would end it.
    """
    found = re.fullmatch(r"local(?:\[(\d+|\*)\])?", master)
    return f"local[{found[1] or 1},{_MAX_TASK_FAILURES}]" if found else master


def _check_temporary_folders() -> None:
    """Refuse folders in which Spark's Java would end before the first job, without a word to us."""
    folders = [folder for folder in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if folder]
    reasons = []
    for folder in folders:
        try:
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as exc:
            reasons.append(first_line(exc))
    if folders and len(reasons) == len(folders):
        raise EngineError(f"Spark can write to no folder of SPARK_LOCAL_DIRS: {'; '.join(reasons)}")


def _as_local(builder: SparkSession.Builder) -> SparkSession.Builder:
    _check_user()
    _check_temporary_folders()
    # Under LC_ALL=C Python reads names as UTF-8 all the same, but Java finds no file of a name beyond ASCII.
    if sys.getfilesystemencoding() == "utf-8" and locale.nl_langinfo(locale.CODESET) != "UTF-8":
        os.environ["LC_ALL"] = "C.UTF-8"
    # A single machine: the network name need not resolve, and nobody else has business with this Spark.
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if not is_verbose():
        # Before the options of an installation of Spark of the user's own, which win.
        options = f"-Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()}"
        builder = builder.config("spark.driver.defaultJavaOptions", options)
    return builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
