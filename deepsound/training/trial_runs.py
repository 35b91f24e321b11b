"""A search in MLflow: one run for it, and a nested run for each trial; and the way to a search's study there.

All goes by run id, so that any thread, or a task of Spark, may log. The names of states are those of MLflow's own
storage for Optuna: a pruned trial's run is ``KILLED``.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import mlflow
import numpy as np
import optuna
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.optuna.storage import MlflowStorage
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import FrozenTrial

import deepsound
from deepsound.settings import flatten
from deepsound.training.objective import RUN_ID
from deepsound.training.tracking import EXPERIMENT

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "killed": "FAILED"}
_MAX_PARAM_CHARACTERS = 500


class TrialRuns:
    """Nested runs of a search; a :class:`deepsound.training.objective.TrialLog`."""

    def __init__(self, search_run_id: str) -> None:
        self._search_run_id = search_run_id

    def start(self, trial: optuna.Trial) -> str:
        """A run with the trial's parameters; its id."""
        client = MlflowClient()
        tags = {
            MLFLOW_PARENT_RUN_ID: self._search_run_id,
            "deepsound.version": deepsound.__version__,
            "deepsound.job": "trial",
        }
        name = f"trial-{trial.number:03d}"
        run_id = str(client.create_run(experiment_id(), tags=tags, run_name=name).info.run_id)
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in trial.params.items()])
        return run_id

    def run_of(self, trial: FrozenTrial) -> str | None:
        """The run that the trial has noted."""
        return str(trial.user_attrs[RUN_ID]) if RUN_ID in trial.user_attrs else None

    def fold(self, run_id: str, number: int, accuracy: float) -> None:
        """Log a fold's accuracy, as step ``number``."""
        MlflowClient().log_metric(run_id, "fold_accuracy", accuracy, step=number)

    def end(self, run_id: str, state: str, *, accuracies: list[float], reason: str = "") -> None:
        """Log the mean over the folds and close the run."""
        client = MlflowClient()
        log_end(client, run_id, state, accuracies=accuracies, reason=reason)
        client.set_terminated(run_id, _STATUS[state])


class StudyRuns:
    """The runs that a study kept in MLflow makes by itself; this adds what :class:`TrialRuns` has."""

    def start(self, trial: optuna.Trial) -> str:
        """The trial's own run."""
        run_id = str(trial._trial_id)
        client = MlflowClient()
        client.set_tag(run_id, "mlflow.runName", f"trial-{trial.number:03d}")
        client.set_tag(run_id, "deepsound.job", "trial")
        return run_id

    def run_of(self, trial: FrozenTrial) -> str | None:
        """The trial is a run from its first moment, before it can note anything."""
        return str(trial._trial_id)

    def fold(self, run_id: str, number: int, accuracy: float) -> None:
        """Log a fold's accuracy, as step ``number``."""
        MlflowClient().log_metric(run_id, "fold_accuracy", accuracy, step=number)

    def end(self, run_id: str, state: str, *, accuracies: list[float], reason: str = "") -> None:
        """Log the mean over the folds; the study closes the run."""
        log_end(MlflowClient(), run_id, state, accuracies=accuracies, reason=reason)


def log_end(client: MlflowClient, run_id: str, state: str, *, accuracies: list[float], reason: str) -> None:
    """What became of a trial: tags, and figures as far as there are any."""
    client.set_tag(run_id, "deepsound.trial_state", state)
    if reason:
        client.set_tag(run_id, "deepsound.trial_reason", reason)
    if accuracies:
        figures = {"accuracy": float(np.mean(accuracies)), "accuracy_sd": float(np.std(accuracies))}
        now_ms = int(time.time() * 1000)
        client.log_batch(run_id, metrics=[Metric(name, value, now_ms, 0) for name, value in figures.items()])


@contextlib.contextmanager
def open_search_run(
    name: str, *, run_id: str | None, tags: Mapping[str, str], settings: Mapping[str, Any]
) -> Iterator[str]:
    """The run of a search, new or gone on with; yields its id. Its block may log to it as to any current run.

    Parameters
    ----------
    run_id : str or None
        Of the search so far; passed over where this store does not know it.
    """
    known = run_id if run_id and _is_known(run_id) else None
    with mlflow.start_run(run_id=known, run_name=None if known else name) as run:
        mlflow.set_tags({"deepsound.version": deepsound.__version__, **tags})
        client = MlflowClient()
        logged = client.get_run(run.info.run_id).data.params
        flat = {key: str(value)[:_MAX_PARAM_CHARACTERS] for key, value in flatten(settings).items()}
        # A parameter cannot change; that of a search which goes on may have, n_trials for one.
        mlflow.log_params({key: value for key, value in flat.items() if key not in logged})
        mlflow.log_dict(dict(settings), "settings.json")
        yield str(run.info.run_id)


def open_mlflow_study(name: str, *, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """The study of this name whose trials are runs of this store, new or as it was left."""
    storage = MlflowStorage(experiment_id=experiment_id())
    if storage.get_study_id_by_name_if_exists(name):
        return optuna.load_study(study_name=name, storage=storage, pruner=pruner)
    return optuna.create_study(study_name=name, storage=storage, pruner=pruner, direction="maximize")


def experiment_id() -> str:
    """Of deepsound's experiment in the current store."""
    return str(mlflow.get_experiment_by_name(EXPERIMENT).experiment_id)


def count_ended(search_run_id: str) -> int:
    """How many trials of a search have ended, in one look."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{search_run_id}' and attributes.status != 'RUNNING'"
    return len(MlflowClient().search_runs([experiment_id()], filter_string=query, max_results=50_000))


def link_search(search_run_id: str, *, train_run_id: str) -> None:
    """Let the search and the training with its best settings know each other."""
    client = MlflowClient()
    client.set_tag(search_run_id, "deepsound.train_run_id", train_run_id)
    client.set_tag(train_run_id, "deepsound.search_run_id", search_run_id)


def _is_known(run_id: str) -> bool:
    try:
        return str(MlflowClient().get_run(run_id).info.lifecycle_stage) == "active"
    except MlflowException:
        return False
