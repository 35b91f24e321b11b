"""Checks that need no Spark: what a job meets before it gets to start one, and where trainings are stored."""

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping

from deepsound.config import ExtractSettings
from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.doctor.machine import complain, try_writing
from deepsound.networks import source
from deepsound.spark.java import HOW_TO_INSTALL, find_java

_OLDEST_PYTHON = (3, 11)
_WAIT_S = 3.0
_STORE = "set MLFLOW_TRACKING_URI to a store that can be used, such as sqlite:////absolute/path/mlflow.db"


def list_checks(options: Mapping[str, str], *, settings: ExtractSettings | None) -> dict[str, Callable[[], Check]]:
    """The checks by name, in their order; settings are None where they are wrong."""
    master = options.get("spark.master", "local[*]")
    checks: dict[str, Callable[[], Check]] = {"python": check_python, "java": check_java, "pyspark": check_pyspark}
    checks["pyspark_python"] = functools.partial(check_pyspark_python, is_local=master.startswith("local"))
    checks |= {"master": functools.partial(check_master, master)} if options else {}
    if settings is not None:
        for name in settings.features:
            checks[f"network {name}"] = functools.partial(check_network, name, network=settings.network)
    return checks | {"mlflow": check_store}


def check_python() -> Check:
    """The driver's own Python."""
    status, wanted = OK if sys.version_info >= _OLDEST_PYTHON else FAIL, ".".join(map(str, _OLDEST_PYTHON))
    return status, f"{sys.version.split()[0]} ({sys.executable})", f"Python {wanted} or newer: make PYTHON=..."


def check_java() -> Check:
    """A Java that Spark runs on; JAVA_HOME is set to it, as it would be for a job."""
    java_home, found = find_java()
    if java_home is None:
        return FAIL, found, HOW_TO_INSTALL
    os.environ["JAVA_HOME"] = java_home
    return OK, f"{found} ({java_home})"


def check_pyspark() -> Check:
    """Spark's Python side, which brings all of Spark along."""
    try:
        return OK, importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        return FAIL, "not installed", "pip install 'deepsound[spark]', or run it by the spark-submit of a Spark 4"


def check_pyspark_python(*, is_local: bool) -> Check:
    """The Python that workers are started with; whether Spark can work with it shows on the executors."""
    workers = os.environ.get("PYSPARK_PYTHON") or sys.executable
    # Elsewhere it is a path of the executors' machines, or of an archive that is unpacked there.
    is_missing = is_local and shutil.which(workers) is None
    found = (
        f"{workers} is no program that can be run" if is_missing else f"{workers}; tried on the executors below"
    )
    return FAIL if is_missing else OK, found, f"unset PYSPARK_PYTHON, or set it to {sys.executable}"


def check_master(url: str) -> Check:
    """Whether the master of a standalone cluster answers; Spark itself would keep trying for a minute."""
    if not url.startswith("spark://"):
        return OK, url
    # A standby follows behind a comma.
    for place in url.removeprefix("spark://").split(","):
        if source.is_reachable(f"spark://{place}", timeout_s=_WAIT_S):
            return OK, f"spark://{place} answers"
    advice = "start it ($SPARK_HOME/sbin/start-master.sh), or correct --master; its web page shows its URL"
    return FAIL, f"{url} does not answer within {_WAIT_S:g} s", advice


def check_network(feature: str, *, network: str) -> Check:
    """Whether the network behind a feature can be had, or at least its host answers."""
    if feature == "musicnn":
        return OK, f"weights at {source.locate_musicnn().prefix}"
    if feature != "vggish":
        return OK, "needs none"
    if source.parse_random_seed(network) is not None:
        advice = "good for tests and benchmarks; for music, name real weights with --set network=..."
        return WARN, f"{network} is untrained", advice
    if "://" not in network:
        return OK, f"weights at {source.locate_vggish(network).prefix}"
    if source.is_in_hub_cache(network):
        return OK, f"{network} is in TF-Hub's cache"
    if source.is_reachable(network, timeout_s=_WAIT_S):
        return OK, f"{network} is not here yet, and its host answers"
    found = f"{network} is not in TF-Hub's cache, and its host does not answer within {_WAIT_S:g} s"
    return FAIL, found, source.HOW_TO_GIVE_VGGISH


def check_store() -> Check:
    """The MLflow store that training and scoring would use; nothing is made in it."""
    if importlib.util.find_spec("mlflow") is None:
        advice = "pip install 'deepsound[train]' where models are trained or scored"
        return WARN, "MLflow is not installed; extraction needs none", advice
    # MLflow takes seconds to import, and only this check needs it.
    from deepsound.training.mlflow_store import DEFAULT_TRACKING_URI, experiment_name, find_experiment

    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    if uri.startswith("sqlite:///") and (check := _check_database(uri)):
        return check
    if uri.startswith("http") and not source.is_reachable(uri, timeout_s=_WAIT_S):
        found = f"{uri} does not answer within {_WAIT_S:g} s (MLFLOW_TRACKING_URI)"
        return FAIL, found, f"start the server ('make ui' starts one), or {_STORE}"
    has_it = "still without" if find_experiment(uri) is None else "with"
    return OK, f"{uri}, {has_it} the experiment {experiment_name()}"


def _check_database(uri: str) -> Check | None:
    """The finding on a file that MLflow need not, or must not, be asked about; None for one of its own."""
    path = pathlib.Path(uri.removeprefix("sqlite:///")).absolute()
    if not path.exists():
        failed = complain([str(path.parent)], look=try_writing)
        found = f"cannot be made: {failed}" if failed else "is not there yet; the first training makes it"
        return FAIL if failed else OK, f"{uri} {found}", _STORE
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
    except sqlite3.Error as exc:
        return FAIL, f"{uri} is no database: {exc}", _STORE
    if not tables:
        return OK, f"{uri} is empty; the first training fills it"
    # MLflow would add its tables to whatever it is shown.
    found = f"{uri} is a database of something else; MLflow would put its tables beside {min(tables)}"
    return None if "experiments" in tables else (WARN, found, _STORE)
