"""What has become of a search's trials: which count, which is best, and how to say it."""

import time
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from deepsound.console import to_plain_number
from deepsound.errors import SearchError
from deepsound.training.objective import ERROR, INTERRUPTED

# What a trial that is tried again keeps, under these names.
RETRY_OF, ATTEMPT = "retry_of", "attempt"
# Settings that were running so often when the process died are taken to be what kills it.
MAX_ATTEMPTS = 2


def is_finished(trial: FrozenTrial) -> bool:
    """Whether a trial counts: it is complete, pruned, or failed other than by being killed."""
    if trial.state == TrialState.FAIL and trial.user_attrs.get(INTERRUPTED):
        return int(trial.user_attrs.get(ATTEMPT, 1)) >= MAX_ATTEMPTS
    return bool(trial.state.is_finished())


def count_finished(trials: Sequence[FrozenTrial]) -> int:
    """How many trials count. Failures before the first success do not: their cause may have been mended since."""
    first = min((trial.number for trial in trials if trial.state == TrialState.COMPLETE), default=None)
    if first is None:
        return 0
    counted = (trial for trial in trials if trial.state != TrialState.FAIL or trial.number > first)
    return sum(is_finished(trial) for trial in counted)


def best_trial(trials: Sequence[FrozenTrial], *, n_before: int) -> FrozenTrial:
    """The complete trial with the highest value, the earliest of several.

    Raises SearchError if none is complete, with the reason that the first failed for of this run of the search,
    which began after ``n_before`` trials.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if complete:
        return min(complete, key=lambda trial: (-(trial.value or 0.0), trial.number))
    reasons = [
        trial.user_attrs[ERROR] for trial in trials if ERROR in trial.user_attrs and trial.number >= n_before
    ]
    if not reasons:
        raise SearchError("no trial was finished in time; raise search.timeout_s, or lower search.n_folds")
    raise SearchError(f"none of {len(reasons)} trials gave a model; the first failed with {reasons[0]}")


class Progress:
    """How far a search of ``n_trials`` is, in a line; ``n_before`` were finished before this run of it."""

    def __init__(self, *, n_trials: int, n_before: int) -> None:
        self._n_trials = n_trials
        self._n_before = n_before
        self._started = time.monotonic()

    def describe(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> str:
        """One line about a trial that has just ended, the best so far and the time left."""
        n_finished = count_finished(trials)
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        best = best_trial(trials, n_before=0) if complete else None
        shown = f"best {best.value:.3f} (trial {best.number})" if best else "no model yet"
        done = f"{n_finished} of {self._n_trials} done"
        line = f"trial {trial.number}: {describe_trial(trial)}; {shown}; {done}"
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
    return to_plain_number(value, digits=3) if isinstance(value, float) else str(value)
