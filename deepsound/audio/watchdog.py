"""The end of a process whose decoder hangs, as nothing else ends code in C."""

import contextlib
import faulthandler
import math
import os
import threading
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """End this process, at once and with a traceback of all its threads, if the block lasts longer.

    The thread that watches is faulthandler's, in C: it also wakes where the block holds the interpreter's lock.
    There is one for each process, so these blocks do not nest. The exit code is 1; infinite ``seconds`` switch it
    off.
    """
    if math.isinf(seconds):
        yield
        return
    stderr = _copy_stderr()
    faulthandler.dump_traceback_later(min(seconds, threading.TIMEOUT_MAX), exit=True, file=stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        if stderr != _STDERR:
            os.close(stderr)


def _copy_stderr() -> int:
    """Standard error once more, as the block may turn it away while a decoder is at work."""
    try:
        return os.dup(_STDERR)
    except OSError:  # there is none, or no more files can be opened
        return _STDERR
