"""The end of a process whose decoder hangs, as nothing else ends code in C."""

import contextlib
import faulthandler
import math
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """End this process, at once and with a traceback of all its threads, if the block lasts longer.

    The thread that watches is faulthandler's, in C: it also wakes where the block holds the interpreter's lock, as
    a thread in Python would not. There is one for each process, so these blocks do not nest. The exit code is 1.

    Parameters
    ----------
    seconds : float
        Infinity switches it off.
    """
    if math.isinf(seconds):
        yield
        return
    faulthandler.dump_traceback_later(min(seconds, threading.TIMEOUT_MAX), exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
