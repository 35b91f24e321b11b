"""Processes on this machine that evaluate settings side by side, for a search without Spark."""

import functools
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

from deepsound.children import child_command, child_environment
from deepsound.config import HEADS, TrainSettings
from deepsound.errors import SearchError
from deepsound.settings import to_plain
from deepsound.training.trials import FoldReporter

_COMMAND = child_command("deepsound.training.worker")


class WorkerPool:
    """So many processes, each of which evaluates one trial at a time.

    Called by as many threads; a :data:`deepsound.training.trials.Evaluator`. Threads alone would not do: Keras
    keeps global state, and a training that runs out of memory takes its process along. ``settings`` say how the
    data are read and divided.
    """

    def __init__(self, features: str, *, settings: TrainSettings, n_workers: int) -> None:
        self._start = {
            "features": features,
            "heads": HEADS.registered,
            "settings": to_plain(settings),
            "n_threads": max(1, (os.cpu_count() or 1) // n_workers),
        }
        self._idle: queue.Queue[_Worker | None] = queue.Queue()
        for _ in range(n_workers):
            self._idle.put(None)
        self._running: set[_Worker] = set()
        self._former: Callable[[int, FrameType | None], Any] | None = None

    def __call__(self, settings: TrainSettings, report_fold: FoldReporter) -> None:
        """Evaluate settings in a process of their own.

        Raises SearchError if the training failed there, or the process ended; KeyboardInterrupt if the process was
        interrupted, as all are by the key.
        """
        worker = self._idle.get() or self._start_worker()
        try:
            worker.evaluate(settings, report_fold)
        finally:
            if not worker.is_idle:
                self._running.discard(worker)
                worker.close()
            self._idle.put(worker if worker.is_idle else None)

    def __enter__(self) -> "WorkerPool":
        former = signal.getsignal(signal.SIGTERM)
        if callable(former) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, functools.partial(self._pass_on, former))
            self._former = former
        return self

    def _pass_on(
        self, former: Callable[[int, FrameType | None], Any], number: int, frame: FrameType | None
    ) -> None:
        """Who ends this process means its workers, too; the threads that wait for them would not let it end."""
        for worker in tuple(self._running):
            worker.interrupt()
        former(number, frame)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._former is not None:
            signal.signal(signal.SIGTERM, self._former)
        for worker in self._running:
            worker.close()

    def _start_worker(self) -> "_Worker":
        worker = _Worker(self._start)
        self._running.add(worker)
        return worker


class _Worker:
    """One process; see :mod:`deepsound.training.worker` for what is said."""

    def __init__(self, start: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # TensorFlow's own announcements; what a training dies of comes as a message.
            stderr=subprocess.DEVNULL,
            text=True,
            env=child_environment(),
        )
        # Whether it waits for settings: not while it evaluates some, nor once it has ended.
        self.is_idle = True
        self._send(start)

    def evaluate(self, settings: TrainSettings, report_fold: FoldReporter) -> None:
        self.is_idle = False
        self._send({"settings": to_plain(settings)})
        while "end" not in (message := self._receive()):
            try:
                report_fold(message["fold"], message["accuracy"])
            except Exception:
                self._send({"go_on": False})
                self._receive()
                self.is_idle = True
                raise
            self._send({"go_on": True})
        self.is_idle = True
        if message["end"] == "failed":
            raise SearchError(message["reason"])

    def interrupt(self) -> None:
        """As the key does, which reaches all processes by itself."""
        self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()

    def _send(self, message: dict[str, Any]) -> None:
        stream = self._process.stdin
        try:
            if stream is not None:
                stream.write(json.dumps(message) + "\n")
                stream.flush()
        except BrokenPipeError:
            self._raise_ended()

    def _receive(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._raise_ended()
        message: dict[str, Any] = json.loads(line)
        return message

    def _raise_ended(self) -> NoReturn:
        code = self._process.wait()
        if code in (-signal.SIGINT, 130):
            raise KeyboardInterrupt
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise SearchError(f"the process of the trial ended {how}; was there too little memory?")
