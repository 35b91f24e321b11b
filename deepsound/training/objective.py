"""The objective of a search: settings evaluated fold by fold, until the trial is done or pruned."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from deepsound.config import TrainSettings
from deepsound.config.space import Choice, Space, with_values
from deepsound.errors import DeepsoundError, TrackingError, first_line
from deepsound.training.trials import Evaluator

# What a trial keeps beside its values, under these names.
ERROR, INTERRUPTED, RUN_ID, FOLD_ACCURACIES = "error", "interrupted", "run_id", "fold_accuracies"


class TrialLog(Protocol):
    """Where a trial's course is kept for people to look at."""

    def start(self, trial: optuna.Trial) -> str:
        """Begin a run for a trial; its id."""

    def run_of(self, trial: FrozenTrial) -> str | None:
        """The run of a trial that was cut off; None where it had not come to have one."""

    def fold(self, run_id: str, number: int, accuracy: float) -> None:
        """One fold more."""

    def end(self, run_id: str, state: str, *, accuracies: list[float], reason: str = "") -> None:
        """``state`` is complete, pruned, failed or killed."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Mean accuracy over the folds of a trial's settings: what Optuna maximises.

    After each fold the mean so far is reported, by which a pruner may end the trial. The folds are the same for
    all trials. ``settings`` are as they were asked for, ``space`` is what a trial varies of them.
    """

    settings: TrainSettings
    space: Space
    evaluate: Evaluator
    log: TrialLog

    def __call__(self, trial: optuna.Trial) -> float:
        """Run a trial.

        Raises TrackingError if MLflow is away: no fault of the trial's, which is to be tried again.
        """
        try:
            return self._run(trial)
        except TrackingError as exc:
            trial.set_user_attr(INTERRUPTED, True)
            trial.set_user_attr(ERROR, str(exc))
            raise

    def _run(self, trial: optuna.Trial) -> float:
        values = suggest(trial, self.space)
        run_id = self.log.start(trial)
        trial.set_user_attr(RUN_ID, run_id)
        accuracies: list[float] = []

        def report_fold(number: int, accuracy: float) -> None:
            accuracies.append(accuracy)
            self.log.fold(run_id, number, accuracy)
            trial.set_user_attr(FOLD_ACCURACIES, accuracies)
            trial.report(float(np.mean(accuracies)), number)
            if trial.should_prune():
                raise optuna.TrialPruned(f"after fold {number + 1}")

        state, reason = "killed", ""
        try:
            self.evaluate(with_values(self.settings, values), report_fold)
            state = "complete"
        except optuna.TrialPruned as exc:
            state, reason = "pruned", str(exc)
            raise
        except TrackingError:
            raise
        except Exception as exc:
            kind = "" if isinstance(exc, DeepsoundError) else f"{type(exc).__name__}: "
            state, reason = "failed", kind + first_line(exc)
            trial.set_user_attr(ERROR, reason)
            raise
        except BaseException:
            trial.set_user_attr(INTERRUPTED, True)
            raise
        finally:
            self.log.end(run_id, state, accuracies=accuracies, reason=reason)
        return float(np.mean(accuracies))


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Values for every setting of the space, as the sampler likes."""
    values: dict[str, Any] = {}
    for key, dimension in space.items():
        if isinstance(dimension, Choice):
            # Storages keep text; lists would come back as something else.
            values[key] = json.loads(trial.suggest_categorical(key, [_encode(o) for o in dimension.options]))
        else:
            values[key] = trial.suggest_float(key, dimension.low, dimension.high, log=dimension.is_log)
    return values


def encode_values(values: Mapping[str, Any], space: Space) -> dict[str, Any] | None:
    """Values as a trial's parameters; None where they are no point of the space."""
    parameters: dict[str, Any] = {}
    for key, dimension in space.items():
        value = values[key]
        if isinstance(dimension, Choice):
            is_inside, value = value in dimension.options, _encode(value)
        else:
            is_inside = dimension.low <= value <= dimension.high
        if not is_inside:
            return None
        parameters[key] = value
    return parameters


def decode_values(parameters: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The inverse of :func:`encode_values`."""
    return {
        key: json.loads(parameters[key]) if isinstance(dimension, Choice) else parameters[key]
        for key, dimension in space.items()
    }


def _encode(option: Any) -> str:
    return json.dumps(option)
