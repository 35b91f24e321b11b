"""The runs that this process has open in MLflow, so that somebody closes them if it is killed.

Each is a file in the user's cache folder, held for as long as the run is open. One that nobody holds is of a process
that has died, whatever it died of; the next job of the same user on the same machine closes its run.
"""

import contextlib
import os
import pathlib
import socket

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from deepsound.credentials import hide_credentials
from deepsound.networks.cache import cache_folder
from deepsound.training import held_file
from deepsound.training.mlflow_manners import short_patience

_held: dict[str, int] = {}


def hold(run_id: str) -> None:
    """Keep in mind that a run of the current store is open. Where the cache cannot be written to, nobody does."""
    path = _folder() / run_id
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = held_file.hold(path, wait=False)
        _held[run_id] = descriptor
        os.ftruncate(descriptor, 0)
        os.write(descriptor, _here().encode())


def release(run_id: str) -> None:
    """Forget a run, as it is closed."""
    descriptor = _held.pop(run_id, None)
    if descriptor is not None:
        with contextlib.suppress(OSError):
            (_folder() / run_id).unlink()
        os.close(descriptor)


def close_abandoned() -> list[str]:
    """Close as killed the runs of the current store that dead processes have left open; their ids."""
    closed = []
    with contextlib.suppress(OSError):
        for path in sorted(_folder().glob("*")):
            # Held by a process that lives, or just closed by another one.
            with contextlib.suppress(OSError), held_file.holding(path, wait=False):
                content = path.read_text(encoding="utf-8")
                if content == _here():
                    _close(path.name)
                    closed.append(path.name)
                if content in ("", _here()):
                    path.unlink()
    return closed


def _close(run_id: str) -> None:
    client = MlflowClient()
    try:
        with short_patience():
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_terminated(run_id, "KILLED")
    except MlflowException as exc:
        # Gone, or deleted by somebody: no run is left to close.
        if exc.error_code not in (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), "INVALID_PARAMETER_VALUE"):
            raise


def _folder() -> pathlib.Path:
    return cache_folder() / "open_runs"


def _here() -> str:
    """This machine and the current store: where another one is in use, its runs are left alone."""
    uri = str(mlflow.get_tracking_uri())
    if uri.startswith("sqlite:///"):
        uri = f"sqlite:///{pathlib.Path(uri.removeprefix('sqlite:///')).absolute()}"
    return f"{socket.gethostname()} {hide_credentials(uri).rstrip('/')}"
