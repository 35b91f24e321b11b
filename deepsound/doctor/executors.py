"""Looking at the executors' Pythons, in a way that works even where deepsound is missing there."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pyspark.sql import SparkSession

from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.doctor.machine import HOW_TO_PACK, list_versions
from deepsound.errors import EngineError, first_line
from deepsound.spark.engine_errors import find_reason

# By host and Python: checks by their names.
Looks = Mapping[tuple[str, str], Mapping[str, Check]]


def check_spark(spark: SparkSession) -> Check:
    """Which Spark was started; what it has to say from now on comes in findings."""
    spark.sparkContext.setLogLevel("OFF")
    return OK, f"{spark.version} on {spark.sparkContext.master}, {count_tasks(spark)} tasks at a time"


def look_at_executors(spark: SparkSession, *, timeout_s: float) -> Looks:
    """The distinct Pythons that Spark's tasks run in; an EngineError where none can be used, or comes in time."""
    context, late = spark.sparkContext, threading.Event()

    def give_up() -> None:
        late.set()
        context.cancelAllJobs()

    timer = threading.Timer(timeout_s, give_up)
    timer.start()
    try:
        _wait_for_executors(spark)
        n_looks = min(context.defaultParallelism, 64)
        looks = dict(context.parallelize(range(n_looks), n_looks).mapPartitions(_make_look(spark)).collect())
    except Exception as exc:  # whatever Spark, Java or Python makes of it
        reason = f"no executor has run a task within {timeout_s:g} s; the cluster may have no free cores or memory"
        found = reason if late.is_set() else find_reason(str(exc)) or first_line(exc)
        raise EngineError(f"{found}; the executors need Python with deepsound: {HOW_TO_PACK}") from exc
    finally:
        timer.cancel()
    for (host, python), look in looks.items():
        if isinstance(look, str):
            raise EngineError(f"{python} on {host} cannot use this deepsound ({look})")
    return looks


def check_executors(looks: Looks) -> Check:
    """Which Pythons answered."""
    hosts = sorted({host for host, _ in looks})
    return OK, f"{min(looks)[1]} on {', '.join(hosts[:5])}{' and more' if len(hosts) > 5 else ''}"


def find_worst(looks: Looks, *, name: str) -> Check:
    """The worst check of a name on any of the executors, and on how many of them."""
    checks = [(look[name], host) for (host, _), look in looks.items()]
    (status, found, *advice), host = max(checks, key=lambda pair: (OK, WARN, FAIL).index(pair[0][0]))
    n_like_it = sum(check[0] == status for check, _ in checks)
    where = f" ({n_like_it} of {len(looks)}, as on {host})" if status != OK and len(looks) > 1 else ""
    return status, f"{found}{where}", *advice


def count_tasks(spark: SparkSession) -> int:
    """Tasks that run at a time."""
    return max(1, spark.sparkContext.defaultParallelism // int(spark.conf.get("spark.task.cpus", "1") or 1))


def _make_look(spark: SparkSession) -> Callable[[Iterable[int]], Iterator[Any]]:
    """What a task does: a function within a function travels by value, so that no executor has to have it."""
    versions, n_cpus = list_versions(), int(spark.conf.get("spark.task.cpus", "1") or 1)
    # How many tasks run on one machine of a cluster is not known.
    n_tasks = count_tasks(spark) if str(spark.sparkContext.master).startswith("local") else 1

    def look(_numbers: Iterable[int]) -> Iterator[Any]:
        import os
        import platform
        import sys
        import tempfile

        where = (platform.node(), f"Python {platform.python_version()} ({sys.executable})")
        folders = (os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()).split(",")
        advice = "--conf spark.local.dir=/a/folder/with/room (standalone: SPARK_LOCAL_DIRS)"
        try:
            from deepsound.doctor import machine

            checks = {
                "executor.code": machine.check_code(versions),
                "executor.libraries": machine.check_libraries(versions),
                "executor.formats": machine.check_formats(),
                "executor.folders": machine.check_folders(folders, advice=advice),
                "threads": machine.check_threads(n_cpus, n_tasks=n_tasks),
            }
            yield where, checks
        except Exception as exc:
            yield where, f"{type(exc).__name__}: {exc}"

    return look


def _wait_for_executors(spark: SparkSession) -> None:
    """Wait for the first executor of a cluster, and then until no more come."""
    context, n_cores = spark.sparkContext, 0
    while not str(context.master).startswith("local") and n_cores != context.defaultParallelism:
        # In Java alone, as the executors' Python may not work.
        spark.range(1).count()
        n_cores = context.defaultParallelism
        time.sleep(3.0)
