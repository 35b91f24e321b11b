import contextlib
import socket
import sqlite3
from types import SimpleNamespace

import pytest

from deepsound.doctor import driver
from deepsound.doctor.check import FAIL, OK, WARN
from deepsound.errors import TrackingError


def look(monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return told(driver.check_store())


def told(check):
    status, found, advice = (*check, "")[:3]
    return SimpleNamespace(status=status, found=found, advice=advice)


def test_a_database_that_is_not_there_is_not_made(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    check = told(driver.check_store())
    assert (check.status, check.found) == (OK, "sqlite:///mlflow.db is not there yet; the first training makes it")
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    check = look(monkeypatch, f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    assert check.status == FAIL
    assert "cannot be made" in check.found
    assert "Not a directory" in check.found


def test_a_file_that_is_no_database(monkeypatch, tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be told from one " * 10)
    check = look(monkeypatch, f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert check.status == FAIL
    assert "is no database" in check.found


@pytest.mark.parametrize(("table", "status"), [("songs", WARN), (None, OK)])
def test_a_database_of_something_else_is_left_as_it_is(monkeypatch, tmp_path, table, status):
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"create table {table} (x)" if table else "vacuum")
    before = path.read_bytes()
    check = look(monkeypatch, f"sqlite:///{path}")
    assert check.status == status
    assert path.read_bytes() == before


def test_a_store_of_mlflow_with_and_without_our_experiment(monkeypatch, tmp_path):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.create_experiment("another")
    assert look(monkeypatch, uri).found == f"{uri}, still without the experiment deepsound"
    assert client.get_experiment_by_name("deepsound") is None
    client.create_experiment("deepsound")
    assert look(monkeypatch, uri).found == f"{uri}, with the experiment deepsound"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "covers")
    assert look(monkeypatch, uri).found == f"{uri}, still without the experiment covers"


def test_a_server_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(driver, "_WAIT_S", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        check = look(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert check.status == FAIL
    assert "does not answer within 0.2 s" in check.found
    assert "make ui" in check.advice


def test_a_server_that_is_not_mlflows_is_given_up_soon(monkeypatch):
    """It takes the connection and says nothing that MLflow understands."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(TrackingError, match="cannot be used"):
            look(monkeypatch, uri)


def test_a_store_of_a_kind_that_mlflow_does_not_know(monkeypatch):
    with pytest.raises(TrackingError, match="gopher"):
        look(monkeypatch, "gopher://store")


def test_without_mlflow(monkeypatch):
    monkeypatch.setattr(driver.importlib.util, "find_spec", lambda _: None)
    assert told(driver.check_store()).status == WARN
