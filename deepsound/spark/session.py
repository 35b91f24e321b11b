"""Opening Spark for one job."""

import contextlib
import locale
import os
import pathlib
import re
import sys
from collections.abc import Iterator

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from deepsound.errors import JavaMissingError
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
    """
    # Not getActiveSession(): it knows the sessions of this thread only, and stopping another's would end its job.
    if SparkContext._active_spark_context is not None:
        yield SparkSession.builder.getOrCreate()
        return
    # Workers must run the interpreter that has the packages, not whatever 'python3' the PATH finds first.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name).config("spark.ui.showConsoleProgress", "false")
    # One numeric thread per task: Spark already runs a task per core.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        builder = builder.config(f"spark.executorEnv.{variable}", "1")
    master = "local[*]"
    if {"PYSPARK_GATEWAY_PORT", "PYSPARK_SUBMIT_ARGS"} & os.environ.keys():
        # What spark-submit was told is known to its Java, and a SparkConf made before that is reached is empty.
        SparkContext._ensure_initialized()
        master = SparkConf().get("spark.master", master) or master
    else:
        builder = _as_local(builder)
    spark = builder.master(with_retries(master)).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


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
    os.environ["JAVA_HOME"] = java_home
    # Under LC_ALL=C Python reads names as UTF-8 all the same, but Java finds no file of a name beyond ASCII.
    if sys.getfilesystemencoding() == "utf-8" and locale.nl_langinfo(locale.CODESET) != "UTF-8":
        os.environ["LC_ALL"] = "C.UTF-8"
    # A single machine: the network name need not resolve, and nobody else has business with this Spark.
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return builder.config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
