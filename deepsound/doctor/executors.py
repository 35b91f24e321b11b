"""Looking at the executors' Pythons, in a way that works even where deepsound is missing there."""

import pathlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deepsound.doctor.check import FAIL, OK, Check
from deepsound.doctor.machine import Machine
from deepsound.errors import DeepsoundError, first_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_MAX_TASKS = 64
# An executor of a cluster that has room starts within so many seconds of the one before.
_SETTLED_S = 3.0
# What in a Java stack trace of a hundred lines tells why no Python ran.
_REASONS = (
    r'Cannot run program "[^"]*"[^\n]*',
    r"\[PYTHON_VERSION_MISMATCH\][^\n]*",
    r"(?:ModuleNotFoundError|ImportError): [^\n]*",
    r"Python worker (?:failed to connect back|exited unexpectedly)[^\n]*",
)


class ExecutorsError(DeepsoundError):
    """No executor answered; the message says why."""

    code = "executors"


def look_at_executors(spark: "SparkSession", *, timeout_s: float) -> list[Machine]:
    """The distinct Pythons that Spark's tasks run in.

    Raises
    ------
    ExecutorsError
        No task came back in time, none could be started, or deepsound cannot be used there.
    """
    found = _run_tasks(spark, timeout_s=timeout_s)
    errors = [answer for answer in found if "error" in answer]
    if errors:
        raise ExecutorsError(
            f"{errors[0]['executable']} on {errors[0]['host']} cannot use deepsound ({errors[0]['error']})"
        )
    machines = {(answer["host"], answer["executable"]): answer for answer in found}
    try:
        return [Machine(**answer) for answer in machines.values()]
    except TypeError as exc:
        raise ExecutorsError(f"the executors have another version of deepsound ({exc})") from exc


def check_executors(machines: Sequence[Machine]) -> Check:
    """How many Pythons answered, and which."""
    hosts = sorted({machine.host for machine in machines})
    found = f"Python {machines[0].python} ({machines[0].executable}) on {', '.join(hosts[:5])}"
    return Check(
        status=OK, name="executor", found=found if len(hosts) <= 5 else f"{found} and {len(hosts) - 5} more"
    )


def count_tasks(spark: "SparkSession") -> int:
    """Tasks that run at a time."""
    return max(1, spark.sparkContext.defaultParallelism // int(spark.conf.get("spark.task.cpus", "1") or 1))


def check_session(spark: "SparkSession") -> Check:
    """Which Spark was started."""
    found = f"{spark.version} on {spark.sparkContext.master}, {count_tasks(spark)} tasks at a time"
    return Check(status=OK, name="spark", found=found)


def no_executor(reason: str) -> Check:
    """The finding where no executor could be looked at."""
    advice = (
        "the executors need Python with deepsound: make executor-env, and --archives "
        "build/deepsound-executor.tar.gz#environment with PYSPARK_PYTHON=./environment/bin/python"
    )
    return Check(status=FAIL, name="executor", found=reason, advice=advice)


def _run_tasks(spark: "SparkSession", *, timeout_s: float) -> list[dict[str, Any]]:
    context = spark.sparkContext
    answers: list[dict[str, Any]] = []
    failures: list[BaseException] = []

    def collect() -> None:
        try:
            wait_for_executors(spark)
            n_tasks = min(context.defaultParallelism, _MAX_TASKS)
            answers.extend(context.parallelize(range(n_tasks), n_tasks).mapPartitions(_make_look()).collect())
        except Exception as exc:  # whatever Spark, Java or Python makes of it
            failures.append(exc)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        context.cancelAllJobs()
        raise ExecutorsError(
            f"no executor has run a task within {timeout_s:g} s; the cluster may have no free cores or memory"
        )
    if failures:
        raise ExecutorsError(explain_failure(failures[0]))
    return answers


def _make_look() -> Callable[[Iterable[int]], Iterator[dict[str, Any]]]:
    """What a task does. A function within a function travels by value, so that no executor has to have it.

    Whether deepsound can be imported there is what it shall find out.
    """

    def look(_numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
        import os
        import platform
        import sys
        import tempfile

        try:
            from dataclasses import asdict

            from deepsound.doctor.machine import look_at_machine

            folders = os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()
            yield asdict(look_at_machine(folders.split(",")))
        except Exception as exc:
            reason = f"{type(exc).__name__}: {exc}"
            yield {"host": platform.node(), "executable": sys.executable, "error": reason}

    return look


def wait_for_executors(spark: "SparkSession") -> None:
    """Wait for the first executor of a cluster, and then until no more come."""
    context = spark.sparkContext
    if str(context.master).startswith("local"):
        return
    # In Java alone, as the executors' Python may not work.
    spark.range(1).count()
    n_cores = 0
    while n_cores != context.defaultParallelism:
        n_cores = context.defaultParallelism
        time.sleep(_SETTLED_S)


def explain_failure(exc: BaseException) -> str:
    """The one sentence in Spark's account of a failure that tells its cause."""
    text = str(exc)
    for reason in _REASONS:
        match = re.search(reason, text)
        if match:
            return match[0][:300]
    return first_line(exc)


def explain_start_failure(exc: BaseException, *, java_log: str) -> str:
    """Why no session could be opened: by Java's log where it says so, else by the error itself."""
    lines = pathlib.Path(java_log).read_text(encoding="utf-8", errors="replace").splitlines()
    reasons = [
        line.strip() for line in lines if re.match(r"(Exception in|Caused by:|Error:|Error )", line.strip())
    ]
    return (reasons or [first_line(exc)])[-1][:300]
