"""A limit on the time that the decoding of one file may take."""

import time

from deepsound.errors import AudioTimeoutError


class Deadline:
    """Starts when it is made; :meth:`check` is called between blocks, as a decoder in C cannot be interrupted.

    Parameters
    ----------
    timeout_s : float
        Seconds; infinity for no limit.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s

    def check(self, *, n_samples: int) -> None:
        """Raise :class:`AudioTimeoutError` past the limit; ``n_samples`` is how far decoding came."""
        if time.monotonic() > self._end_s:
            raise AudioTimeoutError(
                f"decoding took more than decode_timeout_s = {self._timeout_s:g} s; it came to sample {n_samples}"
            )
