"""A study of trials that survives being killed: where it is kept, what has become of it, what is still to do.

Works on any storage of Optuna's, so that a search on one machine and one on Spark follow the same rules. A trial
that was killed is marked failed and tried again; one is finished when it is complete, pruned or failed by itself.
"""

import contextlib
import fcntl
import pathlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from deepsound.config import SearchSettings
from deepsound.errors import SearchError, first_line
from deepsound.training.objective import ERROR, INTERRUPTED, RUN_ID, TrialLog

optuna.logging.set_verbosity(optuna.logging.ERROR)

RETRY_OF, ATTEMPT = "retry_of", "attempt"
# Settings that were running so often when the process died are taken to be what kills it.
_MAX_ATTEMPTS = 2
# So many failures without one success are no bad luck.
_MAX_FAILURES = 5
# Trials that are run to their end before any is pruned.
_N_UNPRUNED = 5


def make_sampler(*, seed: int, n_trials_before: int) -> optuna.samplers.BaseSampler:
    """Tree-structured Parzen estimator, Optuna's default; a search that goes on does not repeat its beginning.

    Source: J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011.
    """
    return optuna.samplers.TPESampler(seed=seed + n_trials_before, constant_liar=True)


def make_pruner() -> optuna.pruners.BasePruner:
    """Ends a trial whose mean over the folds so far is below the median of the others after as many folds."""
    return optuna.pruners.MedianPruner(n_startup_trials=_N_UNPRUNED)


@contextlib.contextmanager
def open_local_study(path: pathlib.Path, *, name: str, seed: int) -> Iterator[optuna.Study]:
    """The study of this name in a sqlite file, new or as it was left; nobody else may use the file meanwhile.

    Raises
    ------
    SearchError
        If the file is in use, cannot be written or is something else.
    """
    with _lock(path):
        try:
            url = f"sqlite:///{path.absolute()}"
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
            study = optuna.create_study(
                study_name=name, storage=storage, direction="maximize", load_if_exists=True, pruner=make_pruner()
            )
            study.sampler = make_sampler(seed=seed, n_trials_before=len(study.trials))
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as exc:
            raise SearchError(f"the search cannot be kept in {path}: {first_line(exc)}") from exc
        yield study


def recover(study: optuna.Study, *, log: TrialLog) -> int:
    """Mark trials failed that were running when their process died, and queue them again; how many."""
    # Public methods want a trial's number, which not every storage can look up.
    storage = study._storage
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        if RUN_ID in trial.user_attrs:
            log.end(trial.user_attrs[RUN_ID], "killed", accuracies=[])
        storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    trials = study.trials
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    n_queued = 0
    for trial in trials:
        attempt = int(trial.user_attrs.get(ATTEMPT, 1))
        if trial.user_attrs.get(INTERRUPTED) and trial.number not in retried and attempt < _MAX_ATTEMPTS:
            study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number, ATTEMPT: attempt + 1})
            n_queued += 1
    return n_queued


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a trial counts: it is complete, pruned, or failed other than by being killed."""
    if trial.state == TrialState.FAIL and trial.user_attrs.get(INTERRUPTED):
        return int(trial.user_attrs.get(ATTEMPT, 1)) >= _MAX_ATTEMPTS
    return bool(trial.state.is_finished())


def count_finished(trials: Sequence[FrozenTrial]) -> int:
    """How many trials count. While all have failed none does: what made them fail may have been mended."""
    if not any(trial.state == TrialState.COMPLETE for trial in trials):
        return 0
    return sum(is_finished(trial) for trial in trials)


def best_trial(trials: Sequence[FrozenTrial], *, n_before: int) -> FrozenTrial:
    """The complete trial with the highest value, the earliest of several.

    Parameters
    ----------
    n_before : int
        Trials that were there before this run of the search.

    Raises
    ------
    SearchError
        If no trial is complete: with the reason that the first of this run failed for.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if complete:
        return min(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
    reasons = [
        trial.user_attrs[ERROR] for trial in trials if ERROR in trial.user_attrs and trial.number >= n_before
    ]
    if not reasons:
        raise SearchError(
            "no trial was finished within search.timeout_s; give it more time, or fewer search.n_folds"
        )
    raise SearchError(f"none of {len(reasons)} trials gave a model; the first failed with {reasons[0]}")


def run_trials(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float],
    *,
    search: SearchSettings,
    report: Callable[[str], None],
) -> None:
    """Run trials in this process until ``search.n_trials`` are finished in all, or time is up."""
    n_before = count_finished(study.trials)
    progress = Progress(n_trials=search.n_trials, n_before=n_before)

    def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
        trials = study.get_trials(deepcopy=False)
        report(progress.describe(trial, trials))
        n_failed = sum(t.state == TrialState.FAIL for t in trials[-_MAX_FAILURES:])
        if n_failed >= _MAX_FAILURES and not count_finished(trials):
            study.stop()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.optimize(
            objective,
            n_trials=search.n_trials - n_before,
            timeout=search.timeout_s,
            n_jobs=search.n_parallel,
            catch=(Exception,),
            callbacks=[after_trial],
        )


class Progress:
    """How far a search is, in a line.

    Parameters
    ----------
    n_trials : int
        Of the whole search.
    n_before : int
        Finished before this run of it.
    """

    def __init__(self, *, n_trials: int, n_before: int) -> None:
        self._n_trials = n_trials
        self._n_before = n_before
        self._started = time.monotonic()

    def describe(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
        """One line about a trial that has just ended, the best so far and the time left."""
        n_finished = sum(is_finished(t) for t in trials)
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        best = best_trial(trials, n_before=0) if complete else None
        shown = f"best {best.value:.3f} (trial {best.number})" if best else "no model yet"
        line = f"trial {n_finished}/{self._n_trials}: {describe_trial(trial)}; {shown}"
        return line + self._describe_rest(n_finished)

    def _describe_rest(self, n_finished: int) -> str:
        n_done, n_left = n_finished - self._n_before, self._n_trials - n_finished
        if n_done < 1 or n_left < 1:
            return ""
        left_s = (time.monotonic() - self._started) / n_done * n_left
        return f"; about {left_s / 60:.0f} min left" if left_s >= 90 else f"; about {left_s:.0f} s left"


def describe_trial(trial: FrozenTrial) -> str:
    """What became of a trial, and its parameters."""
    parameters = " ".join(f"{key}={_shorten(value)}" for key, value in trial.params.items())
    if trial.state == TrialState.COMPLETE:
        return f"accuracy {trial.value:.3f} with {parameters}"
    if trial.state == TrialState.PRUNED:
        last = trial.intermediate_values[max(trial.intermediate_values)]
        return f"pruned at {last:.3f} after fold {len(trial.intermediate_values)} with {parameters}"
    return f"failed ({trial.user_attrs.get(ERROR, 'killed')}) with {parameters}"


def _shorten(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def _lock(path: pathlib.Path) -> Iterator[None]:
    """Hold a file beside ``path`` for this process; the system lets go of it however the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pathlib.Path(f"{path}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
    except BlockingIOError as exc:
        raise SearchError(
            f"another search is using {path}; wait for it, or give this one a file of its own with search.storage"
        ) from exc
    except OSError as exc:
        raise SearchError(f"the search cannot be kept in {path}: {exc.strerror or exc}") from exc
