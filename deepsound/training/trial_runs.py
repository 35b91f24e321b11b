"""A search in MLflow: one run for it, and a nested run for each trial; and the way to a search's study there.

All goes by run id, so that any thread, or a task of Spark, may log. The names of states are those of MLflow's own
storage for Optuna: a pruned trial's run is ``KILLED``.
"""

import time

import mlflow
import numpy as np
import optuna
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.optuna.storage import MlflowStorage
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna.trial import FrozenTrial

import deepsound
from deepsound.credentials import hide_credentials
from deepsound.training import open_runs
from deepsound.training.mlflow_store import experiment_name, tracking_errors
from deepsound.training.objective import RUN_ID

_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "killed": "FAILED"}


class StudyRuns:
    """The runs that a study kept in MLflow makes by itself; a :class:`deepsound.training.objective.TrialLog`."""

    def start(self, trial: optuna.Trial) -> str:
        """The trial's own run."""
        run_id = str(trial._trial_id)
        client = MlflowClient()
        with tracking_errors(f"run {run_id}"):
            client.set_tag(run_id, "mlflow.runName", f"trial-{trial.number:03d}")
            client.set_tag(run_id, "deepsound.job", "trial")
        return run_id

    def run_of(self, trial: FrozenTrial) -> str | None:
        """The trial is a run from its first moment, before it can note anything."""
        return str(trial._trial_id)

    def fold(self, run_id: str, number: int, accuracy: float) -> None:
        """Log a fold's accuracy, as step ``number``."""
        with tracking_errors(f"run {run_id}"):
            MlflowClient().log_metric(run_id, "fold/accuracy", accuracy, step=number)

    def end(self, run_id: str, state: str, *, accuracies: list[float], reason: str = "") -> None:
        """Log what became of the trial, with figures as far as there are any; the study closes the run."""
        tags = {"deepsound.trial_state": state}
        if reason:
            tags["deepsound.trial_reason"] = hide_credentials(reason)
        figures = {}
        if accuracies:
            figures["folds/mean_accuracy"] = float(np.mean(accuracies))
        if len(accuracies) > 1:
            figures["folds/sd_accuracy"] = float(np.std(accuracies, ddof=1))
        now_ms = int(time.time() * 1000)
        with tracking_errors(f"run {run_id}"):
            MlflowClient().log_batch(
                run_id,
                metrics=[Metric(name, value, now_ms, 0) for name, value in figures.items()],
                tags=[RunTag(name, value) for name, value in tags.items()],
            )


class TrialRuns(StudyRuns):
    """The same as nested runs of a search whose study is kept elsewhere."""

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
        with tracking_errors(f"a run of MLflow for {name}"):
            run_id = str(client.create_run(experiment_id(), tags=tags, run_name=name).info.run_id)
            open_runs.hold(run_id)
            client.log_batch(run_id, params=[Param(key, str(value)) for key, value in trial.params.items()])
        return run_id

    def run_of(self, trial: FrozenTrial) -> str | None:
        """The run that the trial has noted."""
        return str(trial.user_attrs[RUN_ID]) if RUN_ID in trial.user_attrs else None

    def end(self, run_id: str, state: str, *, accuracies: list[float], reason: str = "") -> None:
        """Log what became of the trial and close the run."""
        super().end(run_id, state, accuracies=accuracies, reason=reason)
        with tracking_errors(f"run {run_id}"):
            MlflowClient().set_terminated(run_id, _STATUS[state])
        open_runs.release(run_id)


def open_mlflow_study(name: str, *, pruner: optuna.pruners.BasePruner) -> optuna.Study:
    """The study of this name whose trials are runs of this store, new or as it was left."""
    with tracking_errors(f"the study {name} in MLflow"):
        storage = MlflowStorage(experiment_id=experiment_id())
        if storage.get_study_id_by_name_if_exists(name):
            return optuna.load_study(study_name=name, storage=storage, pruner=pruner)
        return optuna.create_study(study_name=name, storage=storage, pruner=pruner, direction="maximize")


def experiment_id() -> str:
    """Of deepsound's experiment in the current store."""
    return str(mlflow.get_experiment_by_name(experiment_name()).experiment_id)


def count_ended(search_run_id: str) -> int:
    """How many trials of a search have ended, in one look."""
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{search_run_id}' and attributes.status != 'RUNNING'"
    return len(MlflowClient().search_runs([experiment_id()], filter_string=query, max_results=50_000))


def link_search(search_run_id: str, *, train_run_id: str) -> None:
    """Let the search and the training with its best settings know each other."""
    client = MlflowClient()
    with tracking_errors("the runs of the search and the training"):
        client.set_tag(search_run_id, "deepsound.train_run_id", train_run_id)
        client.set_tag(train_run_id, "deepsound.search_run_id", search_run_id)
