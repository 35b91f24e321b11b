"""A real Spark cluster on loopback whose executors have the packed environment and nothing else."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pyspark
import pytest

from tests.processes import list_processes

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPARK_HOME = pathlib.Path(pyspark.__file__).parent
ARCHIVE = ROOT / "build" / "deepsound-executor.tar.gz"


def environment(**more):
    """The environment of a process of ours, without the ways by which this checkout could reach an executor."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYSPARK_PYTHON")}
    path = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "SPARK_LOCAL_IP": "127.0.0.1", **more}


class Daemon:
    """A Spark daemon; ``wait_for`` gives what a pattern finds in its log. All that it starts is of its session."""

    def __init__(self, log, *command):
        self._log = log
        with log.open("w") as stream:
            self._process = subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), *command],
                stdout=stream,
                stderr=stream,
                env=environment(),
                start_new_session=True,
            )
        self.session = self._process.pid

    def find(self, pattern):
        return re.findall(pattern, self._log.read_text())

    def wait_for(self, pattern, *, n_times=1):
        for _ in range(300):
            found = self.find(pattern)
            if len(found) >= n_times:
                return found[0]
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            time.sleep(0.2)
        raise AssertionError(f"{pattern} is not in {self._log.read_text()[-2000:]}")

    def stop(self):
        self._process.terminate()
        self._process.wait(30)


@dataclass(frozen=True)
class Cluster:
    """A master and its workers, which keep executors' folders and logs below ``folder``."""

    url: str
    workers: list
    folder: pathlib.Path

    def processes(self):
        """What the workers started: executors, and the Pythons below them."""
        sessions = {worker.session for worker in self.workers}
        return [process for process in list_processes() if process.session in sessions - {process.pid}]

    def n_executors_launched(self):
        return sum(len(worker.find(r"Asked to launch executor")) for worker in self.workers)

    def executor_logs(self):
        return "".join(path.read_text() for path in self.folder.glob("work*/app-*/*/stderr"))


@pytest.fixture(scope="session")
def archive():
    """The packed environment, of the code as it is now."""
    sources = [ROOT / name for name in ("setup.py", "constraints.txt", "tools/executor_env.py")]
    newest = max(path.stat().st_mtime for path in (*sources, *(ROOT / "deepsound").rglob("*.py")))
    if not ARCHIVE.exists() or ARCHIVE.stat().st_mtime < newest:
        subprocess.run([sys.executable, str(ROOT / "tools" / "executor_env.py"), str(ARCHIVE)], check=True)
    return ARCHIVE


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A master with two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    deploy = "org.apache.spark.deploy"
    local = ("--host", "127.0.0.1", "--webui-port", "0")
    master = Daemon(folder / "master.log", f"{deploy}.master.Master", *local, "--port", "0")
    daemons = [master]
    try:
        url = master.wait_for(r"Starting Spark master at (spark://\S+)")
        for number in range(2):
            room = ("--cores", "1", "--memory", "2g", "--work-dir", str(folder / f"work{number}"))
            log = folder / f"worker{number}.log"
            daemons.append(Daemon(log, f"{deploy}.worker.Worker", *local, *room, url))
        master.wait_for(r"Registering worker", n_times=2)
        yield Cluster(url=url, workers=daemons[1:], folder=folder)
    finally:
        for daemon in reversed(daemons):
            daemon.stop()


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@dataclass(frozen=True)
class Submitter:
    """Runs scripts by ``spark-submit``, on the cluster with conf/spark/standalone.conf or ``locally``."""

    cluster: Cluster
    archive: pathlib.Path
    place: pathlib.Path
    network_cache: pathlib.Path

    @property
    def options(self):
        """The cluster, for spark-submit: conf/spark/standalone.conf, but for what is larger than these workers."""
        conf = (
            # The file's own path is relative to a checkout.
            f"spark.archives={self.archive}#environment",
            *("spark.executor.cores=1", "spark.executor.memory=1g", "spark.ui.enabled=false"),
        )
        settings = str(ROOT / "conf" / "spark" / "standalone.conf")
        pairs = (word for pair in conf for word in ("--conf", pair))
        return ("--master", self.cluster.url, "--properties-file", settings, *pairs)

    def start(self, script, *arguments, locally=False):
        """Start a script by spark-submit, on the cluster or locally."""
        local = ("--master", "local[2]", "--properties-file", str(ROOT / "conf" / "spark" / "local.conf"))
        where = local if locally else self.options
        return self.run("spark-submit", *where, str(script), *map(str, arguments))

    def run(self, *command):
        """Start a command."""
        variables = {
            # Of the driver alone: Spark does not hand it on to executors.
            "PYTHONPATH": str(ROOT),
            "DEEPSOUND_CACHE_DIR": str(self.network_cache),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.place / 'mlflow.db'}",
        }
        return subprocess.Popen(
            command,
            env=environment(**variables),
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def job(self, name, *arguments, locally=False):
        """Start a job of the project."""
        return self.start(ROOT / "jobs" / f"{name}.py", *arguments, locally=locally)

    def finish(self, process):
        """Wait for a process to end well; what it said."""
        try:
            output, _ = process.communicate(timeout=600)
        finally:
            self.end(process)
        assert process.returncode == 0, output[-3000:]
        return output

    def end(self, process):
        """End a process with all that it started, whether or not it has ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def submitter(cluster, archive, place, network_cache):
    return Submitter(cluster, archive, place, network_cache)
