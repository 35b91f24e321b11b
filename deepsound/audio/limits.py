"""What the decoding of one file may cost, whichever decoder does it and however often."""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator

import numpy as np

from deepsound.audio.watchdog import watchdog
from deepsound.console import to_plain_number
from deepsound.errors import AudioTimeoutError, AudioTooLongError

# How much longer than its time a decoder may take to come back before it counts as hanging.
_GRACE_S = 5.0


class DecodeLimits:
    """A longest duration, and a time that runs only while a decoder does.

    ``timeout_s`` holds for all passes over a file together. With ``ends_process`` a decoder that does not come
    back within five seconds of that time ends this process, by :func:`deepsound.audio.watchdog.watchdog`.
    """

    def __init__(self, *, max_duration_s: float, timeout_s: float, ends_process: bool = False) -> None:
        self._max_duration_s = max_duration_s
        self._timeout_s = timeout_s
        self._ends_process = ends_process
        self._n_read = 0
        self._spent_s = 0.0
        self._running_since_s: float | None = None

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """What runs inside counts as decoding."""
        self._running_since_s = started_s = time.monotonic()
        left_s = self._timeout_s - self._spent_s + _GRACE_S if self._ends_process else math.inf
        try:
            with watchdog(left_s):
                yield
        finally:
            self._running_since_s = None
            self._spent_s += time.monotonic() - started_s

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        since_s = self._running_since_s
        running_s = 0.0 if since_s is None else time.monotonic() - since_s
        return self._spent_s + running_s > self._timeout_s

    def check_declared(self, duration_s: float) -> None:
        """Raise :class:`AudioTooLongError` if a header declares more than is allowed."""
        if duration_s > self._max_duration_s:
            raise AudioTooLongError(
                f"the header declares {duration_s:.0f} s; "
                f"max_duration_s is {to_plain_number(self._max_duration_s)}"
            )

    def check_time(self) -> None:
        """Raise :class:`AudioTimeoutError` if the time is up."""
        if self.is_over:
            raise AudioTimeoutError(
                f"decoding took more than decode_timeout_s = {to_plain_number(self._timeout_s)} s; "
                f"it came to sample {self._n_read}"
            )

    def watch(self, pieces: Iterable[np.ndarray], *, sample_rate_hz: int) -> Iterator[np.ndarray]:
        """The mono pieces of a waveform, counted and timed as they come: a header may lie.

        Raises
        ------
        AudioTooLongError
            More samples than ``max_duration_s`` allows.
        AudioTimeoutError
            Past the time, told between two pieces, as a decoder in C cannot be interrupted.
        """
        max_samples = int(self._max_duration_s * sample_rate_hz)
        coming = iter(pieces)
        self._n_read = 0
        while True:
            with self.timed():
                piece = next(coming, None)
            self.check_time()
            if piece is None:
                return
            self._n_read += len(piece)
            if self._n_read > max_samples:
                raise AudioTooLongError(
                    f"it goes on past max_duration_s = {to_plain_number(self._max_duration_s)} s, whatever the "
                    "header declared"
                )
            yield piece
