"""A study of trials that survives being killed: where it is kept, what has become of it, what is still to do.

Works on any storage of Optuna's, so that a search on one machine and one on Spark follow the same rules. A trial
that was killed is marked failed and tried again; one is finished when it is complete, pruned or failed by itself.
"""

import contextlib
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import optuna
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from deepsound.config import SearchSettings
from deepsound.errors import SearchError, TrackingError, first_line
from deepsound.training.held_file import holding
from deepsound.training.objective import ERROR, INTERRUPTED, Objective, TrialLog
from deepsound.training.trial_outcomes import (
    ATTEMPT,
    MAX_ATTEMPTS,
    RETRY_OF,
    Progress,
    count_finished,
)

optuna.logging.set_verbosity(optuna.logging.ERROR)

# So many failures without one success are no bad luck.
_MAX_FAILURES = 5
# Trials that are run to their end before any is pruned.
_N_UNPRUNED = 5
_LOOK_EVERY_S = 5.0


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
    """The study of this name in a sqlite file, new or as it was left; no other process may use the file meanwhile.

    Raises SearchError if the file is in use, cannot be written or is something else.
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
        try:
            yield study
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.OptunaError) as exc:
            raise SearchError(f"the search can no longer be kept in {path}: {first_line(exc)}") from exc


def recover(study: optuna.Study, *, log: TrialLog) -> int:
    """Mark trials failed that were running when their process died, and queue them again; how many."""
    # Public methods want a trial's number, which not every storage can look up.
    storage = study._storage
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        run_id = log.run_of(trial)
        if run_id is not None:
            log.end(run_id, "killed", accuracies=[])
        storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    trials = study.trials
    retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    n_queued = 0
    for trial in trials:
        attempt = int(trial.user_attrs.get(ATTEMPT, 1))
        # By id: trials that begin at the same moment on Spark may have got the same number.
        if trial.user_attrs.get(INTERRUPTED) and trial._trial_id not in retried and attempt < MAX_ATTEMPTS:
            # One that was queued with its values may not have come to take them.
            values = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            study.enqueue_trial(values, user_attrs={RETRY_OF: trial._trial_id, ATTEMPT: attempt + 1})
            n_queued += 1
    return n_queued


def run_trials(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float],
    *,
    search: SearchSettings,
    report: Callable[[str], None],
) -> None:
    """Run trials in this process until ``search.n_trials`` are finished in all, or time is up.

    Raises TrackingError if MLflow is away: no trial runs unseen.
    """
    deadline = _deadline(search)
    progress = Progress(n_trials=search.n_trials, n_before=count_finished(study.trials))
    unheard: list[str] = []

    def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
        if trial.user_attrs.get(INTERRUPTED):
            unheard.append(trial.user_attrs[ERROR])
            study.stop()
            return
        trials = study.get_trials(deepcopy=False)
        report(progress.describe(trial, trials))
        if _is_hopeless(trials):
            study.stop()

    while (n_left := search.n_trials - count_finished(study.trials)) > 0 and time.monotonic() < deadline:
        study.optimize(
            objective,
            n_trials=n_left,
            timeout=None if search.timeout_s is None else deadline - time.monotonic(),
            n_jobs=search.n_parallel,
            catch=(Exception,),
            callbacks=[after_trial],
        )
        if unheard:
            raise TrackingError(f"{unheard[0]}. The search is kept: the same command goes on with it")
        if _is_hopeless(study.trials):
            return


class TrialRunner(Protocol):
    """Runs trials in other processes, which reach the study through its storage."""

    n_threads: int

    def __call__(
        self,
        objective: Objective,
        *,
        study: optuna.Study,
        n_trials: int,
        n_parallel: int,
        timeout_s: float | None,
    ) -> None:
        """Run so many trials and return when they have ended."""


def run_trials_elsewhere(
    study: optuna.Study,
    run: TrialRunner,
    objective: Objective,
    *,
    search: SearchSettings,
    report: Callable[[str], None],
    count_ended: Callable[[], int],
) -> None:
    """As :func:`run_trials`, by a runner. Trials that are lost with their process are run again.

    ``count_ended`` says how many trials have ended: a look that is cheap enough for every few seconds.
    """
    deadline = _deadline(search)
    progress = Progress(n_trials=search.n_trials, n_before=count_finished(study.trials))
    while (n_left := search.n_trials - count_finished(study.trials)) > 0 and time.monotonic() < deadline:
        trials = study.get_trials(deepcopy=False)
        n_queued = sum(trial.state == TrialState.WAITING for trial in trials)
        # One after the other, as two processes may take the same trial from the queue; and while none has
        # succeeded only a few, as all fail for one reason or none does.
        n_now = n_queued or (n_left if count_finished(trials) else min(n_left, _MAX_FAILURES))
        with _watch(study, progress, count_ended=count_ended, report=report):
            timeout_s = None if search.timeout_s is None else deadline - time.monotonic()
            run(
                objective,
                study=study,
                n_trials=n_now,
                n_parallel=1 if n_queued else search.n_parallel,
                timeout_s=timeout_s,
            )
        recover(study, log=objective.log)
        is_stuck = not n_queued and len(study.trials) == len(trials)
        if is_stuck or _is_hopeless(study.trials):
            return


def _deadline(search: SearchSettings) -> float:
    """On the monotonic clock."""
    return float("inf") if search.timeout_s is None else time.monotonic() + search.timeout_s


def _is_hopeless(trials: Sequence[FrozenTrial]) -> bool:
    """Whether the last few trials have all failed, and none has ever succeeded."""
    in_order = sorted(trials, key=lambda trial: trial.number)
    has_failed = [trial.state == TrialState.FAIL for trial in in_order if trial.state.is_finished()]
    return not count_finished(trials) and len(has_failed) >= _MAX_FAILURES and all(has_failed[-_MAX_FAILURES:])


@contextlib.contextmanager
def _watch(
    study: optuna.Study, progress: Progress, *, count_ended: Callable[[], int], report: Callable[[str], None]
) -> Iterator[None]:
    """Report trials as they end elsewhere."""
    told = {trial._trial_id for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    is_over = threading.Event()

    def look() -> None:
        trials = study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state.is_finished() and trial._trial_id not in told:
                told.add(trial._trial_id)
                report(progress.describe(trial, [t for t in trials if t._trial_id in told]))

    def keep_looking() -> None:
        n_ended = -1
        while not is_over.wait(_LOOK_EVERY_S):
            # A look that fails is no reason to end the search; the next may succeed.
            with contextlib.suppress(Exception):
                if (now := count_ended()) != n_ended:
                    n_ended = now
                    look()

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield
        is_over.set()
        thread.join()
        look()
    finally:
        is_over.set()


@contextlib.contextmanager
def _lock(path: pathlib.Path) -> Iterator[None]:
    """Hold a file beside ``path`` for this process; the system lets go of it however the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with holding(pathlib.Path(f"{path}.lock"), wait=False):
            yield
    except BlockingIOError as exc:
        raise SearchError(
            f"another search is using {path}; wait for it, or give this one a file of its own with search.storage"
        ) from exc
    except OSError as exc:
        raise SearchError(f"the search cannot be kept in {path}: {exc.strerror or exc}") from exc
