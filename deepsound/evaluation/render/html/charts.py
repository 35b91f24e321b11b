"""Charts for scorecards, each drawn 320 wide, so that a phone shows them without shrinking."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.render.html.svg import Drawing, Point
from deepsound.evaluation.render.html.wording import brief

WIDTH = 320.0
_CHARACTER = 6.4  # mean width of a character of 12 px
_WIDE_CHARACTER, _DIGIT = 7.1, 7.7  # of a name, and of a digit, in the widest of usual fonts
_MAX_CHARACTERS = 16
_ROW, _PAIR = 26.0, 34.0
_MAX_SIDE = 200.0
_TOP, _BOTTOM = 30.0, 172.0  # of the frame of a plot


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A share with its interval; ``value`` is None where it is undefined, and ``note`` then says why."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From data to pixels: ``low`` lies at ``start``, ``high`` at ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies, in pixels."""
        span = self.high - self.low
        return self.start + (self.end - self.start) * ((value - self.low) / span if span else 0.5)


def draw_bars(bars: Sequence[Bar], *, label: str) -> Markup:
    """Shares as horizontal bars from 0 to 1, each with its interval as a whisker."""
    left = _label_width([bar.label for bar in bars])
    right = _note_width(bars)
    axis = Axis(low=0, high=1, start=left, end=max(WIDTH - right, left + 80))
    height = _ROW * len(bars) + 22
    drawing = Drawing(max(WIDTH, axis.end + right), height, label=label)
    for tick in (0, 0.5, 1):
        drawing.line((axis.at(tick), 0), (axis.at(tick), height - 18), style="grid")
        drawing.text((axis.at(tick), height - 4), f"{tick:g}", style="tick", anchor="middle")
    for row, bar in enumerate(bars):
        middle = _ROW * row + _ROW / 2
        drawing.text((left - 6, middle + 4), shorten(bar.label), anchor="end")
        _draw_bar(drawing, bar, axis, y=middle, thickness=16, style="bar")
    return drawing.to_markup()


def draw_paired_bars(pairs: Sequence[tuple[Bar, Bar]], *, names: tuple[str, str], label: str) -> Markup:
    """Two shares a row, one below the other, each with its interval; as long as the longest needs, not up to 1.

    Parameters
    ----------
    pairs : sequence of (Bar, Bar)
        A row is labelled by its first bar, and its notes are both.
    names : (str, str)
        What the first bars are, and the second ones.
    """
    bars = [bar for pair in pairs for bar in pair]
    left = _label_width([bar.label for bar in bars])
    right = _note_width(bars)
    ends = [end for bar in bars for end in (bar.value, bar.high) if end is not None]
    ticks = nice_ticks(0, max(ends, default=1.0))
    axis = Axis(low=0, high=ticks[-1], start=left, end=max(WIDTH - right, left + 80))
    height = _PAIR * len(pairs) + 40
    drawing = Drawing(max(WIDTH, axis.end + right), height, label=label)
    start = 4.0
    for name, style in zip(names, ("bar", "bar-second"), strict=True):
        drawing.rect((start, 3), (14, 10), style=style)
        drawing.text((start + 19, 12), name, style="quiet")
        start += 34 + len(name) * _CHARACTER
    for tick in ticks:
        drawing.line((axis.at(tick), 20), (axis.at(tick), height - 18), style="grid")
        drawing.text((axis.at(tick), height - 4), f"{100 * tick:g} %", style="tick", anchor="middle")
    for row, (upper, lower) in enumerate(pairs):
        middle = 22 + _PAIR * (row + 0.5)
        drawing.text((left - 6, middle + 4), shorten(upper.label), anchor="end")
        for bar, y, style in ((upper, middle - 7, "bar"), (lower, middle + 7, "bar-second")):
            _draw_bar(drawing, bar, axis, y=y, thickness=12, style=style)
    return drawing.to_markup()


def draw_confusion_matrix(confusion: np.ndarray, *, genres: Sequence[str]) -> Markup:
    """Tracks as numbers, the share of the true genre as shade; rows true, columns predicted."""
    left = _label_width(genres)
    # Counts of a large collection are shortened and still need their place; each has its exact number as a title.
    widest = len(max((brief(int(n)) for n in confusion.flat), key=len))
    cell = max(22.0, widest * _DIGIT + 6 if widest > 2 else 0.0, min(40.0, (WIDTH - left) / len(genres)))
    top = min(max(map(len, genres)), _MAX_CHARACTERS) * _CHARACTER * 0.75 + 16
    width = max(WIDTH, left + cell * len(genres) + top * 0.7)
    # A large taxonomy is scrolled: numbers too small to read are no numbers.
    least = width if width > 1.3 * WIDTH else None
    label = "confusion matrix, true genres in rows, predicted ones in columns"
    drawing = Drawing(width, top + cell * len(genres) + 2, label=label, min_width=least)
    n_true = confusion.sum(axis=1)
    for row, genre in enumerate(genres):
        y = top + cell * row
        drawing.text((left - 6, y + cell / 2 + 4), shorten(genre), anchor="end")
        drawing.text((left + cell * (row + 0.5), top - 6), shorten(genre), turn=-48)
        for column, other in enumerate(genres):
            n = int(confusion[row, column])
            share = n / max(int(n_true[row]), 1)
            words = f"{n} of {int(n_true[row])} {genre} tracks taken for {other}"
            style = "right" if row == column else "wrong"
            corner = left + cell * column, y
            drawing.rect(corner, (cell - 1.5, cell - 1.5), style="cell", title=words)
            if n:
                drawing.rect(
                    corner, (cell - 1.5, cell - 1.5), style=style, opacity=0.15 + 0.85 * share, title=words
                )
                shade = "on-dark" if share > 0.5 else "on-light"
                drawing.text((corner[0] + cell / 2 - 1, y + cell / 2 + 4), brief(n), style=shade, anchor="middle")
    return drawing.to_markup()


def draw_reliability(reliabilities: Mapping[str, Reliability]) -> Markup:
    """Confidence against the share of right tracks; one square for each, beside each other."""
    gap = 26.0
    side = min((WIDTH - gap * len(reliabilities) - 6) / len(reliabilities), _MAX_SIDE)
    margin = (WIDTH - (side + gap) * len(reliabilities) - 6) / 2
    drawing = Drawing(WIDTH, side + 62, label="confidence against the share of right tracks")
    for place, (name, reliability) in enumerate(reliabilities.items()):
        start = margin + gap + place * (side + gap)
        x, y = Axis(low=0, high=1, start=start, end=start + side), Axis(low=0, high=1, start=side + 22, end=22)
        drawing.text((start + side / 2, 13), name, style="strong", anchor="middle")
        drawing.rect((start, 22), (side, side), style="cell")
        drawing.line((x.at(0), y.at(0)), (x.at(1), y.at(1)), style="ideal")
        for tick in (0, 0.5, 1):
            drawing.text((x.at(tick), side + 36), f"{tick:g}", style="tick", anchor="middle")
            drawing.text((start - 5, y.at(tick) + 4), f"{tick:g}", style="tick", anchor="end")
        drawing.text((start + side / 2, side + 52), "confidence", style="tick", anchor="middle")
        drawing.text((start + 5, 36), "share right", style="tick")
        for part in reliability.bins:
            centre = x.at(part.confidence)
            _whisker(drawing, (centre, y.at(part.low)), (centre, y.at(part.high)))
            words = f"{part.n_tracks} tracks of confidence {part.confidence:.2f}: {part.accuracy:.2f} right"
            drawing.circle((centre, y.at(part.accuracy)), 4, style="dot", title=words)
    return drawing.to_markup()


def draw_curves(
    curves: Mapping[str, Sequence[float]],
    *,
    label: str,
    x_label: str,
    y_label: str,
    mark: tuple[float, str] | None = None,
) -> Markup:
    """Lines over 0, 1, 2, ...; the first solid, the second in the other colour.

    Parameters
    ----------
    curves : mapping
        Name to values; what is not finite is left out.
    mark : (float, str), optional
        A place on the x axis, with what is there.
    """
    values = [value for curve in curves.values() for value in curve if math.isfinite(value)] or [0.0]
    ticks = nice_ticks(min(values), max(values))
    n_points = max(len(curve) for curve in curves.values())
    x = plot_axis(low=0, high=max(n_points - 1, 1))
    steps = {tick: f"{tick:g}" for tick in nice_ticks(0, n_points - 1) if tick == int(tick) and tick <= x.high}
    drawing, y = draw_frame(x, x_ticks=steps, y_ticks=ticks, label=label, x_label=x_label, y_label=y_label)
    if mark is not None:
        draw_mark(drawing, x.at(mark[0]), mark[1])
    for number, curve in enumerate(curves.values()):
        points: list[Point] = [(x.at(i), y.at(v)) for i, v in enumerate(curve) if math.isfinite(v)]
        drawing.path(points if len(points) > 1 else points * 2, style=f"curve curve-{number}")
    draw_legend(drawing, tuple(curves), start=plot_axis(low=0, high=1).start + len(y_label) * _CHARACTER)
    return drawing.to_markup()


def plot_axis(*, low: float, high: float) -> Axis:
    """The axis to the right of a plot in a frame."""
    return Axis(low=low, high=high, start=44, end=WIDTH - 8)


def draw_frame(
    x: Axis,
    *,
    x_ticks: Mapping[float, str],
    y_ticks: Sequence[float],
    label: str,
    x_label: str,
    y_label: str,
) -> tuple[Drawing, Axis]:
    """An empty plot, and its axis upwards, which spans its ticks."""
    y = Axis(low=y_ticks[0], high=y_ticks[-1], start=_BOTTOM, end=_TOP)
    drawing = Drawing(WIDTH, 206, label=label)
    for tick in y_ticks:
        drawing.line((x.start, y.at(tick)), (x.end, y.at(tick)), style="grid")
        drawing.text((x.start - 5, y.at(tick) + 4), f"{tick:g}", style="tick", anchor="end")
    for tick, words in x_ticks.items():
        is_cut = x.at(tick) + len(words) * _DIGIT / 2 > WIDTH
        at = (WIDTH if is_cut else x.at(tick)), 187.0
        drawing.text(at, words, style="tick", anchor="end" if is_cut else "middle")
    drawing.text(((x.start + x.end) / 2, 202), x_label, style="tick", anchor="middle")
    drawing.text((4, 14), y_label, style="strong")
    return drawing, y


def draw_mark(drawing: Drawing, at: float, words: str, *, is_above: bool = False) -> None:
    """An upright line in a plot's frame, with what is there beside it, below or above."""
    drawing.line((at, _TOP), (at, _BOTTOM), style="mark")
    is_right = at > WIDTH / 2
    beside = at + (-4 if is_right else 4), _TOP + 10 if is_above else _BOTTOM - 6
    drawing.text(beside, words, style="tick", anchor="end" if is_right else "start")


def draw_legend(drawing: Drawing, names: Sequence[str], *, start: float) -> None:
    """Names of curves above a plot's frame, from ``start`` to the right."""
    for number, name in enumerate(names):
        drawing.line((start, 10), (start + 16, 10), style=f"curve curve-{number}")
        drawing.text((start + 20, 14), name, style="quiet")
        start += 34 + len(name) * _CHARACTER


def nice_ticks(low: float, high: float, *, n_wanted: int = 4) -> list[float]:
    """Round numbers that span low to high, about ``n_wanted`` steps apart."""
    span = high - low if high > low else max(abs(high), 1.0)
    step = 10 ** math.floor(math.log10(span / n_wanted))
    step = next(step * factor for factor in (1, 2, 5, 10) if step * factor * n_wanted >= span)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def shorten(words: str) -> str:
    """At most 16 characters, the last one telling that there were more."""
    return words if len(words) <= _MAX_CHARACTERS else f"{words[: _MAX_CHARACTERS - 1]}…"


def _label_width(labels: Sequence[str]) -> float:
    return min(max(map(len, labels), default=0), _MAX_CHARACTERS) * _WIDE_CHARACTER + 10


def _note_width(bars: Sequence[Bar]) -> float:
    # A percent sign takes half a digit more.
    return max((len(bar.note) + 0.5 * bar.note.count("%") for bar in bars), default=0) * _DIGIT + 8


def _draw_bar(drawing: Drawing, bar: Bar, axis: Axis, *, y: float, thickness: float, style: str) -> None:
    drawing.text((axis.end + 8, y + 4), bar.note, style="quiet")
    if bar.value is None:
        return
    size = axis.at(bar.value) - axis.start, thickness
    title = f"{bar.label}: {bar.value:.2f}"
    drawing.rect((axis.start, y - thickness / 2), size, style=style, title=title)
    if bar.low is not None and bar.high is not None:
        _whisker(drawing, (axis.at(bar.low), y), (axis.at(bar.high), y))


def _whisker(drawing: Drawing, start: Point, end: Point) -> None:
    drawing.line(start, end, style="whisker")
    across = (0.0, 4.0) if start[1] == end[1] else (4.0, 0.0)
    for x, y in (start, end):
        drawing.line((x - across[0], y - across[1]), (x + across[0], y + across[1]), style="whisker")
