"""Quiet for what native libraries, or a Java that is started, write to standard error by themselves."""

import contextlib
import functools
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TextIO

from deepsound.console import is_verbose


@contextlib.contextmanager
def muted_native_logs(into: str = os.devnull) -> Iterator[None]:
    """Swallow what native code, or a Java that is started, writes to standard error; what Python writes passes.

    TensorFlow's C++ announces missing GPU libraries before any log level of its own takes effect. With
    ``--verbose`` all of it passes.

    Parameters
    ----------
    into : str
        A file that gets it.
    """
    if is_verbose():
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    visible, python_stderr = _standard_error(), sys.stderr
    with pathlib.Path(into).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        if python_stderr is sys.__stderr__:
            sys.stderr = visible
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = python_stderr
            os.dup2(visible.fileno(), 2)


@functools.cache
def _standard_error() -> TextIO:
    """Where this process says what went wrong, by another number: never closed, as a library's log may keep it."""
    return os.fdopen(os.dup(2), "w", buffering=1)
