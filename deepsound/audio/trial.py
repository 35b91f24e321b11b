"""Decoding in a process of its own, for files that may take their process down with them.

``python -m deepsound.audio.trial PATH --max-duration-s S --timeout-s S`` decodes a file to its end, throws the
samples away and exits with 0, well decoded or not; only a crash or a hang of the decoder gives another exit.
``-`` is the standard input.
"""

import argparse
import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, BinaryIO

from deepsound.audio.decode import open_audio
from deepsound.audio.limits import DecodeLimits
from deepsound.audio.source import AudioSource
from deepsound.audio.watchdog import watchdog
from deepsound.children import child_command, child_environment
from deepsound.console import to_plain_number
from deepsound.errors import AudioTimeoutError, AudioUnreadableError, TrackError

_READY = b"ready\n"
_ORPHAN_S = 10.0


def try_decoding(file: BinaryIO, *, max_duration_s: float, timeout_s: float) -> TrackError | None:
    """Decode a file in a child process, to see whether it is safe to do so here.

    Parameters
    ----------
    file : BinaryIO
        Seekable. A file that has a path is opened anew by the child, of any other the child gets a copy on disk.
    timeout_s : float
        From when the child is ready; it is killed then.

    Returns
    -------
    TrackError or None
        AudioTimeoutError if the decoder hung, AudioUnreadableError if it died or the storage failed. None where
        decoding ends by itself, well or with an error.
    """
    path = getattr(file, "name", None)
    if isinstance(path, str) and Path(path).is_file():
        return _judge(path, None, max_duration_s, timeout_s)
    with tempfile.TemporaryFile() as copy:
        try:
            file.seek(0)
            shutil.copyfileobj(file, copy, 1 << 20)
        except OSError as exc:
            return AudioUnreadableError(f"the storage does not give the bytes: {exc.strerror or exc}")
        copy.flush()
        return _judge("-", copy, max_duration_s, timeout_s)


def _judge(path: str, stdin: IO[bytes] | None, max_duration_s: float, timeout_s: float) -> TrackError | None:
    options = ("--max-duration-s", str(max_duration_s), "--timeout-s", str(timeout_s))
    command = child_command("deepsound.audio.trial", path, *options)
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env=child_environment(),
        )
        with child:
            # Its imports are not the decoder's time.
            is_ready = child.stdout is not None and child.stdout.readline() == _READY
            try:
                exit_code = child.wait(timeout_s if is_ready and math.isfinite(timeout_s) else None)
            except subprocess.TimeoutExpired:
                child.kill()
                return AudioTimeoutError(
                    f"the decoder hung: it was killed after decode_timeout_s = {to_plain_number(timeout_s)} s"
                )
        if exit_code < 0:
            return AudioUnreadableError(f"the decoder died of signal {-exit_code} in a process of its own")
        if exit_code > 0:
            return AudioUnreadableError(f"a trial of the decoder ended with {exit_code}: {_last_line(said)}")
    return None


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 1000))
    return (said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def build_parser() -> argparse.ArgumentParser:
    """The options of the child."""
    parser = argparse.ArgumentParser(prog="python -m deepsound.audio.trial", description="decode, and see")
    parser.add_argument("path", help="a file, or - for the standard input")
    parser.add_argument("--max-duration-s", type=float, required=True)
    parser.add_argument("--timeout-s", type=float, required=True)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Decode one file to its end."""
    options = build_parser().parse_args(argv)
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    if options.path != "-":
        with Path(options.path).open("rb") as file:
            _decode(file, options.max_duration_s, options.timeout_s)
    elif sys.stdin.buffer.seekable():
        _decode(sys.stdin.buffer, options.max_duration_s, options.timeout_s)
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
            _decode(copy, options.max_duration_s, options.timeout_s)
    return 0


def _decode(file: IO[bytes], max_duration_s: float, timeout_s: float) -> None:
    limits = DecodeLimits(max_duration_s=max_duration_s, timeout_s=timeout_s)
    # The watchdog is for when the parent is gone. An error of any kind is an end; the parent will meet it itself.
    with watchdog(timeout_s + _ORPHAN_S), contextlib.suppress(Exception):
        for _ in open_audio(AudioSource(file, limits=limits)).blocks:
            pass


if __name__ == "__main__":
    sys.exit(main())
