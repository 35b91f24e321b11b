"""A search as tasks of Spark with a real tracking server: the whole road, and after a kill."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import mlflow
import pytest

from deepsound.config import SearchSettings, TrainSettings
from deepsound.spark.search import SparkTrials
from deepsound.training import search as search_module
from deepsound.training.trials import load_search_data

pytestmark = pytest.mark.soak
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An ``mlflow server`` on loopback."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(str(pathlib.Path(sys.executable).parent / "mlflow"), "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)),
    ]
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(autouse=True)
def tracked(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)
    load_search_data.cache_clear()


def children_of(run_id):
    query = f"tags.`mlflow.parentRunId` = '{run_id}'"
    runs = mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")
    return sorted(runs, key=lambda run: run.info.start_time)


@pytest.fixture
def toy(write_features):
    from tests.jobs.test_search_job import make_rows

    return write_features(make_rows())


@pytest.mark.usefixtures("spark")
def test_two_tasks_train_four_trials(job, toy, capsys):
    options = {
        "feature": "toy",
        "epochs": 2,
        "search.n_folds": 2,
        "folds": 0,
        "search.n_trials": 4,
        "search.n_parallel": 2,
    }
    overrides = [argument for key, value in options.items() for argument in ("--set", f"{key}={value}")]
    assert job("train")(["--features", str(toy), *overrides]) == 0
    said = capsys.readouterr()
    assert "4 of 4 done" in said.err
    assert said.out == "models:/deepsound-toy/1\n"
    client = mlflow.MlflowClient()
    trained = client.get_run(client.get_model_version_by_alias("deepsound-toy", "champion").run_id)
    found = client.get_run(trained.data.tags["deepsound.search_run_id"])
    assert found.data.tags["deepsound.train_run_id"] == trained.info.run_id
    assert found.info.status == "FINISHED"
    children = children_of(found.info.run_id)
    assert [child.data.tags["deepsound.trial_state"] for child in children] == ["complete"] * 4
    assert {child.data.tags["mlflow.runName"] for child in children} == {f"trial-00{i}" for i in range(4)}
    for child in children:
        assert len(client.get_metric_history(child.info.run_id, "fold/accuracy")) == 2
        assert 0 <= child.data.metrics["folds/mean_accuracy"] <= 1
    assert found.data.metrics["search/best_accuracy"] == max(
        child.data.metrics["folds/mean_accuracy"] for child in children
    )
    path = mlflow.artifacts.download_artifacts(run_id=found.info.run_id, artifact_path="best_settings.yaml")
    assert "n_trials: 0" in pathlib.Path(path).read_text()


# What is judged is made up, inside, so that it travels by value; the third trial hangs.
KILLED = """
import os, sys, pathlib
from deepsound.config import SearchSettings, TrainSettings
from deepsound.spark.search import SparkTrials
from deepsound.spark.session import open_session
from deepsound.training import search as module
features, folder = sys.argv[1:]
def make(**_):
    def evaluate(settings, report_fold):
        import os, time
        number = len(os.listdir(folder))
        open(os.path.join(folder, f"{number}-{os.getpid()}"), "w").close()
        report_fold(0, 1 - settings.cnn.dropout)
        if number == 2: time.sleep(600)
        report_fold(1, 1 - settings.cnn.dropout)
    return evaluate
module.FoldEvaluator = make
settings = TrainSettings(feature="toy", search=SearchSettings(n_trials=5, n_parallel=2))
with open_session("killed") as spark:
    module.search(features, settings=settings, report=lambda _: None, on_spark=SparkTrials(spark))
"""


def test_a_killed_search_goes_on(spark, toy, tmp_path, monkeypatch):
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-c", KILLED, str(toy), str(marks)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, start_new_session=True) as process:
        deadline = time.monotonic() + 240
        while len(list(marks.iterdir())) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(list(marks.iterdir())) >= 3
        time.sleep(3)
        os.killpg(process.pid, signal.SIGKILL)

    def make(**_):
        def evaluate(settings, report_fold):
            for number in range(2):
                report_fold(number, 1 - settings.cnn.dropout)

        return evaluate

    monkeypatch.setattr(search_module, "FoldEvaluator", make)
    settings = TrainSettings(feature="toy", search=SearchSettings(n_trials=5, n_parallel=2))
    lines = []
    outcome = search_module.search(str(toy), settings=settings, report=lines.append, on_spark=SparkTrials(spark))
    assert any("that were killed are tried again" in line for line in lines)
    children = children_of(outcome.run_id)
    states = [child.data.tags["deepsound.trial_state"] for child in children]
    assert states.count("complete") == 5
    killed = [child for child in children if child.data.tags["deepsound.trial_state"] == "killed"]
    assert 1 <= len(killed) <= 2
    for child in killed:
        assert child.info.status == "FAILED"
        # One may have been killed before it had values.
        is_same = [child.data.params.items() <= other.data.params.items() for other in children]
        assert sum(is_same) == 2 or not child.data.params, "once more, the same"
    assert outcome.accuracy == pytest.approx(1 - outcome.settings.cnn.dropout)
