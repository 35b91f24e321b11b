"""The one way by which commands print, whatever stands in the names of other people's files and in addresses."""

import enum
import os
import re
import sys
import threading
from collections.abc import Iterable
from decimal import Decimal
from typing import TextIO

from deepsound.credentials import hide_credentials


class Loudness(enum.Enum):
    """What a command says on standard error: errors alone, progress too, or also what the engines say."""

    QUIET = enum.auto()
    NORMAL = enum.auto()
    VERBOSE = enum.auto()


_loudness = Loudness.NORMAL
# Set when a command has said its last line: what counts in the background says nothing more.
has_ended = threading.Event()
# C0 with tab and newline, DEL, C1; marks, embeddings, overrides and isolates that turn the direction of writing;
# line and paragraph separators; what stands for a byte that is no text. Joiners stay: scripts and emoji need them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

# Words that begin a line, and how a terminal shows them: as an error, a warning, as well.
_COLOURS = (("31", "deepsound: error [^:]*:|fail(?= )"), ("33", "warn(?:ing:|(?= ))"), ("32", "ok(?=  )"))


def set_loudness(loudness: Loudness) -> None:
    """How much is said from now on."""
    global _loudness
    _loudness = loudness


def is_verbose() -> bool:
    """Whether engines are to say what they have to say."""
    return _loudness is Loudness.VERBOSE


def is_quiet() -> bool:
    """Whether nothing is to be said but errors."""
    return _loudness is Loudness.QUIET


def to_printable(text: str) -> str:
    r"""Text that stays on its line and moves nothing else on a terminal.

    A control character becomes its escape, as in ``\x1b[2J``. Of data (Parquet, JSON) this is no part: there names
    stay what they are.
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def to_plain_number(value: float, *, digits: int = 5) -> str:
    """A number as people write it, to so many digits: 22050, never ``2.205e+04``."""
    return f"{Decimal(f'{value:.{digits}g}'):f}"


def show(lines: str | Iterable[str]) -> None:
    """Results, on standard output: each item is a line, whatever it holds.

    A text is shown as it stands, so that whoever puts one together writes names :func:`to_printable`.
    """
    _write(sys.stdout, lines.split("\n") if isinstance(lines, str) else lines)


def say(line: str) -> None:
    """A line of progress, on standard error: standard output is for results. Nothing where all is to be quiet."""
    if not is_quiet():
        complain(line)


def complain(line: str) -> None:
    """A line that has to be seen, on standard error."""
    _write(sys.stderr, [line])


def _write(stream: TextIO, lines: Iterable[str]) -> None:
    has_colours = stream.isatty() and not os.environ.get("NO_COLOR")
    paint = _paint if has_colours else str
    text = "".join(f"{paint(to_printable(hide_credentials(line)))}\n" for line in lines)
    # Under LC_ALL=C or PYTHONIOENCODING not every letter has a code.
    encoding = stream.encoding or "utf-8"
    # In one piece: two threads may speak at the same time.
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _paint(line: str) -> str:
    for colour, words in _COLOURS:
        line = re.sub(f"^(?:{words})", f"\x1b[{colour}m\\g<0>\x1b[0m", line)
    return line
