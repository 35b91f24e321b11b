"""Python in processes of their own, which import nothing that lies in the working directory.

That folder may be one with a stranger's music in it, and a ``random.py`` beside the music would be imported in the
place of Python's own: ``-m`` and ``-c`` put the working directory first, and an empty entry in ``PYTHONPATH``, as
``PYTHONPATH=$PYTHONPATH:more`` makes one, puts it before the standard library.
"""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator

# Keeps Python from putting the working directory or the folder of a script first; its processes inherit it.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
_PACKAGE_ROOT = pathlib.Path(__file__).resolve().parents[1]


def child_command(module: str, *arguments: str) -> list[str]:
    """What starts a module of deepsound in a process of its own; it wants :func:`child_environment`."""
    return [sys.executable, "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """The environment of this process, with all that it can import: Spark ships packages by sys.path alone."""
    # Unless deepsound itself lies there.
    is_our_own = is_working_directory(str(_PACKAGE_ROOT))
    folders = [
        folder or str(_PACKAGE_ROOT) for folder in sys.path if is_our_own or not is_working_directory(folder)
    ]
    return {**os.environ, **SAFE_PATH, "PYTHONPATH": os.pathsep.join(folders)}


@contextlib.contextmanager
def children_kept_safe() -> Iterator[None]:
    """A block in which the processes that a library starts, in no environment of our choice, are safe, too."""
    former = {name: os.environ.get(name) for name in (*SAFE_PATH, "PYTHONPATH")}
    os.environ.update(child_environment())
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def named_folders(python_path: str) -> str:
    """A ``PYTHONPATH`` without its empty entries."""
    return os.pathsep.join(filter(None, python_path.split(os.pathsep)))


def is_working_directory(folder: str) -> bool:
    """Whether an entry of sys.path is the working directory; one that is gone is nowhere."""
    try:
        return pathlib.Path(folder).samefile(".")
    except OSError:
        return False
