"""Files and folders held by one process: the system lets go of them however the process ends."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator


def hold(path: pathlib.Path, *, wait: bool) -> int:
    """Hold a file, made where it is missing, or a folder; the descriptor that holds it until it is closed.

    Raises BlockingIOError: another process holds it, and this one would not wait; OSError: it cannot be opened, or
    its file system knows no locks.
    """
    mode = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, mode, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def holding(path: pathlib.Path, *, wait: bool) -> Iterator[None]:
    """:func:`hold` for as long as a block, and with what it raises."""
    descriptor = hold(path, wait=wait)
    try:
        yield
    finally:
        os.close(descriptor)
