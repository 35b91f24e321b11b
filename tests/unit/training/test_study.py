"""The rules of a study, with trials that are only made up: what counts, what is tried again, what is said."""

import contextlib
import fcntl
import itertools
import re
import sqlite3

import optuna
import pytest
import sqlalchemy.exc
from optuna.trial import TrialState

from deepsound.config import SearchSettings, TrainSettings
from deepsound.config.space import Choice, Range
from deepsound.errors import SearchError, TrackingError
from deepsound.training import study as study_module
from deepsound.training.objective import RUN_ID, Objective, decode_values, encode_values
from deepsound.training.study import (
    make_pruner,
    make_sampler,
    open_local_study,
    recover,
    run_trials,
    run_trials_elsewhere,
)
from deepsound.training.trial_outcomes import Progress, best_trial, count_finished

SPACE = {
    "cnn.kernel_size": Choice(([3, 3], [5, 0])),
    "cnn.dropout": Range(low=0.0, high=0.5),
    "learning_rate": Range(low=1e-4, high=1e-2, is_log=True),
}


class Log:
    """Remembers what it is told."""

    def __init__(self):
        self.folds, self.ends, self._numbers = [], {}, itertools.count()

    def start(self, trial):
        assert set(trial.params) == set(SPACE)
        return f"run {next(self._numbers)}"

    def run_of(self, trial):
        return trial.user_attrs.get(RUN_ID)

    def fold(self, run_id, number, accuracy):
        self.folds.append((run_id, number, accuracy))

    def end(self, run_id, state, *, accuracies, reason=""):
        self.ends[run_id] = (state, list(accuracies), reason)


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.db"


def three_folds(settings, report_fold):
    """Better with less dropout; the folds differ."""
    for number in range(3):
        report_fold(number, 0.9 - settings.cnn.dropout - 0.1 * number)


@contextlib.contextmanager
def open_study(path):
    """Kept in a file, or only in memory, which is faster where nothing is to be found again."""
    if path is None:
        sampler = make_sampler(seed=7, n_trials_before=0)
        yield optuna.create_study(direction="maximize", sampler=sampler, pruner=make_pruner())
    else:
        with open_local_study(path, name="s", seed=7) as study:
            yield study


def run(path, log, evaluate, n_trials, *, report=lambda _: None, **search):
    with open_study(path) as study:
        n_queued = recover(study, log=log)
        objective = Objective(settings=TrainSettings(), space=SPACE, evaluate=evaluate, log=log)
        run_trials(study, objective, search=SearchSettings(n_trials=n_trials, **search), report=report)
        return study.get_trials(), n_queued


# ---- one trial


def test_a_trial_is_worth_the_mean_over_its_folds(log):
    seen = []

    def evaluate(settings, report_fold):
        seen.append(settings)
        three_folds(settings, report_fold)

    (trial,), _ = run(None, log, evaluate, 1)
    (settings,) = seen
    assert trial.value == pytest.approx(0.8 - settings.cnn.dropout)
    assert decode_values(trial.params, SPACE) == {
        "cnn.kernel_size": list(settings.cnn.kernel_size),
        "cnn.dropout": settings.cnn.dropout,
        "learning_rate": settings.learning_rate,
    }
    assert trial.distributions["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    assert trial.distributions["cnn.dropout"] == optuna.distributions.FloatDistribution(0.0, 0.5)
    folds = [0.9 - settings.cnn.dropout - 0.1 * number for number in range(3)]
    assert log.folds == [("run 0", number, pytest.approx(folds[number])) for number in range(3)]
    assert log.ends == {"run 0": ("complete", pytest.approx(folds), "")}
    assert list(trial.intermediate_values.values()) == pytest.approx([folds[0], folds[0] - 0.05, trial.value])


def test_values_there_and_back():
    values = {"cnn.kernel_size": [5, 0], "cnn.dropout": 0.5, "learning_rate": 1e-3}
    assert decode_values(encode_values(values, SPACE), SPACE) == values
    assert encode_values({**values, "cnn.kernel_size": [7, 7]}, SPACE) is None
    assert encode_values({**values, "cnn.dropout": 0.6}, SPACE) is None


# ---- many


def test_the_search_finds_what_is_better(log):
    trials, _ = run(None, log, three_folds, 25)
    assert len(trials) == 25
    assert best_trial(trials, n_before=0).params["cnn.dropout"] < 0.1


def test_worse_than_the_median_is_pruned_after_its_first_fold(log):
    n_folds = []

    def evaluate(_, report_fold):
        number = len(n_folds)
        n_folds.append(0)
        for fold in range(3):
            n_folds[number] += 1
            report_fold(fold, 0.5 + 0.01 * number if number < 5 else [0.4, 0.9][number - 5])

    lines = []
    trials, _ = run(None, log, evaluate, 7, report=lines.append)
    assert n_folds == [3, 3, 3, 3, 3, 1, 3]
    assert [trial.state for trial in trials][5:] == [TrialState.PRUNED, TrialState.COMPLETE]
    assert log.ends["run 5"] == ("pruned", [0.4], "after fold 1")
    assert re.match(r"trial 5: pruned at 0\.400 after fold 1 with cnn\.kernel_size=.* best 0\.540", lines[5])
    assert "best 0.900 (trial 6)" in lines[6]


def test_going_on_repeats_nothing_and_ends_at_the_total(path, log):
    first, _ = run(path, log, three_folds, 4)
    more, n_queued = run(path, log, three_folds, 9)
    again, _ = run(path, log, three_folds, 9)
    assert n_queued == 0
    assert [trial.params for trial in more[:4]] == [trial.params for trial in first]
    assert len({trial.params["cnn.dropout"] for trial in more}) == len(more) == len(again) == 9


def test_the_same_seed_searches_the_same(path, tmp_path, log):
    one, _ = run(path, log, three_folds, 3)
    other, _ = run(tmp_path / "other.db", log, three_folds, 3)
    assert [trial.params for trial in one] == [trial.params for trial in other]


def test_no_new_trial_after_the_time_is_up(log):
    clock = itertools.count()

    def slow(settings, report_fold):
        next(clock)
        three_folds(settings, report_fold)

    trials, _ = run(None, log, slow, 1000, timeout_s=0.3)
    assert 1 <= len(trials) < 200


def test_several_at_a_time(log):
    import threading

    both_here = threading.Barrier(2, timeout=20)

    def evaluate(settings, report_fold):
        both_here.wait()
        three_folds(settings, report_fold)

    trials, _ = run(None, log, evaluate, 4, n_parallel=2)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4


# ---- failures


def test_a_failed_trial_counts_and_the_search_goes_on(log):
    calls = itertools.count()

    def evaluate(settings, report_fold):
        if next(calls) == 1:
            raise ValueError("out of luck\nsecond line")
        three_folds(settings, report_fold)

    lines = []
    trials, _ = run(None, log, evaluate, 3, report=lines.append)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert log.ends["run 1"] == ("failed", [], "ValueError: out of luck")
    assert lines[1].startswith("trial 1: failed (ValueError: out of luck)")
    assert count_finished(trials) == 3


def test_five_failures_and_no_success_end_the_search_with_the_first_reason(path, log):
    calls = itertools.count(1)

    def evaluate(*_):
        raise ValueError(f"reason {next(calls)}")

    trials, _ = run(path, log, evaluate, 40)
    assert len(trials) == 5
    with pytest.raises(
        SearchError, match="none of 5 trials gave a model; the first failed with ValueError: reason 1"
    ):
        best_trial(trials, n_before=0)


def test_after_the_cause_is_mended_failures_no_longer_count(path, log):
    def fail(*_):
        raise OSError("disk full")

    failed, _ = run(path, log, fail, 3)
    assert count_finished(failed) == 0
    trials, _ = run(path, log, three_folds, 3)
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 5 + [TrialState.COMPLETE] * 3
    assert count_finished(trials) == 3


def test_the_reason_is_of_this_run_of_the_search(path, log):
    def fail(reason):
        def evaluate(*_):
            raise OSError(reason)

        return evaluate

    before, _ = run(path, log, fail("yesterday"), 2)
    now, _ = run(path, log, fail("today"), 2)
    with pytest.raises(SearchError, match="today"):
        best_trial(now, n_before=len(before))


def test_nothing_finished_in_time():
    with pytest.raises(SearchError, match=r"no trial was finished in time; raise search\.timeout_s"):
        best_trial([], n_before=0)


# ---- killed


def interrupt(_, report_fold):
    report_fold(0, 0.5)
    raise KeyboardInterrupt


def test_an_interrupted_trial_is_tried_again_with_the_same_values(path, log):
    run(path, log, three_folds, 2)
    with pytest.raises(KeyboardInterrupt):
        run(path, log, interrupt, 4)
    assert log.ends["run 2"][0] == "killed"
    trials, n_queued = run(path, log, three_folds, 4)
    assert n_queued == 1
    assert [trial.state for trial in trials].count(TrialState.FAIL) == 1
    assert trials[3].params == trials[2].params
    assert count_finished(trials) == 4
    assert len(trials) == 5


def test_a_trial_that_was_running_when_its_process_died(path, log):
    with open_local_study(path, name="s", seed=7) as study:
        trial = study.ask()
        trial.suggest_float("cnn.dropout", 0.0, 0.5)
        trial.set_user_attr("run_id", "run of the dead")
        study.ask()
    trials, n_queued = run(path, log, three_folds, 2)
    assert n_queued == 2
    assert log.ends["run of the dead"][0] == "killed"
    assert [trial.state for trial in trials] == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 2
    assert trials[2].params["cnn.dropout"] == trials[0].params["cnn.dropout"]
    assert count_finished(trials) == 2


@pytest.mark.parametrize("when", ["fold", "end"])
def test_a_trial_of_which_mlflow_does_not_hear_ends_the_search_and_is_tried_again(path, log, monkeypatch, when):
    run(path, log, three_folds, 2)

    def refuse(*_, **__):
        raise TrackingError("the store is away")

    monkeypatch.setattr(log, when, refuse)
    with pytest.raises(TrackingError, match=r"is away\. The search is kept: the same command goes on"):
        run(path, log, three_folds, 5)
    monkeypatch.undo()
    trials, n_queued = run(path, log, three_folds, 5)
    assert n_queued == 1
    assert trials[3].params == trials[2].params
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == 5


def test_a_disk_that_is_full_is_told_of(path):
    full = sqlalchemy.exc.OperationalError("insert", {}, sqlite3.OperationalError("database or disk is full"))
    with (
        pytest.raises(SearchError, match=r"can no longer be kept in .*search\.db: .*database or disk is full"),
        open_local_study(path, name="s", seed=0),
    ):
        raise full


def test_what_kills_twice_is_not_tried_a_third_time(path, log):
    run(path, log, three_folds, 1)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(path, log, interrupt, 3)
    trials, n_queued = run(path, log, three_folds, 3)
    assert n_queued == 0
    assert trials[1].params == trials[2].params
    assert [trial.state for trial in trials[1:]] == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    assert count_finished(trials) == 3


# ---- the file


def test_one_search_at_a_time_uses_a_file(path):
    with (
        open_local_study(path, name="s", seed=0),
        pytest.raises(SearchError, match=r"another search is using .*search\.db; .*search\.storage"),
        open_local_study(path, name="other", seed=0),
    ):
        pass
    with open_local_study(path, name="other", seed=0):
        assert fcntl is not None


def test_a_file_that_is_something_else(path):
    path.write_bytes(b"ID3" + bytes(5000))
    with (
        pytest.raises(SearchError, match=r"cannot be kept in .*search\.db"),
        open_local_study(path, name="s", seed=0),
    ):
        pass
    assert path.read_bytes().startswith(b"ID3")


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(SearchError, match=r"cannot be kept in .*file/search\.db"),
        open_local_study(tmp_path / "file" / "search.db", name="s", seed=0),
    ):
        pass


# ---- elsewhere


class Elsewhere:
    """Runs trials as Spark would, and loses some with their process."""

    n_threads = 1

    def __init__(self, lose=()):
        self._lose, self.n_asked = list(lose), []

    def __call__(self, objective, *, study, n_trials, n_parallel, timeout_s):  # noqa: ARG002
        self.n_asked.append((n_trials, n_parallel))
        for _ in range(n_trials):
            if self._lose and self._lose.pop(0):
                study.ask()
            else:
                study.optimize(objective, n_trials=1, catch=(Exception,))


def run_elsewhere(log, runner, evaluate, n_trials, *, queued=None, **search):
    study = optuna.create_study(direction="maximize")
    if queued:
        study.enqueue_trial(queued)
    objective = Objective(settings=TrainSettings(), space=SPACE, evaluate=evaluate, log=log)
    lines = []
    run_trials_elsewhere(
        study,
        runner,
        objective,
        search=SearchSettings(n_trials=n_trials, **search),
        report=lines.append,
        count_ended=lambda: sum(trial.state.is_finished() for trial in study.trials),
    )
    return study.trials, lines


def test_trials_lost_elsewhere_are_run_again(log):
    """Two processes may take the same trial from the queue, so what is queued is run one after the other."""
    runner = Elsewhere(lose=[False, False, True, False, True])
    trials, lines = run_elsewhere(log, runner, three_folds, 8, queued={"cnn.dropout": 0.25}, n_parallel=3)
    assert runner.n_asked == [(1, 1), (7, 3), (2, 1)]
    assert trials[0].params["cnn.dropout"] == 0.25
    assert count_finished(trials) == 8
    assert len(trials) == 10
    assert [re.search("; ([0-9]+) of 8 done", line)[1] for line in lines] == [f"{n}" for n in range(1, 9)]


def test_failures_elsewhere_end_the_search_early(log):
    def fail(*_):
        raise ValueError("no")

    runner = Elsewhere()
    trials, _ = run_elsewhere(log, runner, fail, 40, n_parallel=7)
    assert runner.n_asked == [(5, 7)]
    assert len(trials) == 5


def test_trials_are_told_while_they_end_elsewhere(log, monkeypatch):
    monkeypatch.setattr(study_module, "_LOOK_EVERY_S", 0.01)
    told = []

    class Waiting(Elsewhere):
        def __call__(self, objective, *, n_trials, **asked):
            import time

            super().__call__(objective, n_trials=n_trials, **asked)
            deadline = time.monotonic() + 20
            while len(told) < n_trials and time.monotonic() < deadline:
                time.sleep(0.01)

    study = optuna.create_study(direction="maximize")
    run_trials_elsewhere(
        study,
        Waiting(),
        Objective(settings=TrainSettings(), space=SPACE, evaluate=three_folds, log=log),
        search=SearchSettings(n_trials=3),
        report=told.append,
        count_ended=lambda: len(study.trials),
    )
    assert len(told) == 3


# ---- the line


@pytest.mark.parametrize(
    ("passed_s", "shown"), [(30, "; about 70 s left"), (60, "; about 2 min left"), (600, "; about 23 min left")]
)
def test_time_left(monkeypatch, passed_s, shown):
    times = iter([100.0, 100.0 + passed_s])
    monkeypatch.setattr("deepsound.training.trial_outcomes.time.monotonic", lambda: next(times))
    progress = Progress(n_trials=12, n_before=2)
    trials = [optuna.trial.create_trial(value=0.1 * i) for i in range(5)]
    for number, trial in enumerate(trials):
        trial.number = number
    line = progress.describe(trials[2], trials)
    assert line.startswith("trial 2: accuracy 0.200 with ; best 0.400 (trial 4); 5 of 12 done")
    assert line.endswith(shown)
