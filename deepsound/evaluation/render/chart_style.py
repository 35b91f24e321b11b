"""What all charts share: palette, style, size, and how they are finished and saved.

Titles of single shapes, which show where the pointer rests, are their gids after :data:`TITLE`, and behind
:data:`PICK` the tracks that a click lists, as matplotlib writes gids into SVG. Names come from other people's
files and hold no mathematics.
"""

import enum
import functools
import hashlib
import io
import urllib.parse
import warnings
from collections.abc import Callable
from typing import ParamSpec

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepsound.console import to_printable

WIDTH = 320.0
TITLE, PICK = "title: ", "|pick:"
_POINTS_PER_INCH = 72
_MAX_CHARACTERS, _MAX_WORDS, _MAX_QUOTED = 16, 200, 120

_Given = ParamSpec("_Given")


class Colour(enum.StrEnum):
    """The palette: the light colours of a page, which its style sheet has under the same names."""

    INK = "#1b2430"
    QUIET = "#5b6776"
    LINE = "#dfe4ea"
    ACCENT = "#2563a8"
    SECOND = "#c2570c"
    CARD = "#ffffff"
    PAGE = "#f6f7f9"


COLOURS = (Colour.ACCENT, Colour.SECOND)
_STYLE = {
    "figure.dpi": 160,  # of PNG
    "font.size": 11,
    **dict.fromkeys(("axes.titlesize", "figure.titlesize"), 11.5),
    **dict.fromkeys(("axes.titleweight", "figure.titleweight"), "bold"),
    **dict.fromkeys(("text.color", "ytick.labelcolor"), Colour.INK),
    **dict.fromkeys(("axes.labelcolor", "xtick.labelcolor"), Colour.QUIET),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), Colour.LINE),
    **dict.fromkeys(("xtick.bottom", "ytick.left", "legend.frameon", "text.parse_math"), False),
    "axes.axisbelow": True,
    "errorbar.capsize": 3.5,
    "lines.linewidth": 2,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1,
}


def styled(draw: Callable[_Given, Figure]) -> Callable[_Given, Figure]:
    """What a function draws, in the style of all charts, whatever the process has set."""

    @functools.wraps(draw)
    def draw_styled(*args: _Given.args, **kwargs: _Given.kwargs) -> Figure:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def save_figure(figure: Figure, *, kind: str) -> bytes:
    """Content of a file of this kind, ``png`` or ``svg``; a letter that the font lacks is a box and no warning."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from (current )?font")
        figure.savefig(content, format=kind)
    return content.getvalue()


def shorten(words: str) -> str:
    """At most 16 characters on one line, the last one telling that there were more."""
    shown = to_printable(words)
    return shown if len(shown) <= _MAX_CHARACTERS else f"{shown[: _MAX_CHARACTERS - 1]}…"


def new_figure(*, height: float, width: float = WIDTH) -> Figure:
    """An empty figure of so many points, which are the pixels of a page."""
    return Figure(figsize=(width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout="constrained")


def new_chart(*, height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure with its one axes."""
    figure = new_figure(height=height, width=width)
    return figure, figure.subplots()


def finish_plot(axes: Axes, *, x_label: str, y_label: str, mark: float | None = None, mark_name: str = "") -> None:
    """Names of the axes, lines at the upright one's ticks, and an upright line at a ``mark``."""
    if mark is not None:
        axes.axvline(mark, color=Colour.QUIET, linewidth=1, linestyle="dashed", label=mark_name)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(axis="y")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.tick_params("y", labelcolor=Colour.QUIET)
    axes.spines[["top", "right", "left"]].set_visible(False)


def set_ticks(axes: Axes, *, in_percent: bool = False) -> None:
    """About four round numbers below the axes."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    if in_percent:
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.10g} %")


def add_legend(figure: Figure, axes: Axes) -> None:
    """Names of what is drawn on the axes, above them in one line."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=max(len(names), 1))


def add_title(artist: Artist, words: str, *, pick: str = "") -> None:
    """Words that a page shows where the pointer rests on the shape, and the tracks that it lists at a click.

    ``pick`` comes from :func:`pick_of`; empty for none.
    """
    shown = to_printable(words)
    shown = shown if len(shown) <= _MAX_WORDS else f"{shown[: _MAX_WORDS - 1]}…"
    artist.set_gid(TITLE + shown + (PICK + pick if pick else ""))


def pick_of(kind: str, *names: str) -> str:
    """Which tracks of a page are meant, as the part of its address behind ``#``: ``cell=rock,country``."""
    return f"{kind}={','.join(map(_quote, names))}"


def _quote(name: str) -> str:
    """A name as part of an address; a very long one by its digest."""
    quoted = urllib.parse.quote(name, safe="", errors="replace")
    if len(quoted) <= _MAX_QUOTED:
        return quoted
    return f"~{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]}"
