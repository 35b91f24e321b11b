"""The MLflow store: whether it could be used, without making anything in it."""

import contextlib
import importlib.util
import os
import pathlib
import sqlite3
import urllib.parse
from collections.abc import Iterator

from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.doctor.machine import try_writing
from deepsound.networks.source import is_reachable

_NAME = "mlflow"
_WAIT_S = 3.0
_ADVICE = "set MLFLOW_TRACKING_URI to a store that can be used, such as sqlite:////absolute/path/mlflow.db"
# Read by MLflow at each request; its own defaults keep trying for minutes.
_IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def check_store() -> Check:
    """The store that training and scoring would use.

    Raises
    ------
    TrackingError
        If MLflow refuses it.
    """
    if importlib.util.find_spec("mlflow") is None:
        advice = "pip install 'deepsound[train]' where models are trained or scored"
        return Check(
            status=WARN, name=_NAME, found="MLflow is not installed; extraction needs none", advice=advice
        )
    # MLflow takes seconds to import, and only this check needs it.
    from deepsound.training.mlflow_store import DEFAULT_TRACKING_URI, peek_at_store

    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    early = _check_file(uri) if uri.startswith("sqlite:///") else _check_host(uri)
    if early is not None:
        return early
    with _impatient():
        has_experiment = peek_at_store(uri)
    held = "with" if has_experiment else "still without"
    return Check(status=OK, name=_NAME, found=f"{uri}, {held} the experiment deepsound")


def _check_file(uri: str) -> Check | None:
    """The finding on a file that MLflow need not, or must not, be asked about; None for one of its own."""
    path = pathlib.Path(uri.removeprefix("sqlite:///"))
    if not path.exists():
        why = try_writing(path.parent)
        if why is None:
            return Check(status=OK, name=_NAME, found=f"{uri} is not there yet; the first training makes it")
        return Check(status=FAIL, name=_NAME, found=f"{uri} cannot be made: {why}", advice=_ADVICE)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            tables = {row[0] for row in database.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as exc:
        return Check(status=FAIL, name=_NAME, found=f"{uri} is no database: {exc}", advice=_ADVICE)
    if "experiments" in tables:
        return None
    # MLflow would add its tables to whatever it is shown.
    if tables:
        found = f"{uri} is a database of something else; MLflow would put its tables beside {sorted(tables)[0]}"
        return Check(status=WARN, name=_NAME, found=found, advice=_ADVICE)
    return Check(status=OK, name=_NAME, found=f"{uri} is empty; the first training fills it")


def _check_host(uri: str) -> Check | None:
    """A failure if the store's host does not answer; None if it does, or if there is none."""
    address = urllib.parse.urlsplit(uri)
    has_port = address.port is not None or address.scheme in ("http", "https")
    if not address.hostname or not has_port or is_reachable(uri, timeout_s=_WAIT_S):
        return None
    found = f"{address.hostname} does not answer within {_WAIT_S:g} s (MLFLOW_TRACKING_URI)"
    return Check(
        status=FAIL, name=_NAME, found=found, advice=f"start the server ('make ui' starts one), or {_ADVICE}"
    )


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _IMPATIENCE}
    os.environ.update(_IMPATIENCE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
