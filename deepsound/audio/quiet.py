"""Silence on standard error while a C library is at work that writes there whatever its caller wants."""

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = 2
_lock = threading.Lock()
_n_inside = 0
_kept = -1


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what the process writes to standard error nowhere, in all its threads: keep what is inside short."""
    global _n_inside, _kept
    with _lock:
        if _n_inside == 0:
            _kept = _redirect()
        _n_inside += 1
    try:
        yield
    finally:
        with _lock:
            _n_inside -= 1
            if _n_inside == 0 and _kept >= 0:
                os.dup2(_kept, _STDERR)
                os.close(_kept)


def _redirect() -> int:
    """What standard error was, or -1 where there is none, or no more files can be opened."""
    kept = -1
    try:
        kept = os.dup(_STDERR)
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:
        if kept >= 0:
            os.close(kept)
        return -1
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return kept
