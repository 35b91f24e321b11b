"""How every command runs: an error becomes a line and an exit code, Ctrl-C an answer."""

import contextlib
import errno
import functools
import json
import os
import pathlib
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from deepsound.console import Loudness, complain, has_ended, say, set_loudness
from deepsound.credentials import without_credentials
from deepsound.errors import DeepsoundError, MissingExtraError, OutputError, TerminatedError, first_line

EXIT_BUG = 1
EXIT_USAGE = 2
# As a shell has it: 128 and the number of the signal.
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM
# A machine at its limits is no bug, wherever it shows.
_MACHINE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}


# What the extras of setup.py bring, by the name that Python imports.
_EXTRA_OF = {
    **dict.fromkeys(("pyspark", "py4j"), "spark"),
    **dict.fromkeys(("tensorflow", "keras", "tensorflow_hub", "tf2onnx", "onnx", "mlflow", "sklearn"), "train"),
    **dict.fromkeys(("matplotlib", "librosa", "optuna", "threadpoolctl", "jinja2"), "train"),
}


def say_next(*command: str) -> None:
    """The command that follows, ready to be copied."""
    say(f"next: {shlex.join(command)}")


class Main(Protocol):
    """A command's entry point."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run the command; its exit code."""
        ...


def check_extras(*extras: str) -> None:
    """Refuse work that needs the extras ``spark`` or ``train`` where they are missing.

    Raises
    ------
    MissingExtraError
        Naming all that are missing.
    """
    # Of those of one extra, the first is named.
    wanted = reversed([(name, extra) for name, extra in _EXTRA_OF.items() if extra in extras])
    missing = {extra: name for name, extra in wanted if not find_spec(name)}
    if missing:
        raise MissingExtraError(_describe_missing(dict(sorted(missing.items()))))


def _describe_missing(missing: Mapping[str, str]) -> str:
    return f"{' and '.join(missing.values())} not installed: pip install 'deepsound[{','.join(missing)}]'"


def write_json(document: Mapping[str, Any], path: str) -> None:
    """Write a document as :func:`write_text` does, without credentials."""
    write_text(json.dumps(without_credentials(document), indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: str) -> None:
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
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {first_line(exc)}") from exc


class _Answer:
    """Answers Ctrl-C at once, by a line, before anything else ends.

    Under spark-submit the Java that passes our words on is interrupted at the same time, and soon gone.
    """

    def __call__(self, _number: int, _frame: object) -> None:
        # It may come in the middle of another line, which cannot be written into.
        with contextlib.suppress(RuntimeError):
            self.give()
        raise KeyboardInterrupt

    def give(self) -> None:
        if not has_ended.is_set():
            has_ended.set()
            complain("deepsound: interrupted")


@contextlib.contextmanager
def _answered_interrupts() -> Iterator[_Answer]:
    present = signal.getsignal(signal.SIGINT)
    if isinstance(present, _Answer):  # a command within the command line
        yield present
        return
    answer = _Answer()
    is_main = threading.current_thread() is threading.main_thread()
    # Where somebody else has a way with it, as nohup, that stays.
    is_ours = is_main and present is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, answer)
    try:
        yield answer
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, present)
        has_ended.clear()


def reports_errors(run: Callable[[Sequence[str] | None], int]) -> Main:
    """Turn an error of ours into one line and its exit code; anything else is a bug and keeps its traceback."""

    @functools.wraps(run)
    def main(argv: Sequence[str] | None = None) -> int:
        with _answered_interrupts() as answer:
            try:
                return run(argv)
            except TerminatedError:
                complain("deepsound: terminated")
                return EXIT_TERMINATED
            except KeyboardInterrupt:
                answer.give()
                return EXIT_INTERRUPTED
            except Exception as exc:
                # What breaks while all comes to its end tells nothing new.
                code = EXIT_INTERRUPTED if has_ended.is_set() else _report(exc)
                if code is None:
                    raise
                return code
            finally:
                set_loudness(Loudness.NORMAL)

    return main


def _report(exc: Exception) -> int | None:
    """Say what an error is, in one line; its exit code, None for a bug."""
    if isinstance(exc, ModuleNotFoundError) and (extra := _EXTRA_OF.get((exc.name or "").partition(".")[0])):
        exc = MissingExtraError(_describe_missing({extra: str(exc.name)}))
    if isinstance(exc, DeepsoundError):
        complain(f"deepsound: error [{exc.code}]: {' '.join(str(exc).split())}")
        return exc.exit_code
    if isinstance(exc, BrokenPipeError):
        # The reader of our output has gone; nothing more can be told to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BUG
    if isinstance(exc, OSError) and exc.errno in _MACHINE_ERRORS:
        complain(f"deepsound: error [machine]: {' '.join(str(exc).split())}")
        return EXIT_USAGE
    return None
