"""Trials of a search as tasks of Spark, through MLflow's study for it.

Every executor needs all that training needs, TensorFlow and MLflow included, and reaches the tracking server.
"""

from collections.abc import Callable
from typing import Any

import optuna
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from deepsound.errors import SearchError, first_line


class SparkTrials:
    """Runs trials of a study that is kept in MLflow; a :class:`deepsound.training.study.TrialRunner`."""

    def __init__(self, spark: SparkSession) -> None:
        self.n_threads = int(spark.conf.get("spark.task.cpus", "1") or 1)

    def __call__(
        self,
        objective: Callable[[optuna.Trial], float],
        *,
        study: optuna.Study,
        n_trials: int,
        n_parallel: int,
        timeout_s: float | None,
    ) -> None:
        """Run so many trials in ``n_parallel`` tasks, each of which takes one after the other.

        Raises
        ------
        SearchError
            If a task cannot even begin a trial.
        """
        from mlflow.exceptions import ExecutionException
        from mlflow.pyspark.optuna.study import MlflowSparkStudy

        runner: Any = MlflowSparkStudy(
            study.study_name, study._storage, sampler=study.sampler, pruner=study.pruner
        )
        try:
            runner.optimize(
                objective,
                n_trials=n_trials,
                timeout=timeout_s,
                n_jobs=min(n_parallel, n_trials),
                catch=(Exception,),
            )
        except (ExecutionException, PySparkException) as exc:
            reason = str(exc).strip().splitlines()[-1:] or [first_line(exc)]
            raise SearchError(f"Spark could not run the trials: {reason[0][:200]}") from exc
