"""What the decoding of one file may cost, whichever decoder does it."""

import time
from collections.abc import Iterable

import numpy as np

from deepsound.errors import AudioTimeoutError, AudioTooLongError


class DecodeLimits:
    """A longest duration, and a time that starts to run when this is made.

    Parameters
    ----------
    max_duration_s : float
        Seconds of audio.
    timeout_s : float
        Seconds of decoding; infinity for no limit.
    """

    def __init__(self, *, max_duration_s: float, timeout_s: float) -> None:
        self._max_duration_s = max_duration_s
        self._timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s

    def check_declared(self, duration_s: float) -> None:
        """Raise :class:`AudioTooLongError` if a header declares more than is allowed."""
        if duration_s > self._max_duration_s:
            raise AudioTooLongError(
                f"the header declares {duration_s:.0f} s; max_duration_s is {self._max_duration_s:g}"
            )

    def join(self, blocks: Iterable[np.ndarray], *, sample_rate_hz: int) -> np.ndarray:
        """The waveform of mono blocks, which are counted as they come: a header may lie.

        Raises
        ------
        AudioTooLongError
            More samples than ``max_duration_s`` allows.
        AudioTimeoutError
            Past the time, told between two blocks, as a decoder in C cannot be interrupted.
        """
        max_samples = int(self._max_duration_s * sample_rate_hz)
        kept: list[np.ndarray] = []
        n_read = 0
        for block in blocks:
            kept.append(block)
            n_read += len(block)
            if time.monotonic() > self._end_s:
                raise AudioTimeoutError(
                    f"decoding took more than decode_timeout_s = {self._timeout_s:g} s; it came to sample {n_read}"
                )
            if n_read > max_samples:
                raise AudioTooLongError(f"more than {max_samples} samples, whatever the header declared")
        return np.concatenate(kept) if kept else np.zeros(0, np.float32)
