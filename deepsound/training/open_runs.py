"""The runs that this process has open in MLflow, so that somebody closes them if it is killed.

Each is a file in the user's cache folder, held for as long as the run is open. One that is not held is of a
process that has died; the next job of the same user on the same machine closes its run.
"""

import contextlib
import os
import pathlib
import socket

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from deepsound.credentials import hide_credentials
from deepsound.errors import OutputError
from deepsound.networks.cache import cache_folder
from deepsound.training import held_file
from deepsound.training.mlflow_store import absolute_uri, short_patience, sqlite_path

_held: dict[str, int] = {}


def hold(run_id: str) -> None:
    """Note that a run of the current store is open, if the cache can be written to."""
    with contextlib.suppress(OSError, OutputError):
        path = _folder() / run_id
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = held_file.hold(path, wait=False)
        _held[run_id] = descriptor
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{socket.gethostname()} {_store()}".encode())


def release(run_id: str) -> None:
    """Forget a run, as it is closed."""
    descriptor = _held.pop(run_id, None)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            (_folder() / run_id).unlink()
        os.close(descriptor)


def close_abandoned() -> list[str]:
    """Close as killed the runs of the current store that dead processes have left open; their ids.

    What cannot be closed now is left to the next job.
    """
    closed, machine = [], socket.gethostname()
    kept: list[pathlib.Path] = []
    with contextlib.suppress(OutputError):  # without a home folder nothing is noted
        kept = sorted(_folder().glob("*"))
    for path in kept:
        # Held by a process that lives, or just closed by another one.
        with contextlib.suppress(OSError, MlflowException), held_file.holding(path, wait=False):
            host, _, store = path.read_text(encoding="utf-8").partition(" ")
            if (host, store) == (machine, _store()):
                _close(path.name)
                closed.append(path.name)
            if path.name in closed or (host in ("", machine) and _is_gone(store)):
                path.unlink()
    return closed


def _close(run_id: str) -> None:
    client = MlflowClient()
    with short_patience():
        try:
            info = client.get_run(run_id).info
        except MlflowException as exc:
            if exc.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return
        if (info.status, info.lifecycle_stage) == ("RUNNING", LifecycleStage.ACTIVE):
            client.set_terminated(run_id, "KILLED")


def _folder() -> pathlib.Path:
    return cache_folder() / "open_runs"


def _store() -> str:
    """The current store; runs of others are left alone."""
    return hide_credentials(absolute_uri(str(mlflow.get_tracking_uri()))).rstrip("/")


def _is_gone(store: str) -> bool:
    """Whether a store, as the file of a run names it, no longer exists."""
    path = sqlite_path(store)
    return not store or (path is not None and not path.exists())
