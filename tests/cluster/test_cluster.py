"""The three jobs on a real Spark cluster, against local mode, whole and with processes killed under them."""

import json
import os
import pathlib
import signal
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

pytestmark = pytest.mark.soak

N_CLIPS = 160
EXECUTOR = "CoarseGrainedExecutorBackend"
PYTHON = "pyspark.daemon"
WORKER_DIED = "Python worker exited unexpectedly"


def rows_of(folder, *keys):
    return pq.read_table(folder).sort_by([(key, "ascending") for key in keys])


def check_same_features(got, expected):
    for table, keys in (("tracks", ["track_id"]), ("segments", ["track_id", "segment_index"])):
        assert rows_of(got / table, *keys).equals(rows_of(expected / table, *keys))
    summaries = [json.loads((folder / "extract.json").read_text()) for folder in (got, expected)]
    assert summaries[0] == summaries[1]


def test_executors_have_the_packed_environment_and_nothing_else(submitter):
    output = submitter.finish(submitter.start(pathlib.Path(__file__).with_name("look_at_executors.py")))
    seen = json.loads(next(line for line in output.splitlines() if line.startswith("LOOK "))[5:])
    assert seen["driver"] == str(pathlib.Path(sys.executable).parent / "python3")
    for executor in seen["executors"]:
        prefix = pathlib.Path(executor["base_prefix"])
        assert prefix.name == "environment"
        assert prefix.is_relative_to(submitter.cluster.folder)
        assert executor["executable"].startswith(f"{prefix}/bin/")
        assert executor["deepsound"].startswith(f"{prefix}/lib/")
        assert executor["missing"] == ["tensorflow", "keras", "mlflow", "librosa", "sklearn"]
        # Nothing of the driver's Python, nor of the checkout; Spark brings its own pyspark along.
        assert all("site-packages/pyspark/" in path for path in executor["path"] if ".venv" in path)


def test_the_cluster_writes_what_local_mode_writes(submitter, music, tiny_vggish, place):
    labels = ("--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}")
    what = ("--set", "features=[mfcc,vggish]", "--set", "segment_s=1", "--set", f"network={tiny_vggish}", *labels)
    n_launched = submitter.cluster.n_executors_launched()
    for name in ("cluster", "local"):
        process = submitter.job(
            "extract", "--input", music, "--output", place / name, *what, locally=name == "local"
        )
        submitter.finish(process)
    # Both executors of the first, none of the second: the cluster it was that did the work.
    assert submitter.cluster.n_executors_launched() - n_launched == 2
    check_same_features(place / "cluster", place / "local")

    settings = ("--set", "feature=vggish", "--set", "epochs=3", "--set", "folds=0")
    submitter.finish(submitter.job("train", "--features", place / "cluster", *settings))
    model = ("--model", "models:/deepsound-vggish@champion")
    for name in ("cluster", "local"):
        output = place / f"{name}-scores"
        process = submitter.job(
            "score", "--input", place / name, *model, "--output", output, locally=name == "local"
        )
        submitter.finish(process)
    for table, key in (("predictions", "track_id"), ("per_genre", "genre")):
        got, expected = (rows_of(place / f"{name}-scores" / table, key) for name in ("cluster", "local"))
        assert got.equals(expected)
    assert got.num_rows == 3


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Many small files; with segments that overlap, each is work for a while."""
    folder = tmp_path_factory.mktemp("clips") / "noise"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(N_CLIPS):
        soundfile.write(folder / f"{number:04d}.wav", rng.uniform(-0.5, 0.5, 2 * 22050), 22050)
    return folder.parent


@pytest.fixture(scope="module")
def start_extraction(submitter, clips, place):
    """A function that starts the extraction of the clips into a folder of a name."""

    def start(name, *, locally=False):
        slow = ("--set", "segment_s=1", "--set", "segment_hop_s=0.01")
        return submitter.job("extract", "--input", clips, "--output", place / name, *slow, locally=locally)

    return start


@pytest.fixture(scope="module")
def undisturbed(submitter, start_extraction, place):
    submitter.finish(start_extraction("undisturbed", locally=True))
    return place / "undisturbed"


def find_busy_worker(cluster, job):
    """A forked Python that has done more than its imports, with the executor that it belongs to."""
    for _ in range(2400):
        assert job.poll() is None, job.stdout.read()[-3000:]
        processes = {process.pid: process for process in cluster.processes()}
        for worker in processes.values():
            daemon = processes.get(worker.parent)
            if daemon is not None and PYTHON in worker.command and PYTHON in daemon.command and worker.cpu_s > 4:
                executor = processes[daemon.parent]
                assert EXECUTOR in executor.command
                return worker, executor
        time.sleep(0.1)
    raise AssertionError(f"no Python worker became busy; there are {processes}")


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_a_killed_process_costs_no_row(victim, submitter, cluster, start_extraction, undisturbed, place):
    n_launched, n_deaths = cluster.n_executors_launched(), cluster.executor_logs().count(WORKER_DIED)
    job = start_extraction(victim)
    try:
        worker, executor = find_busy_worker(cluster, job)
        os.kill({"worker": worker, "executor": executor}[victim].pid, signal.SIGKILL)
        submitter.finish(job)
    finally:
        submitter.end(job)
    check_same_features(place / victim, undisturbed)
    counts = json.loads((place / victim / "extract.json").read_text())["counts"]
    assert (counts["tracks"], counts["ok"]) == (N_CLIPS, N_CLIPS)
    # It happened while there was work: Spark saw it, and put another in its place.
    if victim == "executor":
        assert cluster.n_executors_launched() - n_launched == 3
    else:
        assert cluster.n_executors_launched() - n_launched == 2
        assert cluster.executor_logs().count(WORKER_DIED) > n_deaths
    wait_until_none_is_left(cluster)


def wait_until_none_is_left(cluster):
    for _ in range(300):
        left = cluster.processes()
        if not left:
            return
        time.sleep(0.1)
    raise AssertionError(f"the job is over, and still there are {left}")


def test_the_doctor_looks_at_the_cluster(submitter, clips, place):
    """From outside spark-submit, with the executors' own Python, and a prediction where it is told where to."""
    command = [sys.executable, "-m", "deepsound.cli", "doctor", *submitter.options]
    output = submitter.finish(submitter.run(*command, "--input", str(clips), "--scratch", str(place)))
    lines = {line.split()[1]: line for line in output.splitlines() if line.startswith(("ok ", "warn ", "fail "))}
    assert not [line for line in lines.values() if line.startswith("fail")]
    assert f"{submitter.cluster.url}, 2 tasks at a time" in lines["spark"]
    assert "/environment/bin/python" in lines["executor"]
    assert "/environment/lib/" in lines["executor.code"]
    assert "driver's versions of all" in lines["executor.libraries"]
    assert f"{N_CLIPS} files" in lines["input"]
    assert lines["trial"].startswith("ok")
    assert f"prediction for {N_CLIPS} files" in output
    assert not list(place.glob("deepsound-doctor-*"))
