"""Checks that need no Spark: what a job meets before it gets to start one."""

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys

from deepsound.config import ExtractSettings
from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.networks.source import (
    HOW_TO_GIVE_VGGISH,
    is_in_hub_cache,
    is_reachable,
    locate_musicnn,
    locate_vggish,
    parse_random_seed,
)
from deepsound.spark.java import HOW_TO_INSTALL, find_java_home

_OLDEST_PYTHON = (3, 11)
_WAIT_S = 3.0
_PRINT_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def check_python() -> Check:
    """The driver's own Python."""
    found = f"{sys.version.split()[0]} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        return Check(status=FAIL, name="python", found=found, advice=f"Python {wanted} or newer: make PYTHON=...")
    return Check(status=OK, name="python", found=found)


def check_java() -> Check:
    """A Java that Spark runs on; JAVA_HOME is set to it, as it would be for a job."""
    java_home, found = find_java_home(pathlib.Path(sys.prefix) / "jdk")
    if java_home is None:
        return Check(status=FAIL, name="java", found=found, advice=HOW_TO_INSTALL)
    os.environ["JAVA_HOME"] = java_home
    return Check(status=OK, name="java", found=f"{found} ({java_home})")


def check_pyspark() -> Check:
    """Spark's Python side, which brings all of Spark along."""
    try:
        found = importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        advice = "pip install 'deepsound[spark]', or run it by the spark-submit of a Spark 4"
        return Check(status=FAIL, name="pyspark", found="not installed", advice=advice)
    return Check(status=OK, name="pyspark", found=found)


def check_pyspark_python(*, is_local: bool) -> Check:
    """The Python that workers are started with: there, and of the driver's minor version."""
    name = "pyspark_python"
    workers = os.environ.get("PYSPARK_PYTHON")
    if not workers:
        return Check(status=OK, name=name, found="not set; workers run the driver's Python")
    if not is_local:
        # A path of the executors' machines, or of an archive that is unpacked there.
        return Check(status=OK, name=name, found=f"{workers}; tried on the executors below")
    advice = f"unset PYSPARK_PYTHON, or set it to {sys.executable}"
    if shutil.which(workers) is None:
        return Check(status=FAIL, name=name, found=f"{workers} is no program that can be run", advice=advice)
    driver = f"{sys.version_info.major}.{sys.version_info.minor}"
    version = _version_of(workers)
    if version != driver:
        found = f"{workers} is Python {version}" if version else f"{workers} is no working Python"
        return Check(
            status=FAIL, name=name, found=f"{found}; the driver's is {driver}, and Spark wants one", advice=advice
        )
    return Check(status=OK, name=name, found=f"{workers}, Python {version}")


def check_master(url: str) -> Check:
    """Whether the master of a standalone cluster answers; Spark itself would keep trying for a minute."""
    name = "master"
    if not url.startswith("spark://"):
        return Check(status=OK, name=name, found=url)
    # A standby follows behind a comma.
    masters = [f"spark://{place}" for place in url.removeprefix("spark://").split(",")]
    answering = [master for master in masters if is_reachable(master, timeout_s=_WAIT_S)]
    if not answering:
        advice = "start it ($SPARK_HOME/sbin/start-master.sh), or correct --master; its web page shows its URL"
        return Check(status=FAIL, name=name, found=f"{url} does not answer within {_WAIT_S:g} s", advice=advice)
    return Check(status=OK, name=name, found=f"{answering[0]} answers")


def _version_of(python: str) -> str | None:
    try:
        done = subprocess.run(
            [python, "-I", "-c", _PRINT_VERSION], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def check_network(feature: str, *, settings: ExtractSettings) -> Check:
    """Whether the pretrained network behind a feature can be had; a download is not made, only its host is tried.

    Raises
    ------
    NetworkUnavailableError
        If it cannot; the message says what can be done.
    """
    name = f"network {feature}"
    if feature == "musicnn":
        files = locate_musicnn()
        return Check(status=OK, name=name, found=f"{len(files.files)} files at {files.prefix}")
    if feature != "vggish":
        return Check(status=OK, name=name, found="needs none")
    network = settings.network
    if parse_random_seed(network) is not None:
        advice = "good for tests and benchmarks; for music, name real weights with --set network=..."
        return Check(status=WARN, name=name, found=f"{network} is untrained", advice=advice)
    if "://" not in network:
        return Check(status=OK, name=name, found=f"weights at {locate_vggish(network).prefix}")
    if is_in_hub_cache(network):
        return Check(status=OK, name=name, found=f"{network} is in TF-Hub's cache")
    if is_reachable(network, timeout_s=_WAIT_S):
        return Check(status=OK, name=name, found=f"{network} is not here yet, and its host answers")
    found = f"{network} is not in TF-Hub's cache, and its host does not answer within {_WAIT_S:g} s"
    return Check(status=FAIL, name=name, found=found, advice=HOW_TO_GIVE_VGGISH)
