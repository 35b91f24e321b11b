"""One line on the driver that tells how far a job is."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from pyspark import Accumulator, SparkContext

from deepsound.console import has_ended, is_quiet


class ExtractProgress:
    """Counts that executors add to; Spark delivers a task's counts when the task ends.

    The counts are for the eye: a task that is run twice counts twice. Results are counted from the tables.
    """

    def __init__(self, context: SparkContext) -> None:
        self.n_done: Accumulator[int] = context.accumulator(0)
        self.n_failed: Accumulator[int] = context.accumulator(0)
        self.audio_s: Accumulator[float] = context.accumulator(0.0)

    def count(self, *, is_failed: bool, duration_s: float | None) -> None:
        """One file is done. Called on executors."""
        self.n_done.add(1)
        self.n_failed.add(int(is_failed))
        self.audio_s.add(duration_s or 0.0)

    def describe(self, *, n_files: int, elapsed_s: float) -> str:
        """The line: files done, failed, files/s, audio hours, time gone by and left.

        The time tells that the job is alive where a file is so long that none is done for a while.
        """
        n_done = min(self.n_done.value, n_files)
        rate = n_done / elapsed_s if elapsed_s > 0 else 0.0
        left = _clock((n_files - n_done) / rate) if rate else "unknown"
        return (
            f"{n_done}/{n_files} files, {self.n_failed.value} failed, {rate:.1f} files/s, "
            f"{self.audio_s.value / 3600:.2f} h of audio, {_clock(elapsed_s)} elapsed, {left} left"
        )

    @contextlib.contextmanager
    def shown(self, *, n_files: int, every_s: float = 2.0, stream: TextIO | None = None) -> Iterator[None]:
        """Print the line while the block runs, and once more at its end, unless that is an interrupt.

        On a terminal the line is rewritten in place; in a log file it is printed anew, and seldom.
        """
        out = stream or sys.stderr
        is_terminal = out.isatty()
        period_s = every_s if is_terminal else every_s * 2.5
        started = time.monotonic()
        done = threading.Event()

        def show(end: str) -> None:
            if has_ended.is_set() or is_quiet():
                return
            line = self.describe(n_files=n_files, elapsed_s=time.monotonic() - started)
            out.write((f"\r{line:<110}" if is_terminal else line) + end)
            out.flush()

        def tick() -> None:
            while not done.wait(period_s):
                show("" if is_terminal else "\n")

        thread = threading.Thread(target=tick, name="deepsound-progress", daemon=True)
        is_cut_off = False
        try:
            # Within, as an interrupt may come while it starts: it would never end, and have the last word.
            thread.start()
            yield
        except KeyboardInterrupt:
            is_cut_off = True  # what is said of that is the last word
            raise
        finally:
            done.set()
            if thread.ident is not None:
                thread.join()
            if not is_cut_off:
                show("\n")


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
