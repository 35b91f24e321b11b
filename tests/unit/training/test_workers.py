"""Trials in processes of their own: what is said between them, and what becomes of the one when the other dies."""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from deepsound.config import HEADS, TrainSettings
from deepsound.errors import SearchError
from deepsound.settings import to_plain
from deepsound.training import worker as worker_module
from deepsound.training import workers
from deepsound.training.worker import serve
from deepsound.training.workers import WorkerPool

SETTINGS = TrainSettings(feature="toy", seed=5)
ROOT = pathlib.Path(__file__).resolve().parents[3]
# A worker that pretends: the seed tells what becomes of the trial.
PRETENDING = """
import os, time
from deepsound.training import worker
class Evaluator:
    def __init__(self, **kept):
        assert (kept["features"], kept["settings"].seed) == ("features", 5)
    def __call__(self, settings, report_fold):
        print("chatter of a library")
        for number in range(3):
            if settings.seed == 1: raise MemoryError("no room")
            if settings.seed == 2: os._exit(3)
            if settings.seed == 3: os.kill(os.getpid(), 2); time.sleep(60)
            if settings.seed == 4: time.sleep(600)
            report_fold(number, os.getpid())
worker.FoldEvaluator = Evaluator
worker.main()
"""


@pytest.fixture
def pool(tmp_path, monkeypatch):
    (tmp_path / "pretending.py").write_text(PRETENDING)
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, str(tmp_path / "pretending.py")))
    with WorkerPool("features", settings=SETTINGS, n_workers=2) as pool:
        yield pool


def judge(pool, seed=0, **settings):
    folds = []
    pool(
        TrainSettings(feature="toy", seed=seed, **settings),
        lambda number, accuracy: folds.append((number, accuracy)),
    )
    assert [number for number, _ in folds] == [0, 1, 2]
    (pid,) = {pid for _, pid in folds}
    return pid


@pytest.mark.usefixtures("forgotten_plugins")
def test_a_head_that_this_process_registered_is_known_there(pool, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "own_heads.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Own:\n"
        "    def build(self, x): return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    HEADS.register("own", "own_heads:Own")
    with WorkerPool("features", settings=SETTINGS, n_workers=1) as later:
        assert judge(later, architecture="own")
    with pytest.raises(SearchError, match="ended with exit code 1"):
        judge(pool, architecture="own")


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_processes_at_most_and_each_is_used_again(pool):
    assert judge(pool) != os.getpid()
    assert len({judge(pool) for _ in range(4)}) == 2


def test_a_failed_training_leaves_its_process_to_the_next(pool):
    first = {judge(pool), judge(pool)}
    for _ in range(2):
        with pytest.raises(SearchError, match="MemoryError: no room"):
            judge(pool, seed=1)
    assert {judge(pool), judge(pool)} == first


def test_a_process_that_ends_is_replaced(pool):
    first = {judge(pool), judge(pool)}
    for _ in range(2):
        with pytest.raises(SearchError, match="ended with exit code 3"):
            judge(pool, seed=2)
    assert not {judge(pool), judge(pool)} & first


def test_a_process_that_is_killed_is_replaced(pool):
    first = {judge(pool), judge(pool)}
    killing = threading.Timer(0.5, lambda: [os.kill(pid, signal.SIGKILL) for pid in first])
    killing.start()
    with pytest.raises(SearchError, match=r"ended by signal 9; was there too little memory\?"):
        judge(pool, seed=4)
    killing.join()
    with pytest.raises(SearchError, match="ended by signal 9"):
        judge(pool)
    assert not {judge(pool), judge(pool)} & first


def test_an_interrupt_in_the_process_is_one_here(pool):
    with pytest.raises(KeyboardInterrupt):
        judge(pool, seed=3)
    judge(pool)


def test_the_end_of_this_process_is_one_for_its_workers(tmp_path, monkeypatch):
    """Else the threads that wait for them would keep it: a trial of ten minutes is interrupted at once."""
    (tmp_path / "pretending.py").write_text(PRETENDING)
    monkeypatch.setattr(workers, "_COMMAND", (sys.executable, str(tmp_path / "pretending.py")))
    asked, ended = [], []

    def work(pool):
        try:
            judge(pool, seed=4)
        except BaseException as exc:
            ended.append(exc)

    former = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        with WorkerPool("features", settings=SETTINGS, n_workers=1) as pool:
            judge(pool)
            thread = threading.Thread(target=work, args=(pool,))
            thread.start()
            while pool._idle.qsize():
                time.sleep(0.01)
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)
            thread.join(timeout=20)
            assert not thread.is_alive()
        assert (asked, [type(exc) for exc in ended]) == ([True], [KeyboardInterrupt])
    finally:
        signal.signal(signal.SIGTERM, former)


def test_a_trial_that_is_stopped_leaves_its_process_to_the_next(pool):
    first, seen = {judge(pool), judge(pool)}, []

    def stop(number, accuracy):
        seen.append((number, accuracy))
        raise KeyError("pruned")

    for _ in range(2):
        with pytest.raises(KeyError, match="pruned"):
            pool(SETTINGS, stop)
    assert [number for number, _ in seen] == [0, 0]
    assert {pid for _, pid in seen} == first
    assert {judge(pool), judge(pool)} == first


def test_nothing_is_left_running(pool):
    pids = {judge(pool), judge(pool)}
    assert all(is_running(pid) for pid in pids)
    pool.__exit__(None, None, None)
    assert not any(is_running(pid) for pid in pids)


def test_the_real_process_says_what_is_wrong():
    with (
        WorkerPool("/nowhere/features", settings=SETTINGS, n_workers=1) as pool,
        pytest.raises(SearchError, match="InputError: the features folder /nowhere/features does not exist"),
    ):
        judge(pool)


def test_a_worker_ends_with_the_process_that_it_works_for(tmp_path):
    """However that dies: here it is killed in the middle of a trial that would take ten minutes."""
    (tmp_path / "pretending.py").write_text(PRETENDING)
    parent = f"""
import sys, threading
from deepsound.config import HEADS, TrainSettings
from deepsound.training import workers
workers._COMMAND = (sys.executable, {str(tmp_path / "pretending.py")!r})
pool = workers.WorkerPool("features", settings=TrainSettings(feature="toy", seed=5), n_workers=1)
run = lambda: pool(TrainSettings(feature="toy", seed=4), print)
threading.Thread(target=run, daemon=True).start()
while not pool._running: pass
print(next(iter(pool._running))._process.pid, flush=True)
threading.Event().wait()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, env=environment) as process:
        pid = int(process.stdout.readline())
        assert is_running(pid)
        process.kill()
    deadline = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def test_what_is_said(monkeypatch):
    class Evaluator:
        def __init__(self, *, features, settings, n_threads):
            assert (features, settings, n_threads) == ("f", SETTINGS, 2)

        def __call__(self, settings, report_fold):
            for number in range(2):
                report_fold(number, settings.seed / 10)
            if settings.seed == 9:
                raise ValueError("bad\nluck")

    monkeypatch.setattr(worker_module, "FoldEvaluator", Evaluator)
    trials = [to_plain(TrainSettings(seed=seed)) for seed in (7, 8, 9)]
    messages = [
        {"features": "f", "heads": {}, "settings": to_plain(SETTINGS), "n_threads": 2},
        *({"settings": trials[0]}, {"go_on": True}, {"go_on": True}),
        *({"settings": trials[1]}, {"go_on": False}),
        *({"settings": trials[2]}, {"go_on": True}, {"go_on": True}),
    ]
    output = io.StringIO()
    serve(iter(messages), output)
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        *({"fold": 0, "accuracy": 0.7}, {"fold": 1, "accuracy": 0.7}, {"end": "done"}),
        *({"fold": 0, "accuracy": 0.8}, {"end": "stopped"}),
        *({"fold": 0, "accuracy": 0.9}, {"fold": 1, "accuracy": 0.9}),
        {"end": "failed", "reason": "ValueError: bad"},
    ]
