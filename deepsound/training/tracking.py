"""Runs in MLflow: how they begin and end, and what is logged to them.

Executors never log. A run ends with its block: as finished, failed, or, where it is interrupted or terminated,
killed. One whose process is killed outright is closed by the next job of the same user on the same machine.
"""

import contextlib
import json
import os
import pathlib
import signal
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from types import FrameType
from typing import Any, NoReturn

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS

import deepsound
from deepsound.credentials import hide_credentials, without_credentials
from deepsound.errors import TerminatedError, TrackingError
from deepsound.evaluation.render.chart_style import save_figure
from deepsound.settings import flatten
from deepsound.training import open_runs
from deepsound.training.mlflow_store import short_patience, tracking_errors, without_progress_bar

_MAX_PARAM_CHARACTERS = 500


@contextlib.contextmanager
def start_run(
    name: str,
    *,
    tags: Mapping[str, str],
    settings: Mapping[str, Any],
    idle: Collection[str] = (),
    has_system_metrics: bool = False,
) -> Iterator[str]:
    """A new run; yields its id. Its settings are logged first, so that a store which takes none is known at once.

    ``idle`` names settings, and sections of them, that decide nothing in this run: they are no parameters. Raises
    TrackingError if the store does not take the run, its parameters or its files; no run stays there then.
    """
    # MLflow goes on with a run that is named there, which is not ours to delete.
    is_new = "MLFLOW_RUN_ID" not in os.environ
    with open_run(name, tags=tags, has_system_metrics=has_system_metrics) as run_id:
        try:
            log_settings(settings, idle=idle)
        except TrackingError:
            if is_new:
                with contextlib.suppress(Exception), short_patience():
                    mlflow.MlflowClient().delete_run(run_id)
            raise
        yield run_id


@contextlib.contextmanager
def open_run(
    name: str,
    *,
    run_id: str | None = None,
    tags: Mapping[str, str],
    is_nested: bool = False,
    has_system_metrics: bool = False,
) -> Iterator[str]:
    """A run that is the current one for as long as the block, new or gone on with (``run_id``); yields its id.

    ``is_nested`` puts it under the current run. ``has_system_metrics`` logs processor, memory and disk as
    ``system/…``; otherwise MLflow's own setting holds. Raises TrackingError if the store does not take it, or
    another run is the current one already.
    """
    tags = without_credentials({"deepsound.version": deepsound.__version__, **tags})
    with tracking_errors(f"a run of MLflow for {name}"):
        open_runs.close_abandoned()
        if (active := mlflow.active_run()) is not None and not is_nested:
            raise ValueError(f"run {active.info.run_id} is active in this process; end it with mlflow.end_run()")
        run_name = None if run_id else hide_credentials(name)
        run = mlflow.start_run(
            run_id=run_id,
            run_name=run_name,
            tags=tags,
            nested=is_nested,
            log_system_metrics=True if has_system_metrics else None,
        )
        run_id = str(run.info.run_id)
        open_runs.hold(run_id)
    status = "FAILED"
    try:
        with _termination_raised():
            yield run_id
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        _close(run_id, status)


@contextlib.contextmanager
def resume_run(
    name: str,
    *,
    run_id: str | None,
    tags: Mapping[str, str],
    settings: Mapping[str, Any],
    idle: Collection[str] = (),
) -> Iterator[str]:
    """A run, gone on with where this store knows ``run_id``, else new; it has its settings; yields its id."""
    former = run_id if run_id and _is_known(run_id) else None
    with open_run(name, run_id=former, tags=tags) as open_id:
        # A parameter cannot change; that of a search which goes on may have, n_trials for one.
        with tracking_errors(f"run {open_id}"):
            known = mlflow.get_run(open_id).data.params
        log_settings(settings, idle=idle, known=known)
        yield open_id


def log_settings(
    settings: Mapping[str, Any], *, idle: Collection[str] = (), known: Mapping[str, Any] | None = None
) -> None:
    """Settings of the current run: whole as a file, and flat as parameters those that are set and not ``idle``.

    ``known`` are parameters that it has already: one cannot change.
    """
    plain = without_credentials(settings)
    active = flatten({key: value for key, value in plain.items() if key not in idle})
    log_params(
        {key: value for key, value in active.items() if value not in (None, []) and key not in (known or {})}
    )
    with tracking_errors("the artifacts of this run"):
        mlflow.log_dict(plain, "settings.json")


def log_metrics(metrics: Mapping[str, float], *, step: int | None = None, prefix: str = "") -> None:
    """Metrics of the current run, each name after ``prefix``."""
    with tracking_errors("the metrics of this run"):
        mlflow.log_metrics({f"{prefix}{name}": float(value) for name, value in metrics.items()}, step=step)


def log_params(params: Mapping[str, Any]) -> None:
    """Parameters of the current run."""
    flat = {key: hide_credentials(str(value))[:_MAX_PARAM_CHARACTERS] for key, value in params.items()}
    with tracking_errors("the parameters of this run"):
        mlflow.log_params(flat)


def log_figure(figure: Figure, name: str) -> None:
    """A picture, as PNG, of the current run; ``name`` may have a folder before it."""
    with tracking_errors("the artifacts of this run"), tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(save_figure(figure, kind="png"))
        mlflow.log_artifacts(folder)


def log_files(folder: pathlib.Path) -> None:
    """All files of a folder, as artifacts of the current run."""
    with tracking_errors("the artifacts of this run"), without_progress_bar():
        mlflow.log_artifacts(str(folder))


def log_rows(rows: list[dict[str, Any]], name: str) -> None:
    """A table of the current run, shown as a table by the UI; ``name`` ends in ``.json``."""
    # Not by mlflow.log_table, which adds to a table that is there: an upload may be done again.
    entry = {"path": name, "type": "table"}
    with tracking_errors("the artifacts of this run"):
        mlflow.log_text(pd.DataFrame(rows).to_json(orient="split", index=False), name)
        run = mlflow.active_run()
        tags = {} if run is None else mlflow.get_run(run.info.run_id).data.tags
        tables = json.loads(tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        if entry not in tables:
            mlflow.set_tag(MLFLOW_LOGGED_ARTIFACTS, json.dumps([*tables, entry]))


def log_text(text: str, name: str) -> None:
    """A text file of the current run."""
    with tracking_errors("the artifacts of this run"):
        mlflow.log_text(text, name)


def set_tags(tags: Mapping[str, str]) -> None:
    """Tags of the current run, beside those that it was started with."""
    with tracking_errors("the tags of this run"):
        mlflow.set_tags(without_credentials(tags))


def describe_run(markdown: str) -> None:
    """What a reviewer reads first: the description of the current run."""
    set_tags({"mlflow.note.content": markdown})


def picture(name: str, run_id: str) -> str:
    """Markdown that shows a picture of ``pictures/`` in a run's description."""
    return f"![](get-artifact?path=pictures/{name}&run_uuid={run_id})"


def link_to_run(run_id: str | None) -> str:
    """Markdown that leads to the run which trained a model, as far as this store knows it."""
    if run_id is None:
        return "trained outside MLflow"
    experiment_id = _experiment_of(run_id)
    if experiment_id is None:
        return f"trained by run {run_id} of another store"
    return f"trained by [run {run_id}](#/experiments/{experiment_id}/runs/{run_id})"


def url_of_run(run_id: str | None) -> str | None:
    """Address of a run in the UI of a tracking server; None where the store is a file or does not know it."""
    store = hide_credentials(str(mlflow.get_tracking_uri()))
    if run_id is None or not store.startswith(("http://", "https://")):
        return None
    experiment_id = _experiment_of(run_id)
    return None if experiment_id is None else f"{store.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def _is_known(run_id: str) -> bool:
    try:
        return str(mlflow.get_run(run_id).info.lifecycle_stage) == "active"
    except MlflowException:
        return False


def _experiment_of(run_id: str) -> str | None:
    try:
        with tracking_errors(f"run {run_id}"), short_patience():
            return str(mlflow.get_run(run_id).info.experiment_id)
    except TrackingError:
        return None


def _close(run_id: str, status: str) -> None:
    """End the current run. One that ends by an error does so with that error, whatever the store says to it."""
    try:
        with tracking_errors(f"run {run_id}"), short_patience():
            mlflow.end_run(status)
    except TrackingError:
        if status == "FINISHED":
            raise
    else:
        open_runs.release(run_id)


@contextlib.contextmanager
def _termination_raised() -> Iterator[None]:
    """For as long as a block, SIGTERM raises, where it would have ended the process without a word."""
    is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not is_default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_terminated(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise TerminatedError("terminated by SIGTERM")
