"""The MLflow store: which one, whether it can be used, and how its errors become ours.

It is opened once on the driver before any work starts, because the first use of a sqlite store creates its tables,
and so that an unreachable server is known before training, not after. A look-up opens none: it makes nothing.
MLflow is imported when it is needed, as that takes seconds.
"""

import contextlib
import importlib.util
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from deepsound.credentials import hide_credentials
from deepsound.errors import DeepsoundError, TrackingError
from deepsound.training.held_file import holding

_EXPERIMENT = "deepsound"
DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
_SQLITE = "sqlite:///"
# Tags by which the UI opens the experiment on its runs, and describes it.
_TOLD = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": """Genre models, and collections scored. The tag `deepsound.job` says what a run is:

- `train`: a model. `test/accuracy` (`_low`, `_high`) is of held-out tracks, `folds/accuracy` of all folds.
- `search`: a search for settings, its trials (`trial`) nested under it.
- `benchmark`: features, heads and splits in one table, its cells (`benchmark-cell`) nested under it.
- `score`: a collection, scored by the model among its inputs; `collection/accuracy` is of labelled tracks.

Each description begins with the headline; `scorecard.html` among the artifacts is the whole page.
""",
}
# Migrations are nothing that a user of the jobs could act on.
logging.getLogger("alembic").setLevel(logging.ERROR)
# Of a disk that is full it says in hundreds of lines what its error says in one.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def store_uri() -> str:
    """``MLFLOW_TRACKING_URI`` if set, else ``sqlite:///mlflow.db`` in the working directory."""
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI


def registry_uri() -> str:
    """``MLFLOW_REGISTRY_URI`` if set, else the tracking store, as MLflow has it."""
    return os.environ.get("MLFLOW_REGISTRY_URI") or store_uri()


def describe_choice() -> str:
    """Which store was asked for, for the end of a message."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return f"MLFLOW_TRACKING_URI is {uri or f'not set, so {DEFAULT_TRACKING_URI} is used'}"


def experiment_name() -> str:
    """``MLFLOW_EXPERIMENT_NAME`` if set, else ``deepsound``."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT


def open_store() -> str:
    """Choose and prepare the tracking store and its experiment; the store's URI.

    The registry is the same store unless ``MLFLOW_REGISTRY_URI`` says otherwise; MLflow sees to that itself, and
    setting it here would put it into the environment, where it would outlive this store.

    Raises TrackingError if the store cannot be reached, or is of a kind that MLflow 3 no longer takes.
    """
    import mlflow

    uri = store_uri()
    former = mlflow.get_tracking_uri()
    with tracking_errors(f"the MLflow store {uri}"), short_patience(), _alone(uri):
        try:
            mlflow.set_tracking_uri(uri)
            _describe_experiment(mlflow.set_experiment(experiment_name()))
        except BaseException:
            # MLflow keeps the last store of the process, and a refused one would be everybody's next.
            mlflow.set_tracking_uri(former)
            raise
    return uri


def look_into_store() -> None:
    """Choose the tracking store to look something up in; it is not made.

    Raises TrackingError if it cannot be reached, or is a file that is not there yet.
    """
    import mlflow

    uri = store_uri()
    with tracking_errors(f"the MLflow store {uri}"):
        if not _is_there(uri):
            raise FileNotFoundError("nothing has been logged there yet")
        find_experiment(uri)
        mlflow.set_tracking_uri(uri)


def find_experiment(uri: str) -> str | None:
    """The id of the experiment in a store that is there; None where it has none yet. Nothing is made in it.

    Raises TrackingError as :func:`open_store`.
    """
    import mlflow

    with tracking_errors(f"the MLflow store {uri}"), short_patience():
        experiment = mlflow.MlflowClient(tracking_uri=uri).get_experiment_by_name(experiment_name())
    return None if experiment is None else str(experiment.experiment_id)


def address_of_runs(*, root: str = "http://127.0.0.1:5000") -> str:
    """Where a browser finds the list of the runs: on the tracking server, else below ``root``, of ``make ui``.

    Raises TrackingError if the store cannot be reached.
    """
    uri = store_uri()
    found = find_experiment(uri) if is_server(uri) or _is_there(uri) else None
    root = hide_credentials(uri).rstrip("/") if is_server(uri) else root
    return root if found is None else f"{root}/#/experiments/{found}/runs?workflowType=machine_learning"


def describe_address() -> str:
    """Where the runs are to be seen, as the end of a line of a job."""
    return f"{'' if is_server(store_uri()) else 'make ui shows it on '}{address_of_runs()}"


def is_server(uri: str) -> bool:
    """Whether a store is one that other machines can log to."""
    return uri.startswith(("http://", "https://", "databricks"))


def sqlite_path(uri: str) -> pathlib.Path | None:
    """The file of a sqlite store; None for any other."""
    return pathlib.Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def absolute_uri(uri: str) -> str:
    """A store's URI, the same wherever one stands: a relative sqlite file is another one in each folder."""
    path = sqlite_path(uri)
    return uri if path is None else f"{_SQLITE}{path.absolute()}"


def _is_there(uri: str) -> bool:
    """Whether a store is no file that has yet to be made."""
    path = sqlite_path(uri)
    return path is None or (path.is_file() and path.stat().st_size > 0)


def _describe_experiment(experiment: Any) -> None:
    """Say in the UI what kinds of runs there are, unless somebody has said something else."""
    import mlflow

    for key, value in _TOLD.items():
        if key not in experiment.tags:
            # Whoever may log runs need not be allowed to describe their experiment.
            with contextlib.suppress(mlflow.MlflowException):
                mlflow.MlflowClient().set_experiment_tag(experiment.experiment_id, key, value)


@contextlib.contextmanager
def tracking_errors(what: str) -> Iterator[None]:
    """Turn whatever a store does not do into one line: MLflow's errors, its database's, its artifact storage's.

    Raises TrackingError: ``what`` cannot be used, and why.
    """
    try:
        yield
    except Exception as exc:
        # The libraries below MLflow are many, and their errors have no class in common. Python's own are bugs.
        is_bug = type(exc).__module__ == "builtins" and not isinstance(exc, OSError | ImportError | ValueError)
        if is_bug or isinstance(exc, DeepsoundError) or getattr(exc, "name", None) == "mlflow":
            raise
        detail = " ".join(str(exc).split())[:300].rstrip(". ") or type(exc).__name__
        raise TrackingError(hide_credentials(f"{what} cannot be used: {detail}. {describe_choice()}")) from exc


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """For as long as a sqlite store may be made: two processes that make its tables at once spoil both."""
    with contextlib.ExitStack() as stack:
        path = sqlite_path(uri)
        if path is not None:
            # The folder, so that no file is left behind; a file system without locks does without.
            with contextlib.suppress(OSError):
                stack.enter_context(holding(path.parent, wait=True))
        yield


@contextlib.contextmanager
def short_patience() -> Iterator[None]:
    """Wait seconds, not minutes, for a server that may not be there.

    MLflow's own patience, two minutes a request and seven retries, is for uploads. Whether there is a server
    at all shows within seconds.
    """
    with _environment({"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}):
        yield


@contextlib.contextmanager
def without_progress_bar() -> Iterator[None]:
    """Draw no bar over the files of a model."""
    with _environment({"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}):
        yield


def can_log_system_metrics() -> bool:
    """Whether MLflow can, as psutil is installed, and the user has not said whether it shall."""
    is_open = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING" not in os.environ
    return is_open and importlib.util.find_spec("psutil") is not None


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
