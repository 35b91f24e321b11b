"""Runs in MLflow, the store and the registry: how they end, what they refuse, what is not told to them."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import mlflow
import pytest
import sqlalchemy
from mlflow import MlflowClient

from deepsound.cli import main
from deepsound.errors import TerminatedError, TrackingError
from deepsound.training import held_file, known_models, mlflow_store, open_runs, registry, tracking, trial_runs
from deepsound.training.known_models import KnownModel, find_models
from deepsound.training.mlflow_store import open_store
from deepsound.training.registry import RegisteredModel
from deepsound.training.run_log import LiveCurves
from tests.tracking_servers import serve

SECRET = "hush-hush"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    former = mlflow.get_tracking_uri()
    yield tmp_path / "cache" / "open_runs"
    mlflow.set_tracking_uri(former)


@pytest.fixture
def store(folder, monkeypatch):
    """One for all tests of this file, because the making of one takes seconds."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    return open_store()


def status_of(run_id):
    return mlflow.get_run(run_id).info.status


def n_runs():
    return len(mlflow.search_runs(experiment_names=["deepsound"], output_format="list"))


def start(name="a run", **settings):
    return tracking.start_run(name, tags={}, settings=settings)


def die(run_id):
    """What the system does for a process that is killed."""
    os.close(open_runs._held.pop(run_id))


# ---- how a run ends


@pytest.mark.parametrize(
    ("end", "status"), [(None, "FINISHED"), (ValueError(), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_a_run_ends_as_its_block_does(store, cache, end, status):  # noqa: ARG001
    ids = []

    def work():
        with start() as run_id:
            ids.append(run_id)
            assert [path.name for path in cache.iterdir()] == [run_id]
            if end is not None:
                raise end

    if end is None:
        work()
    else:
        with pytest.raises(type(end)):
            work()
    assert status_of(ids[0]) == status
    assert not list(cache.iterdir())


def test_a_terminated_run_is_killed(store):  # noqa: ARG001
    with pytest.raises(TerminatedError), start() as run_id:
        os.kill(os.getpid(), signal.SIGTERM)
    assert status_of(run_id) == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_run_of_a_dead_process_is_closed_by_the_next_job_and_that_of_a_living_one_is_not(store, cache):  # noqa: ARG001
    client, experiment = MlflowClient(), mlflow.get_experiment_by_name("deepsound").experiment_id
    dead, alive, deleted = (client.create_run(experiment).info.run_id for _ in range(3))
    for run_id in (dead, alive, deleted, "0" * 32):
        open_runs.hold(run_id)
    client.delete_run(deleted)
    for run_id in (dead, deleted, "0" * 32):
        die(run_id)
    with start() as run_id:
        assert [status_of(one) for one in (dead, alive, run_id)] == ["KILLED", "RUNNING", "RUNNING"]
    assert [path.name for path in cache.iterdir()] == [alive]
    open_runs.release(alive)


def test_runs_of_other_stores_and_machines_are_left_to_them(store, cache, tmp_path):  # noqa: ARG001
    cache.mkdir(parents=True)
    (tmp_path / "there").touch()
    here = socket.gethostname()
    kept = {
        "a": f"{here} http://elsewhere:5000",
        "b": f"another {mlflow.get_tracking_uri()}",
        "c": f"{here} sqlite:///{tmp_path / 'there'}",
        "d": "another sqlite:////no/such/store",
    }
    gone = {"e": "", "f": f"{here} sqlite:////no/such/store"}
    for name, content in (kept | gone).items():
        (cache / name).write_text(content)
    assert open_runs.close_abandoned() == []
    assert {path.name for path in cache.iterdir()} == set(kept)


@pytest.mark.parametrize("cache_dir", ["/dev/null/cache", ""])
def test_a_run_without_a_cache_folder(store, monkeypatch, cache_dir):  # noqa: ARG001
    def has_none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", cache_dir)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pathlib.Path, "home", has_none)
    with start() as run_id:
        pass
    assert status_of(run_id) == "FINISHED"


# ---- what is refused


def test_a_run_that_is_active_already(store):  # noqa: ARG001
    with mlflow.start_run() as run:
        words = rf"run {run.info.run_id} is active .* mlflow\.end_run\(\)"
        with pytest.raises(TrackingError, match=words), start():
            pass
        assert mlflow.active_run().info.run_id == run.info.run_id


def test_a_run_of_another_experiment(store, monkeypatch):  # noqa: ARG001
    client = MlflowClient()
    other = client.create_run(client.create_experiment("another")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", other)
    with pytest.raises(TrackingError, match=f"a run of MLflow for a run cannot be used: .*{other}"), start():
        pass
    assert client.get_run(other).info.lifecycle_stage == "active"


def test_a_run_that_was_asked_for_is_not_deleted(store, monkeypatch):  # noqa: ARG001
    with start(seed=1) as run_id:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with pytest.raises(TrackingError, match="the parameters of this run cannot be used"), start(seed=2):
        pass
    assert mlflow.get_run(run_id).info.lifecycle_stage == "active"


def test_no_run_stays_where_its_files_cannot_be_written(store, monkeypatch):  # noqa: ARG001
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "/mlruns")

    before = n_runs()
    monkeypatch.setattr(mlflow, "log_dict", refuse)
    with pytest.raises(TrackingError, match=r"artifacts of this run cannot be used: .*Permission denied"), start():
        pytest.fail("it is known before any work")
    assert n_runs() == before
    assert mlflow.active_run() is None


def test_errors_of_any_library_below_are_the_stores_and_bugs_are_not():
    class ClientError(Exception):
        pass

    words = r"the store cannot be used: AccessDenied\. MLFLOW"
    with pytest.raises(TrackingError, match=words), mlflow_store.tracking_errors("the store"):
        raise ClientError("AccessDenied.")
    for bug in (TypeError(), KeyError(), AttributeError()):
        with pytest.raises(type(bug)), mlflow_store.tracking_errors("the store"):
            raise bug


@pytest.mark.parametrize(
    "uri", [f"postgresql://me:{SECRET}@127.0.0.1:9/mlflow", f"http://me:{SECRET}@127.0.0.1:9"]
)
def test_a_store_that_is_away_is_told_of_without_its_password(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match=r"the MLflow store [a-z]+://127\.0\.0\.1:9") as caught:
        open_store()
    assert SECRET not in str(caught.value)
    assert "me:" not in str(caught.value)


@pytest.mark.parametrize("refused", ["experiments/get-by-name", "runs/create", "registered-models/create"])
def test_what_a_server_does_not_allow_is_known_before_training(monkeypatch, refused):
    answers = {name: (200, {}) for name in ("registered-models/create", "registered-models/delete")}
    forbidden = (403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"})

    def prepare():
        open_store()
        registry.check_may_register("toy")
        with start():
            pytest.fail("it is known before any work")

    with serve({**answers, refused: forbidden}) as (address, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{SECRET}@{address}")
        with pytest.raises(TrackingError, match="Permission denied") as caught:
            prepare()
    assert SECRET not in str(caught.value)
    assert asked[-1].endswith(refused)


def test_a_database_that_fails_is_told_in_a_line(store, monkeypatch, capfd):
    with mlflow.start_run() as run:

        def fail(*_, **__):
            raise sqlalchemy.exc.OperationalError("INSERT", {}, OSError("database or disk is full"))

        monkeypatch.setattr(sqlalchemy.orm.Session, "flush", fail)
        with pytest.raises(TrackingError, match="disk is full"):
            tracking.log_metrics({"x": 1.0})
        monkeypatch.undo()
        mlflow.set_tracking_uri(store)
        assert run.info.run_id
    assert capfd.readouterr().err == ""


# ---- what is told


def test_credentials_are_not_logged(store, folder):  # noqa: ARG001
    address = f"https://me:{SECRET}@host/network"
    with start(f"score-{address}", network=address, nested={"input": [address]}) as run_id:
        tracking.set_tags({"model": address})
        tracking.log_params({"features_folder": address})
        tracking.describe_run(f"of {address}")
    run = mlflow.get_run(run_id)
    assert run.data.params["network"] == run.data.params["features_folder"] == "https://host/network"
    assert SECRET not in str(run.to_dictionary())
    artifacts = pathlib.Path(run.info.artifact_uri.removeprefix("file://"))
    assert json.loads((artifacts / "settings.json").read_text())["nested"] == {"input": ["https://host/network"]}


def test_a_link_to_a_run_has_no_password_in_it():
    run = {"run": {"info": {"run_id": "0" * 32, "experiment_id": "7"}}}
    with serve({"runs/get": (200, run)}) as (address, _):
        mlflow.set_tracking_uri(f"http://me:{SECRET}@{address}")
        assert tracking.url_of_run("0" * 32) == f"http://{address}/#/experiments/7/runs/{'0' * 32}"


def test_a_table_that_is_logged_again_is_the_same(store):  # noqa: ARG001
    with start() as run_id:
        for _ in range(2):
            tracking.log_rows([{"genre": "high", "f1": 0.5}, {"genre": "low", "f1": None}], "per_genre.json")
    table = mlflow.load_table("per_genre.json", run_ids=[run_id])
    assert table["genre"].tolist() == ["high", "low"]


def test_epochs_that_a_store_did_not_hear_of_are_kept(monkeypatch):
    logged, said, is_away = [], [], []

    def log(_, *, step):
        if is_away:
            raise TrackingError("the store is away")
        logged.append(step)

    monkeypatch.setattr(tracking, "log_metrics", log)
    curves = LiveCurves(said.append, max_epochs=9)
    for epoch in range(5):
        if epoch == 2:
            is_away.append(True)
        if epoch == 4:
            is_away.clear()
        curves.log(epoch, {"loss": 2, "val_loss": epoch, "val_accuracy": 0.5})
    figures = [{"epoch/loss": 2, "epoch/validation_loss": n, "epoch/validation_accuracy": 0.5} for n in (2, 3, 4)]
    assert (logged, curves.missing) == ([0, 1], list(enumerate(figures, start=2)))
    assert said == [
        "epoch 1/9: loss 2.000, validation loss 0.000, accuracy 0.50",
        "the store is away. The training goes on; the rest of its curves is logged at its end",
    ]


def test_parameters_are_what_decides_and_the_file_has_all(store):  # noqa: ARG001
    settings = {"seed": 0, "like": None, "genres": [], "cnn": {"depth": 2, "width": None}, "lstm": {"units": 8}}
    with tracking.start_run("a run", tags={}, settings=settings, idle=("lstm",)) as run_id:
        pass
    run = mlflow.get_run(run_id)
    assert run.data.params == {"seed": "0", "cnn.depth": "2"}
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/settings.json") == settings


# ---- the store


def test_runs_go_to_the_experiment_that_the_environment_names(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "covers")
    assert mlflow_store.find_experiment(store) is None
    open_store()
    with start() as run_id:
        pass
    experiment = mlflow.get_experiment_by_name("covers").experiment_id
    assert mlflow.get_run(run_id).info.experiment_id == experiment == trial_runs.experiment_id()
    assert mlflow_store.find_experiment(store) == experiment
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    assert open_store() == store
    assert trial_runs.experiment_id() != experiment


def test_a_store_is_made_by_one_process_at_a_time(monkeypatch, tmp_path):
    def set_experiment(_):
        with pytest.raises(BlockingIOError):
            held_file.hold(tmp_path, wait=False)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(mlflow, "set_experiment", set_experiment)
    monkeypatch.setattr(mlflow_store, "_describe_experiment", lambda _: None)
    open_store()
    os.close(held_file.hold(tmp_path, wait=False))
    assert not list(tmp_path.iterdir())


def test_a_store_is_made_in_silence(tmp_path):
    code = "from deepsound.training.mlflow_store import open_store; print(open_store())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("sqlite:///mlflow.db\n", "")


def test_a_look_makes_no_store(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(
        TrackingError, match=r"no model deepsound-mfcc in sqlite:///mlflow\.db: nothing is registered yet\. MLF"
    ):
        registry.load_bundle("models:/deepsound-mfcc@champion")
    assert not list(tmp_path.iterdir())


def test_what_could_have_been_meant_is_named(store):  # noqa: ARG001
    client = MlflowClient()
    client.create_registered_model("deepsound-named")
    for _ in range(2):
        client.create_model_version("deepsound-named", source="/nowhere")
    with pytest.raises(TrackingError, match=r"no alias 'champ'; deepsound-named has no alias; its newest"):
        registry.load_bundle("models:/deepsound-named@champ")
    client.set_registered_model_alias("deepsound-named", "champion", "2")
    with pytest.raises(TrackingError) as caught:
        registry.load_bundle("models:/deepsound-named@champ")
    assert str(caught.value).endswith("; deepsound-named has champion (version 2); its newest version is 2")
    assert ".." not in str(caught.value)
    with pytest.raises(TrackingError, match=r": registered are .*deepsound-named"):
        registry.load_bundle("models:/deepsound-unheard@champion")


def test_a_sqlite_store_is_read_as_mlflow_wrote_it(store, capsys):  # noqa: ARG001
    client = MlflowClient()
    client.create_registered_model("deepsound-listed")
    for _ in range(3):
        client.create_model_version("deepsound-listed", source="/nowhere")
    client.delete_model_version("deepsound-listed", "3")
    client.set_registered_model_alias("deepsound-listed", "champion", "1")
    found = find_models()
    assert found["deepsound-listed"] == KnownModel(name="deepsound-listed", newest=2, aliases={"champion": 1})
    asked = {model.name: model for model in known_models._ask_mlflow(mlflow.get_tracking_uri())}
    assert asked == found
    assert main(["models"]) == 0
    line = "models:/deepsound-listed@champion (version 1), newest models:/deepsound-listed/2"
    assert line in capsys.readouterr().out.splitlines()


# ---- the registry


def test_asking_whether_a_model_may_be_registered_leaves_nothing(store):  # noqa: ARG001
    client = MlflowClient()
    before = {model.name for model in client.search_registered_models()}
    registry.check_may_register("asked")
    assert {model.name for model in client.search_registered_models()} == before
    client.create_registered_model("deepsound-asked", description="mine")
    registry.check_may_register("asked")
    assert client.get_registered_model("deepsound-asked").description == "mine"


def test_nobody_is_promoted_over_a_champion_that_he_has_not_been_held_against(store):  # noqa: ARG001
    client = MlflowClient()
    client.create_registered_model("deepsound-contested")
    first, second, third = (
        RegisteredModel(name=name, version=str(client.create_model_version(name, source="/x").version))
        for name in ["deepsound-contested"] * 3
    )
    assert registry.promote(first, former=None)
    assert not registry.promote(second, former=None)
    assert registry.find_champion("contested") == first
    assert registry.promote(third, former=first)
    aliases = client.get_registered_model("deepsound-contested").aliases
    assert {name: str(version) for name, version in aliases.items()} == {"champion": "3", "previous": "1"}
