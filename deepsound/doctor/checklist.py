"""Which checks are made, in which order: each a name and a function that gives the finding."""

import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deepsound.config import ExtractSettings
from deepsound.doctor import comparison as compare
from deepsound.doctor import driver
from deepsound.doctor.check import Check
from deepsound.doctor.executors import check_executors, check_session, count_tasks
from deepsound.doctor.machine import Machine
from deepsound.doctor.options import SparkOptions
from deepsound.doctor.store import check_store
from deepsound.networks.cache import NetworkCache

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NamedCheck = tuple[str, Callable[[], Check]]

_DRIVER_FOLDERS = "run it from a folder that can be written to; DEEPSOUND_CACHE_DIR names another cache"
_EXECUTOR_FOLDERS = "--conf spark.local.dir=/a/folder/with/room (standalone: SPARK_LOCAL_DIRS)"


def list_folders() -> list[str]:
    """Where the driver writes: MLflow's default store, converted networks, Spark's own files."""
    cache = NetworkCache("any").folder
    return [str(pathlib.Path.cwd()), str(cache), os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()]


def list_driver_checks(options: SparkOptions, settings: ExtractSettings | None, here: Machine) -> list[NamedCheck]:
    """What can be looked at without Spark; ``settings`` are None where they could not be read."""
    checks: list[NamedCheck] = [
        ("python", driver.check_python),
        ("java", driver.check_java),
        ("pyspark", driver.check_pyspark),
        ("pyspark_python", functools.partial(driver.check_pyspark_python, is_local=options.is_local)),
        ("driver.libraries", functools.partial(compare.check_libraries, here, name="driver.libraries")),
        ("driver.formats", functools.partial(compare.check_formats, here, name="driver.formats")),
        (
            "driver.folders",
            functools.partial(compare.check_writing, here, name="driver.folders", advice=_DRIVER_FOLDERS),
        ),
    ]
    if options.is_given:
        checks.append(("master", functools.partial(driver.check_master, options.master_url)))
    if settings is not None:
        checks += [
            (f"network {feature}", functools.partial(driver.check_network, feature, settings=settings))
            for feature in settings.features
        ]
    return [*checks, ("mlflow", check_store)]


def list_executor_checks(spark: "SparkSession", machines: Sequence[Machine], here: Machine) -> list[NamedCheck]:
    """What the executors' Pythons show; each check is of all of them."""
    cpus_per_task = int(spark.conf.get("spark.task.cpus", "1") or 1)
    is_local = str(spark.sparkContext.master).startswith("local")
    looks: dict[str, Callable[[Machine], Check]] = {
        "executor.code": functools.partial(compare.check_same_code, driver=here, name="executor.code"),
        "executor.libraries": functools.partial(
            compare.check_same_libraries, driver=here, name="executor.libraries"
        ),
        "executor.formats": functools.partial(compare.check_formats, name="executor.formats"),
        "executor.folders": functools.partial(
            compare.check_writing, name="executor.folders", advice=_EXECUTOR_FOLDERS
        ),
        "threads": functools.partial(
            compare.check_threads,
            cpus_per_task=cpus_per_task,
            n_tasks_here=count_tasks(spark) if is_local else None,
        ),
    }
    return [
        ("spark", functools.partial(check_session, spark)),
        ("executor", functools.partial(check_executors, machines)),
        *((name, functools.partial(compare.check_everywhere, machines, look)) for name, look in looks.items()),
    ]
