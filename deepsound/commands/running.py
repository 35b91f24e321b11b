"""What all commands share: the settings options, and how an error becomes an exit code."""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from deepsound.console import say
from deepsound.errors import DeepsoundError, OutputError, first_line

EXIT_BUG = 1
EXIT_USAGE = 2


class Main(Protocol):
    """A command's entry point."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run the command; its exit code."""
        ...


def add_settings_options(parser: argparse.ArgumentParser, *, example: str) -> None:
    """``--config FILE`` and ``--set key=value``."""
    parser.add_argument("--config", metavar="FILE", help="YAML settings; see conf/")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"override one setting, for example {example}; may be given several times",
    )


def write_json(document: Mapping[str, Any], path: str) -> None:
    """Write a result file whole or not at all; folders on the way to it are made.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    target = pathlib.Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        beside.replace(target)
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {first_line(exc)}") from exc


@contextlib.contextmanager
def muted_native_logs(into: str = os.devnull) -> Iterator[None]:
    """Swallow what native code, or a Java that is started, writes to standard error; what Python writes passes.

    TensorFlow's C++ announces missing GPU libraries before any log level of its own takes effect.

    Parameters
    ----------
    into : str
        A file that gets it.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    python_stderr = sys.stderr
    with pathlib.Path(into).open("w") as nowhere, os.fdopen(kept, "w", buffering=1) as visible:
        os.dup2(nowhere.fileno(), 2)
        if python_stderr is sys.__stderr__:
            sys.stderr = visible
        try:
            yield
        finally:
            sys.stderr.flush()
            sys.stderr = python_stderr
            os.dup2(kept, 2)


def reports_errors(run: Callable[[Sequence[str] | None], int]) -> Main:
    """Turn an error of ours into one line and its exit code; anything else is a bug and keeps its traceback."""

    @functools.wraps(run)
    def main(argv: Sequence[str] | None = None) -> int:
        try:
            return run(argv)
        except DeepsoundError as exc:
            say(f"deepsound: error [{exc.code}]: {' '.join(str(exc).split())}")
            return exc.exit_code
        except KeyboardInterrupt:
            say("deepsound: interrupted")
            return 130
        except BrokenPipeError:
            # The reader of our output has gone; nothing more can be told to it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_BUG

    return main
