"""What the pages of MLflow tell of a run, a version and the experiment beside figures: where all came from."""

import importlib.util
import json

import mlflow
import pytest
from mlflow import MlflowClient

from deepsound.models.bundle import write_bundle
from deepsound.training import lineage, mlflow_store, registry, tracking
from deepsound.training.lineage import FeaturesDataset
from tests.tracking_servers import serve

SECRET = "hush-hush"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(autouse=True)
def store(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    former = mlflow.get_tracking_uri()
    yield mlflow_store.open_store()
    mlflow.set_tracking_uri(former)


def describe(track_ids=("a", "b"), source=f"https://me:{SECRET}@host/features"):
    identity = {"data": "d" * 64, "tracks": list(track_ids)}
    profile = {"n_tracks": len(track_ids)}
    return FeaturesDataset(source, name="covers", identity=identity, feature="toy", shape=(4, 3), profile=profile)


def test_a_run_names_its_data_by_digest_and_source_and_copies_none():
    with tracking.start_run("a run", tags={}, settings={}) as run_id:
        lineage.log_input(describe(), context="training")
        lineage.log_input(describe(["c"]), context="test")
    run = mlflow.get_run(run_id)
    inputs = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert set(inputs) == {"training", "test"}
    assert {one.name for one in inputs.values()} == {"covers"}
    assert json.loads(inputs["training"].source) == {"uri": "https://host/features"}
    assert json.loads(inputs["training"].profile) == {"n_tracks": 2}
    assert "toy" in inputs["training"].schema
    assert inputs["training"].digest == describe().digest != inputs["test"].digest
    assert [one.path for one in MlflowClient().list_artifacts(run_id)] == ["settings.json"]


def test_a_score_run_has_the_model_as_input(tiny_bundle, tmp_path):
    (tmp_path / "w.keras").write_bytes(b"weights")
    write_bundle(tiny_bundle, folder=tmp_path / "bundle", keras_weights=tmp_path / "w.keras")
    with tracking.start_run("training", tags={}, settings={}) as trained:
        model = registry.register(tmp_path / "bundle")
        registry.describe(model, f"of https://me:{SECRET}@host", tags={"deepsound.architecture": "cnn"})
    version = MlflowClient().get_model_version(model.name, model.version)
    assert version.description == "of https://host"
    assert version.tags == {"deepsound.architecture": "cnn"}
    with tracking.start_run("scoring", tags={}, settings={}) as scored:
        lineage.log_model_input(trained)
    (used,) = mlflow.get_run(scored).inputs.model_inputs
    assert mlflow.get_logged_model(used.model_id).source_run_id == trained
    with tracking.start_run("scoring", tags={}, settings={}) as scored:
        for unknown in (None, "0" * 32):
            lineage.log_model_input(unknown)
    assert not mlflow.get_run(scored).inputs.model_inputs


def test_the_experiment_tells_what_its_runs_are_unless_somebody_has_told_it():
    client = MlflowClient()
    experiment = mlflow.get_experiment_by_name("deepsound")
    assert "`collection/accuracy`" in experiment.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "mine")
    mlflow_store.open_store()
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.note.content"] == "mine"


def test_the_address_opens_on_the_runs(monkeypatch, tmp_path):
    number = mlflow.get_experiment_by_name("deepsound").experiment_id
    path = f"/#/experiments/{number}/runs?workflowType=machine_learning"
    assert mlflow_store.describe_address() == f"make ui shows it on http://127.0.0.1:5000{path}"
    assert mlflow_store.address_of_runs(root="http://127.0.0.1:7") == f"http://127.0.0.1:7{path}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    assert mlflow_store.address_of_runs() == "http://127.0.0.1:5000"
    assert not list(tmp_path.iterdir()), "to look is to make nothing"
    with serve() as (address, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@{address}")
        there = f"http://{address}/#/experiments/7/runs?workflowType=machine_learning"
        assert mlflow_store.describe_address() == there


@pytest.mark.parametrize(
    ("has_psutil", "said", "is_on"), [(True, None, True), (False, None, False), (True, "0", False)]
)
def test_the_system_is_measured_where_it_can_be_and_nobody_has_said_otherwise(
    monkeypatch, has_psutil, said, is_on
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if has_psutil else None)
    monkeypatch.delenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", raising=False)
    if said is not None:
        monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", said)
    assert mlflow_store.can_log_system_metrics() == is_on


def test_a_picture_is_shown_in_the_description():
    shown = tracking.picture("confusion_matrix.png", "0" * 32)
    assert shown == f"![](get-artifact?path=pictures/confusion_matrix.png&run_uuid={'0' * 32})"
