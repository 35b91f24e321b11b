"""Bounds for a library that trusts the files it parses: how much it may read, and how long compute."""

import errno
import io
import sys
import time
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any, BinaryIO, TypeVar

Result = TypeVar("Result")

# A look at the clock takes longer than what most calls do.
_CALLS_A_LOOK = 32


class BoundReachedError(BaseException):
    """A bound is reached. No ``Exception``, so that the library's own handlers let it through."""


class BoundedFile:
    """A seekable file of which only so much can be read.

    A length that a header claims is cut to what the file has, before the storage sets memory aside for it.

    Parameters
    ----------
    file : binary file object
        Open, readable and seekable. Its position is anywhere afterwards.
    max_bytes, max_reads : int
        Of all reads together; one more raises :class:`BoundReachedError`.

    Attributes
    ----------
    n_bytes : int
        Size of the file.
    failure : OSError or None
        What the storage said when it failed, whatever became of the error since.
    """

    def __init__(self, file: BinaryIO, *, max_bytes: int, max_reads: int) -> None:
        self.n_bytes = file.seek(0, io.SEEK_END)
        self.failure: OSError | None = None
        self._file = file
        self._position = 0
        self._bytes_left = max_bytes
        self._reads_left = max_reads

    def read(self, n_bytes: int = -1) -> bytes:
        """The next bytes, fewer at the end."""
        left = max(0, self.n_bytes - self._position)
        wanted = left if n_bytes < 0 else min(n_bytes, left)
        self._bytes_left -= wanted
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise BoundReachedError
        try:
            self._file.seek(self._position)
            data = self._file.read(wanted)
        except OSError as exc:
            self.failure = exc
            raise
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position; before the first byte is an OSError, as of any file."""
        place = (0, self._position, self.n_bytes)[whence] + offset
        if place < 0:
            raise OSError(errno.EINVAL, "a place before the first byte")
        self._position = place
        return place

    def tell(self) -> int:
        """The position."""
        return self._position


def run_bounded(function: Callable[[], Result], *, cpu_s: float, within: Collection[str]) -> Result:
    """Call a function, and end it where it computes too long.

    What ends it is a profiling hook of this thread, called whenever Python code calls something. It needs no
    signal, so it works in any thread; what happens within one call of C it cannot end. While a profiler is at
    work there is no bound.

    Parameters
    ----------
    function : callable
        Takes nothing.
    cpu_s : float
        Seconds of this thread's own computing; waiting for storage does not count.
    within : collection of str
        Names of the top-level packages that are cut off. An exception that is raised in what the interpreter calls
        on its own, as it collects garbage, is lost, and the hook with it.

    Raises
    ------
    BoundReachedError
        After that time.
    """
    if sys.getprofile() is not None:
        return function()
    end_s = time.thread_time() + cpu_s
    n_calls = 0
    is_over = False

    def check_time(frame: FrameType, _event: str, _argument: Any) -> None:
        nonlocal n_calls, is_over
        n_calls += 1
        if n_calls % _CALLS_A_LOOK == 0:
            is_over = time.thread_time() > end_s
        if is_over and frame.f_globals.get("__name__", "").partition(".")[0] in within:
            raise BoundReachedError

    sys.setprofile(check_time)
    try:
        return function()
    finally:
        sys.setprofile(None)
