"""Opening Spark for one job."""

import contextlib
import os
import pathlib
import pwd
import re
import sys
from collections.abc import Iterator

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from deepsound.children import SAFE_PATH, named_folders
from deepsound.errors import ConfigError, JavaMissingError
from deepsound.spark.java import HOW_TO_INSTALL, find_java_home

# spark.task.maxFailures, by default.
_MAX_TASK_FAILURES = 4


def count_cores(spark: SparkSession) -> int:
    """Cores that Spark plans for; at least 1."""
    return max(1, spark.sparkContext.defaultParallelism)


@contextlib.contextmanager
def open_session(app_name: str) -> Iterator[SparkSession]:
    """A session for the length of one job.

    Under ``spark-submit`` master and memory are what its command line says, and so with ``PYSPARK_SUBMIT_ARGS``;
    otherwise a local Spark on all cores is started. A session that is already there is used and left running.

    Raises
    ------
    JavaMissingError
        If Spark would have to be started and there is no Java for it.
    ConfigError
        If a ``spark-submit`` has already given its workers the working directory to import from, or the user of a
        local Spark has no name.
    """
    # Not getActiveSession(): it knows the sessions of this thread only, and stopping another's would end its job.
    if SparkContext._active_spark_context is not None:
        with _safe_path(SparkContext._active_spark_context):
            yield SparkSession.builder.getOrCreate()
        return
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
    master = "local[*]"
    if {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS"} & os.environ.keys():
        # What spark-submit was told is known to its Java, and a SparkConf made before that is reached is empty.
        SparkContext._ensure_initialized()
        master = SparkConf().get("spark.master", master) or master
        _check_python_path(master)
    else:
        builder = _as_local(builder)
    spark = builder.master(with_retries(master)).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


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


def _as_local(builder: SparkSession.Builder) -> SparkSession.Builder:
    java_home, finding = find_java_home(pathlib.Path(sys.prefix) / "jdk")
    if java_home is None:
        raise JavaMissingError(f"{finding}. {HOW_TO_INSTALL}")
    _check_user()
    os.environ["JAVA_HOME"] = java_home
    # A single machine: the network name need not resolve, and nobody else has business with this Spark.
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
