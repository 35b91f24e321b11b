"""What is registered, without MLflow where that is possible; its own sqlite store is in test_tracking.py."""

import pytest

from deepsound.cli import main
from deepsound.errors import BundleError, TrackingError
from deepsound.training import known_models
from deepsound.training.known_models import KnownModel, check_model, find_models
from tests.tracking_servers import serve

SEARCH = "registered-models/search"
PAGE = {
    "registered_models": [
        {
            "name": "deepsound-toy",
            "latest_versions": [{"name": "deepsound-toy", "version": "12"}],
            "aliases": [{"alias": "champion", "version": "7"}],
        },
        {"name": "bare"},
    ]
}
FOUND = {
    "bare": KnownModel(name="bare", newest=None, aliases={}),
    "deepsound-toy": KnownModel(name="deepsound-toy", newest=12, aliases={"champion": 7}),
}


def test_a_server_is_asked_once(monkeypatch):
    with serve({SEARCH: (200, PAGE)}) as (address, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        monkeypatch.setattr(known_models, "_ask_mlflow", lambda _: pytest.fail("no need of MLflow"))
        assert find_models() == FOUND
        assert asked == [f"GET {SEARCH}"]
        with pytest.raises(TrackingError, match=r"no alias 'champ'; deepsound-toy has champion \(version 7\)"):
            check_model("models:/deepsound-toy@champ")


@pytest.mark.parametrize("answer", [(401, {}), (200, {"registered_models": [{"names": 1}]}), (200, ["x"])])
def test_a_server_that_answers_otherwise_is_asked_through_mlflow(answer, monkeypatch):
    with serve({SEARCH: answer}) as (address, _):
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://{address}")
        monkeypatch.setattr(known_models, "_ask_mlflow", lambda uri: [FOUND["bare"]] if address in uri else [])
        assert find_models() == {"bare": FOUND["bare"]}


def test_a_list_makes_no_store(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["models"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "no model is registered yet. MLFLOW_TRACKING_URI is not set, so sqlite:///mlflow.db"
    )
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_none_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "x.db").write_text("no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'x.db'}")
    with pytest.raises(TrackingError, match="cannot be used: file is not a database"):
        find_models()


def test_folders_and_runs_are_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(known_models, "find_models", lambda: pytest.fail("nothing to look up"))
    check_model(str(tmp_path))
    check_model("runs:/0a/model")
    with pytest.raises(BundleError, match="there is no model at 'nowhere'"):
        check_model("nowhere")
