"""The three jobs on a real Spark cluster, a master and two workers on loopback, against local mode."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pyspark
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPARK_HOME = pathlib.Path(pyspark.__file__).parent

pytestmark = pytest.mark.soak


class Daemon:
    """A Spark daemon; ``wait_for`` gives what a pattern finds in its log."""

    def __init__(self, log, *command):
        self._log = log
        environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        with log.open("w") as stream:
            self._process = subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), *command],
                stdout=stream,
                stderr=stream,
                env=environment,
            )

    def wait_for(self, pattern, *, n_times=1):
        for _ in range(300):
            found = re.findall(pattern, self._log.read_text())
            if len(found) >= n_times:
                return found[0]
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.2)
        raise AssertionError(f"{pattern} is not in {self._log.read_text()[-2000:]}")

    def stop(self):
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """The URL of a master with two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    deploy = "org.apache.spark.deploy"
    local = ("--host", "127.0.0.1", "--webui-port", "0")
    daemons = [Daemon(folder / "master.log", f"{deploy}.master.Master", *local, "--port", "0")]
    try:
        url = daemons[0].wait_for(r"Starting Spark master at (spark://\S+)")
        for number in range(2):
            room = ("--cores", "1", "--memory", "2g", "--work-dir", str(folder / f"work{number}"))
            log = folder / f"worker{number}.log"
            daemons.append(Daemon(log, f"{deploy}.worker.Worker", *local, *room, url))
        daemons[0].wait_for(r"Registering worker", n_times=2)
        yield url
    finally:
        for daemon in reversed(daemons):
            daemon.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def submit(master, place, network_cache):
    """A function that runs a job by ``spark-submit`` on the cluster, or on ``where``."""

    def run(job, *arguments, where=master):
        environment = {
            **os.environ,
            "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "DEEPSOUND_CACHE_DIR": str(network_cache),
            "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
        }
        command = [
            *("spark-submit", "--master", where, "--properties-file", str(ROOT / "conf/spark/standalone.conf")),
            *("--conf", "spark.executor.memory=1g", "--conf", "spark.ui.enabled=false"),
            *(str(ROOT / "jobs" / f"{job}.py"), *map(str, arguments)),
        ]
        done = subprocess.run(
            command, env=environment, cwd=place, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    return run


def rows_of(folder, key):
    return sorted(pq.read_table(folder).to_pylist(), key=key)


def by_segment(row):
    return row["track_id"], row["segment_index"]


def by_track(row):
    return row["track_id"]


def test_the_cluster_writes_what_local_mode_writes(submit, music, tiny_vggish, place):
    labels = ("--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}")
    what = ("--set", "features=[mfcc,vggish]", "--set", "segment_s=1", "--set", f"network={tiny_vggish}", *labels)
    for name, where in (("cluster", {}), ("local", {"where": "local[2]"})):
        submit("extract", "--input", music, "--output", place / name, *what, **where)
    for table, key in (("tracks", by_track), ("segments", by_segment)):
        assert rows_of(place / "cluster" / table, key) == rows_of(place / "local" / table, key)
    summaries = [json.loads((place / name / "extract.json").read_text()) for name in ("cluster", "local")]
    assert summaries[0] == summaries[1]

    submit("train", "--features", place / "cluster", "--set", "feature=vggish", "--set", "epochs=3")
    model = ("--model", "models:/deepsound-vggish@champion")
    for name, where in (("cluster", {}), ("local", {"where": "local[2]"})):
        submit("score", "--input", place / name, *model, "--output", place / f"{name}-scores", **where)
    for table in ("predictions", "per_genre"):
        got, expected = (
            rows_of(place / f"{name}-scores" / table, lambda row: str(row)) for name in ("cluster", "local")
        )
        assert got == expected
    assert len(got) == 3
