"""A search as a user runs it: nested runs, going on after a kill, test tracks left alone, refusals in one line."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import mlflow
import numpy as np
import pytest
import yaml

from deepsound.config import SearchSettings, TrainSettings
from deepsound.errors import ConfigError, SearchError
from deepsound.settings import read_settings
from deepsound.spark.search import SparkTrials
from deepsound.training import mlflow_store, tracking
from deepsound.training import search as search_module
from deepsound.training.search import search
from deepsound.training.study import make_pruner, recover
from deepsound.training.trial_runs import StudyRuns, open_mlflow_study
from deepsound.training.trials import load_search_data
from tests.jobs.refusals import expect_refusal

GENRES = ("high", "low", "noise")
SMALL = ["--set", "feature=toy", "--set", "epochs=2", "--set", "cnn.filters=[4]", "--set", "search.n_folds=2"]
SMALL += ["--set", "folds=0"]


def make_rows(*, poison=None):
    """Nine artists a genre, a split, and features that tell the genres apart; ``poison`` in the test tracks."""
    rng = np.random.default_rng(0)
    rows = []
    for genre in GENRES:
        for number in range(9):
            values = rng.normal(size=(2, 4, 3)) + 2 * GENRES.index(genre)
            split = ("test", "validation", "train")[min(number // 2, 2)]
            if split == "test" and poison is not None:
                values = np.full_like(values, poison)
            track_id = f"{genre}/{number}"
            rows.append(
                {"track_id": track_id, "genre": genre, "artist": track_id, "split": split, "values": values}
            )
    return rows


@pytest.fixture
def toy(write_features):
    load_search_data.cache_clear()
    return write_features(make_rows())


def children_of(run_id):
    query = f"tags.`mlflow.parentRunId` = '{run_id}'"
    runs = mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")
    return sorted(runs, key=lambda run: run.data.tags["mlflow.runName"])


def run_of(job_name, path):
    query = f"tags.`deepsound.job` = '{job_name}' and params.features_folder = '{path}'"
    return mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")


def running(job_name):
    query = f"tags.`deepsound.job` = '{job_name}' and attributes.status = 'RUNNING'"
    return mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")


def folds_of(run):
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "fold/accuracy")
    return [(point.step, point.value) for point in history]


def make_evaluator(accuracy, *, n_folds=3):
    """In place of training: folds of a known accuracy."""

    class Evaluator:
        def __init__(self, **_):
            pass

        def __call__(self, settings, report_fold):
            for number in range(n_folds):
                report_fold(number, accuracy(settings))

    return Evaluator


@pytest.fixture
def pretend(monkeypatch):
    def set_accuracy(accuracy):
        monkeypatch.setattr(search_module, "FoldEvaluator", make_evaluator(accuracy))

    return set_accuracy


def run_search(features, tmp_path, *, n_trials=3, report=lambda _: None, on_spark=None, **asked):
    storage = None if on_spark else str(tmp_path / "search.db")
    searching = SearchSettings(n_trials=n_trials, storage=storage, **asked)
    settings = TrainSettings(feature="toy", epochs=2, search=searching)
    return search(str(features), settings=settings, report=report, on_spark=on_spark)


# ---- the whole road


def test_the_best_settings_are_trained_with_and_everything_is_linked(
    job, toy, store, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "cache"))
    options = [*SMALL, "--set", "search.n_trials=3"]
    assert job("train")(["--features", str(toy), *options]) == 0
    said = capsys.readouterr().err
    assert "3 of 3 done" in said
    assert "trial 0: " in said
    assert "left" in said

    (trained,) = run_of("train", toy)
    found = mlflow.get_run(trained.data.tags["deepsound.search_run_id"])
    assert found.data.tags["deepsound.train_run_id"] == trained.info.run_id
    assert (found.info.status, found.data.tags["deepsound.job"]) == ("FINISHED", "search")
    children = children_of(found.info.run_id)
    assert [child.data.tags["mlflow.runName"] for child in children] == ["trial-000", "trial-001", "trial-002"]
    for child in children:
        assert {"cnn.kernel_size", "learning_rate"} <= set(child.data.params)
        assert "cnn.filters" not in child.data.params, "it is set, so it is kept"
        assert [step for step, _ in folds_of(child)] == [0, 1]
        assert child.data.metrics["folds/mean_accuracy"] == pytest.approx(
            np.mean([value for _, value in folds_of(child)])
        )
    best = max(children, key=lambda child: child.data.metrics["folds/mean_accuracy"])
    assert found.data.metrics["search/best_accuracy"] == best.data.metrics["folds/mean_accuracy"]
    for key in ("cnn.kernel_size", "batch_size", "cnn.dropout"):
        assert yaml.safe_load(trained.data.params[key]) == yaml.safe_load(best.data.params[key])
    assert trained.data.params["cnn.filters"] == "[4]"
    assert "test/accuracy" in trained.data.metrics

    assert not [path.name for path in pathlib.Path(store).iterdir() if path.name.endswith((".yaml", ".lock"))]
    assert not (pathlib.Path(store) / "search.db").exists()
    path = mlflow.artifacts.download_artifacts(run_id=found.info.run_id, artifact_path="best_settings.yaml")
    settings = read_settings(TrainSettings, section="train", path=path)
    assert (settings.search.n_trials, settings.cnn.filters, settings.epochs) == (0, (4,), 2)
    assert str(list(settings.cnn.kernel_size)) == best.data.params["cnn.kernel_size"]
    assert job("train")(["--features", str(toy), "--config", path]) == 0
    again = next(run for run in run_of("train", toy) if run.info.run_id != trained.info.run_id)
    assert again.data.metrics["test/accuracy"] == trained.data.metrics["test/accuracy"]

    assert job("train")(["--features", str(toy), *options]) == 0
    assert "3 of 3 trials are there already" in capsys.readouterr().err
    assert len(children_of(found.info.run_id)) == 3


@pytest.mark.parametrize("accuracy", [1 / 3, 0.2])
def test_a_search_that_found_nothing_is_not_used(toy, tmp_path, pretend, accuracy):
    pretend(lambda _: accuracy)
    lines = []
    outcome = run_search(toy, tmp_path, report=lines.append)
    assert not outcome.is_of_use
    assert outcome.settings == TrainSettings(feature="toy", epochs=2)
    assert lines[-1].startswith(
        "no trial is better than always naming the commonest genre, which 0.333 of the tracks have: the defaults"
    )


def test_a_search_of_use_begins_with_the_defaults(toy, tmp_path, pretend):
    pretend(lambda settings: 0.4 + (settings.cnn.dropout == 0.5) * 0.5)
    outcome = run_search(toy, tmp_path, n_trials=1)
    assert outcome.is_of_use
    resolved, default = outcome.settings.resolved(), TrainSettings(feature="toy", epochs=2).resolved()
    assert (resolved.cnn, resolved.learning_rate) == (default.cnn, default.learning_rate)


def test_the_test_tracks_are_never_seen(write_features, tmp_path):
    """Numbers that nothing survives, in all test tracks, and the search comes to the same."""
    seen = []
    for name, poison in (("clean", None), ("poisoned", 1e30)):
        features = write_features(make_rows(poison=poison), name=name)
        load_search_data.cache_clear()
        outcome = run_search(features, tmp_path / name, n_trials=1, n_folds=2)
        seen.append([folds_of(child) for child in children_of(outcome.run_id)])
        collection = load_search_data(str(features), settings=TrainSettings(feature="toy")).collection
        assert len(collection.tracks) == 3 * 7
        assert not {track.track_id for track in collection.tracks} & {f"{g}/{i}" for g in GENRES for i in (0, 1)}
        assert np.abs(collection.segments.values).max() < 100
    assert seen[0] == seen[1]


# ---- resuming

KILLED = """
import sys, time, pathlib
from deepsound.config import SearchSettings, TrainSettings
from deepsound.training import search as module
features, storage, marker = sys.argv[1:]
class Evaluator:
    n = 0
    def __init__(self, **_): pass
    def __call__(self, settings, report_fold):
        Evaluator.n += 1
        for fold in range(3):
            if Evaluator.n == 3 and fold == 1:
                pathlib.Path(marker).write_text("")
                time.sleep(600)
            report_fold(fold, 1 - settings.cnn.dropout)
module.FoldEvaluator = Evaluator
searching = SearchSettings(n_trials=5, storage=storage)
settings = TrainSettings(feature="toy", epochs=2, search=searching)
module.search(features, settings=settings, report=lambda _: None)
"""


def test_a_killed_search_goes_on(toy, tmp_path, pretend):
    marker = tmp_path / "marker"
    command = [sys.executable, "-c", KILLED, str(toy), str(tmp_path / "search.db"), str(marker)]
    root = pathlib.Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root)}) as process:
        deadline = time.monotonic() + 120
        while not marker.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert marker.exists()
        process.send_signal(signal.SIGKILL)

    (killed,) = running("search")
    assert [run.data.tags["mlflow.runName"] for run in running("trial")] == ["trial-002"]
    with tracking.start_run("another job", tags={}, settings={}):
        assert running("search") == running("trial") == []
        assert mlflow.get_run(killed.info.run_id).info.status == "KILLED"

    n_judged = []
    pretend(lambda settings: n_judged.append(settings) or 1 - settings.cnn.dropout)
    lines = []
    outcome = run_search(toy, tmp_path, n_trials=5, report=lines.append)
    assert "2 of 5 trials are there already; 1 that were killed are tried again" in lines
    assert len(n_judged) == 3 * 3
    children = children_of(outcome.run_id)
    states = [child.data.tags["deepsound.trial_state"] for child in children]
    assert states == ["complete", "complete", "killed", "complete", "complete", "complete"]
    assert children[2].info.status == "FAILED"
    assert children[3].data.params == children[2].data.params
    assert mlflow.get_run(outcome.run_id).info.status == "FINISHED"
    assert outcome.accuracy == max(
        child.data.metrics["folds/mean_accuracy"]
        for child in children
        if child.data.metrics.get("folds/mean_accuracy")
    )
    assert outcome.accuracy == pytest.approx(1 - outcome.settings.cnn.dropout)


def test_killed_before_it_could_note_anything():
    """Where the runs are the study, a trial is one before it has its values; the next attempt gets the same."""
    mlflow_store.open_store()
    study = open_mlflow_study("cut off", pruner=make_pruner())
    study.enqueue_trial({"x": 0.25})
    study.ask()
    assert recover(study, log=StudyRuns()) == 1
    (killed,) = [run for run in children_of(study._study_id) if run.info.status == "FAILED"]
    assert killed.data.tags["deepsound.trial_state"] == "killed"
    assert study.ask().suggest_float("x", 0, 1) == 0.25


# ---- several at a time


@pytest.mark.soak
def test_processes_on_this_machine(toy, tmp_path):
    lines = []
    outcome = run_search(toy, tmp_path, n_trials=2, n_folds=2, n_parallel=2, report=lines.append)
    children = children_of(outcome.run_id)
    assert [child.data.tags["deepsound.trial_state"] for child in children] == ["complete"] * 2, lines
    assert [len(folds_of(child)) for child in children] == [2, 2]


@pytest.mark.soak
def test_tasks_of_spark(spark, toy, tmp_path, monkeypatch):
    """The study is kept in MLflow; what is judged is made up, so that no task needs TensorFlow."""

    # Inside, so that it travels by value: the workers cannot import the tests.
    def make(**_):
        def evaluate(settings, report_fold):
            for number in range(2):
                if settings.cnn.dense_units == 64:
                    raise ValueError("64 is too many")
                report_fold(number, 1 - settings.cnn.dropout - 0.2 * number)

        return evaluate

    monkeypatch.setattr(search_module, "FoldEvaluator", make)
    monkeypatch.chdir(tmp_path)
    lines = []
    outcome = run_search(toy, tmp_path, n_trials=6, report=lines.append, on_spark=SparkTrials(spark))
    children = children_of(outcome.run_id)
    assert [line.partition(" of 6 done")[0].rpartition(" ")[2] for line in lines if line.startswith("trial")] == [
        str(n) for n in range(1, 7)
    ]
    for child in children:
        dropout = float(child.data.params["cnn.dropout"])
        if child.data.params["cnn.dense_units"] == "64":
            assert child.data.tags["deepsound.trial_reason"] == "ValueError: 64 is too many"
        else:
            assert [value for _, value in folds_of(child)] == pytest.approx([1 - dropout, 0.8 - dropout])
            assert child.data.metrics["folds/mean_accuracy"] == pytest.approx(0.9 - dropout)
    assert outcome.accuracy == max(child.data.metrics.get("accuracy", 0) for child in children)
    assert outcome.accuracy == pytest.approx(0.9 - outcome.settings.cnn.dropout)
    assert mlflow.get_run(outcome.run_id).data.metrics["search/best_accuracy"] == outcome.accuracy
    again = run_search(toy, tmp_path, n_trials=6, on_spark=SparkTrials(spark))
    assert (again.run_id, again.settings) == (outcome.run_id, outcome.settings)
    assert len(children_of(outcome.run_id)) == len(children) == 6


# ---- refusals


def test_no_search_without_trials(job, toy, monkeypatch):
    monkeypatch.setattr(search_module, "search", None)
    assert job("train")(["--features", str(toy), *SMALL, "--set", "search.n_trials=0"]) == 0


def test_all_trials_fail(toy, tmp_path, pretend):
    def fail(_):
        raise MemoryError("no room for the kernel")

    pretend(fail)
    with pytest.raises(SearchError, match=r"none of 5 trials .* MemoryError: no room for the kernel"):
        run_search(toy, tmp_path, n_trials=20)
    (run,) = mlflow.search_runs(
        experiment_names=["deepsound"],
        filter_string=f"tags.`deepsound.job` = 'search' and params.`search.storage` = '{tmp_path / 'search.db'}'",
        output_format="list",
    )
    assert run.info.status == "FAILED"
    reasons = {child.data.tags["deepsound.trial_reason"] for child in children_of(run.info.run_id)}
    assert reasons == {"MemoryError: no room for the kernel"}


def test_spark_keeps_trials_in_mlflow_and_nowhere_else(toy):
    settings = TrainSettings(feature="toy", search=SearchSettings(n_trials=2, n_parallel=2, storage="x.db"))
    with pytest.raises(ConfigError, match=r"'search\.storage' is set, but on Spark"):
        search(str(toy), settings=settings, report=print, on_spark=lambda *_, **__: None)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["search.n_trials=-1"], "config", ["search.n_trials", "at least 1, or 0"]),
        (["search.n_trials=2", "search.n_folds=40"], "split", ["fold"]),
        (["search.n_trials=2", "search.storage=/dev/null/search.db"], "search", ["/dev/null/search.db"]),
        (["search.n_trials=2", "architecture=lstm", "lstm.frames_per_step=9"], "config", ["works on a sequence"]),
    ],
)
def test_train_refuses_in_one_line(job, toy, capsys, options, code, words):
    overrides = [argument for option in options for argument in ("--set", option)]
    assert job("train")(["--features", str(toy), *SMALL, *overrides]) == 2
    expect_refusal(capsys, code, *words)


@pytest.mark.parametrize("n_parallel", [1, 2])
def test_an_unreachable_server_is_known_before_training(job, toy, capsys, monkeypatch, n_parallel):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    options = ["--set", "search.n_trials=2", "--set", f"search.n_parallel={n_parallel}"]
    assert job("train")(["--features", str(toy), *SMALL, *options]) == 2
    expect_refusal(capsys, "tracking", "http://127.0.0.1:9")
    assert mlflow.get_tracking_uri().startswith("sqlite:")
