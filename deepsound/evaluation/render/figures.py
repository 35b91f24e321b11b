"""Every chart of results, by matplotlib's object interface: inline SVG of a page, and PNG among a run's artifacts.

No global figure or backend is touched. A chart is 320 points wide, which a phone shows without shrinking; a large
confusion matrix is wider.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from deepsound.console import to_printable
from deepsound.evaluation.coverage import CoverageCurve
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.render.chart_style import (
    COLOURS,
    WIDTH,
    Colour,
    add_legend,
    add_title,
    finish_plot,
    new_chart,
    new_figure,
    pick_of,
    set_ticks,
    shorten,
    styled,
)
from deepsound.evaluation.render.text import describe_accuracy
from deepsound.evaluation.render.wording import brief

_CHARACTER = 7.0  # points that a character takes, in the widest of usual fonts
# Of fewer tracks than that an accuracy jumps about, and would only stretch the axis.
_FEWEST_TRACKS = 10
_MAX_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A share with its interval; ``value`` is None where it is undefined, and ``note`` then says why.

    ``pick`` are the tracks that a page lists at a click, from
    :func:`~deepsound.evaluation.render.chart_style.pick_of`.
    """

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    pick: str = ""


@styled
def draw_bars(bars: Sequence[Bar], *, title: str = "") -> Figure:
    """Shares as horizontal bars from 0 to 1, each with its interval."""
    figure, axes = new_chart(height=26 * len(bars) + (70 if title else 26))
    _draw_rows(axes, [bars], names=("",))
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    figure.suptitle(to_printable(title), wrap=True)
    return figure


@styled
def draw_paired_bars(pairs: Sequence[tuple[Bar, Bar]], *, names: tuple[str, str]) -> Figure:
    """Two shares a row, one below the other, each with its interval; as long as the longest needs, not up to 1.

    ``names`` say what the first and the second bars are. A row is labelled by its first bar, and its notes are
    both.
    """
    figure, axes = new_chart(height=34 * len(pairs) + 50)
    _draw_rows(axes, [[pair[place] for pair in pairs] for place in (0, 1)], names=names)
    ends = [end for pair in pairs for bar in pair for end in (bar.value, bar.high) if end is not None]
    axes.set_xlim(0, min(1.05 * max(ends, default=1.0), 1) or 1)
    set_ticks(axes, in_percent=True)
    add_legend(figure, axes)
    return figure


def draw_predicted_genres(genres: Sequence[str], counts: Sequence[int], *, title: str) -> Figure:
    """Share of the tracks predicted as each genre, with their number: what there is to see without labels."""
    total = sum(counts)
    pairs = zip(genres, counts, strict=True)
    bars = [Bar(label=genre, value=n / total if total else None, note=brief(n)) for genre, n in pairs]
    figure = draw_bars(bars, title=title)
    figure.axes[0].set_xlabel("share of tracks predicted")
    return figure


@styled
def draw_confusion(metrics: CollectionMetrics, *, title: str = "") -> Figure:
    """Confusion matrix: tracks as numbers, share of the true genre as shade; rows true, columns predicted.

    A picture that stands alone has a ``title``, what was scored, and then says its accuracy and axes, too.
    """
    confusion, genres = metrics.confusion, [line.genre for line in metrics.per_genre]
    labels, n_true = [shorten(genre) for genre in genres], confusion.sum(axis=1)
    # Counts of a large collection are shortened and still need their place; each has its exact number as a title.
    widest = max(len(brief(int(n))) for n in confusion.flat)
    left, slope = _CHARACTER * max(map(len, labels)) + 14, _CHARACTER * len(labels[-1])
    cell = max(22.0, widest * _CHARACTER + 8, min(40.0, (WIDTH - left) / len(genres)))
    above = 0.75 * _CHARACTER * max(map(len, labels)) + 20 + (60 if title else 0)
    width = max(WIDTH, left + cell * len(genres) + 0.67 * slope)
    figure, axes = new_chart(height=cell * len(genres) + above, width=width + (20 if title else 0))
    for (row, column), n in np.ndenumerate(confusion):
        share = n / max(n_true[row], 1)
        # No darker, so that the number on it can be read in light and dark.
        face = (COLOURS[row != column], 0.1 + 0.4 * share) if n else Colour.PAGE
        shape = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=face, edgecolor=Colour.CARD, linewidth=1.5)
        pick = pick_of("cell", genres[row], genres[column]) if n else ""
        add_title(shape, f"{n} of {n_true[row]} {genres[row]} tracks taken for {genres[column]}", pick=pick)
        axes.add_patch(shape)
        if n:
            axes.text(column, row, brief(int(n)), ha="center", va="center")
    limits = -0.5, len(genres) - 0.5
    axes.set(xlim=limits, ylim=limits[::-1], aspect="equal")
    axes.set_xticks(range(len(genres)), labels, rotation=48, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(genres)), labels)
    axes.tick_params("x", top=False, labeltop=True, labelbottom=False, labelcolor=Colour.INK)
    axes.spines[:].set_visible(False)
    if title:
        figure.suptitle(f"{to_printable(title)}\n{describe_accuracy(metrics)}", wrap=True)
        axes.set(xlabel="predicted genre", ylabel="true genre")
    return figure


@styled
def draw_reliability(reliabilities: Mapping[str, Reliability]) -> Figure:
    """Confidence against the share of right tracks; one square for each, beside each other.

    Bins of the last one are picked by a click: it is the one to go by.
    """
    n_squares = len(reliabilities)
    figure = new_figure(height=250 if n_squares == 1 else WIDTH / n_squares + 30)
    # So that the last number below one square is none of the next one's.
    all_axes = figure.subplots(1, n_squares, squeeze=False, sharey=True, gridspec_kw={"wspace": 0.12})[0]
    for axes, (name, reliability) in zip(all_axes, reliabilities.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=Colour.QUIET, linewidth=1, linestyle="dashed")
        for number, part in enumerate(reliability.bins, start=1):
            reach = [[abs(part.accuracy - part.low)], [abs(part.high - part.accuracy)]]
            axes.errorbar(part.confidence, part.accuracy, yerr=reach, color=Colour.INK, linewidth=1.5)
            words = f"{part.n_tracks} tracks of confidence {part.confidence:.2f}: {part.accuracy:.2f} right"
            pick = pick_of("bin", str(number)) if axes is all_axes[-1] else ""
            _draw_dot(axes, part.confidence, part.accuracy, words=words, pick=pick)
        axes.set(xlim=(0, 1), ylim=(0, 1), box_aspect=1, title=name, xlabel="confidence")
        for ticks in (axes.set_xticks, axes.set_yticks):
            ticks([0, 0.5, 1], ["0", "0.5", "1"], color=Colour.QUIET)
    all_axes[0].set_ylabel("share right")
    return figure


@styled
def draw_learning_curves(history: Sequence[Mapping[str, float]], *, best_epoch: int, title: str = "") -> Figure:
    """Loss above accuracy per epoch, training against validation; ``best_epoch`` (from 0) is marked.

    An epoch of ``history`` has ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``; what is not finite is left
    out.
    """
    figure = new_figure(height=370)
    all_axes = figure.subplots(2, 1, sharex=True)
    for axes, name in zip(all_axes, ("loss", "accuracy"), strict=True):
        for key, label, colour in zip((name, f"val_{name}"), ("training", "validation"), COLOURS, strict=True):
            points = [(i, epoch[key]) for i, epoch in enumerate(history) if math.isfinite(epoch[key])]
            # One point alone makes no line.
            marker = "." if len(points) == 1 else None
            axes.plot(*np.array(points).reshape(-1, 2).T, color=colour, marker=marker, label=label)
        finish_plot(axes, x_label="epoch", y_label=name, mark=best_epoch, mark_name="weights kept")
    all_axes[0].set(title=to_printable(title), xlabel="")
    all_axes[1].xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    add_legend(figure, all_axes[0])
    return figure


@styled
def draw_coverage(curve: CoverageCurve, *, dots: tuple[float, ...]) -> Figure:
    """Accuracy of the surest tracks against how many of all these are, with 95 % intervals as thin lines.

    ``dots`` are coverages that are marked on the curve.
    """
    points = [curve.point(int(level)) for level in _choose_levels(curve)]
    coverages = [point.coverage for point in points]
    figure, axes = new_chart(height=206)
    for bound in ([point.low for point in points], [point.high for point in points]):
        axes.plot(coverages, bound, color=Colour.QUIET, linewidth=1, linestyle="dashed")
    axes.plot(coverages, [point.accuracy for point in points], color=Colour.ACCENT)
    for coverage in dots:
        accuracy = curve.accuracy_at(coverage)
        _draw_dot(axes, coverage, accuracy, words=f"the surest {100 * coverage:.0f} %: {accuracy:.3f} right")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    set_ticks(axes, in_percent=True)
    finish_plot(axes, x_label="share of tracks, the surest first", y_label="share right")
    return figure


@styled
def draw_distances(edges: np.ndarray, *, home: np.ndarray, collection: np.ndarray, threshold: float) -> Figure:
    """Histograms of the scores of held-out tracks (filled) and of a collection, each adding up to 1.

    ``edges`` rise [shape=(n_bins + 1,)]; ``home`` and ``collection`` are tracks in each bin; above the threshold a
    track is called out-of-distribution.
    """
    figure, axes = new_chart(height=226)
    shares = [counts / max(int(counts.sum()), 1) for counts in (home, collection)]
    axes.stairs(shares[0], edges, fill=True, color=Colour.ACCENT, alpha=0.16, linewidth=0)
    for part, name, colour in zip(shares, ("in-distribution", "collection"), COLOURS, strict=True):
        axes.stairs(part, edges, color=colour, linewidth=2, label=name)
    x_label, y_label = "score; farther from training to the right", "share of tracks"
    finish_plot(axes, x_label=x_label, y_label=y_label, mark=threshold, mark_name="threshold")
    axes.margins(x=0)
    set_ticks(axes)
    add_legend(figure, axes)
    return figure


def _draw_rows(axes: Axes, series: Sequence[Sequence[Bar]], *, names: Sequence[str]) -> None:
    """Rows from above, labelled on the left; of each series a bar in every row, its note on the right."""
    step = 0.8 / len(series)
    for place, (bars, name, colour) in enumerate(zip(series, names, COLOURS, strict=False)):
        for row, bar in enumerate(bars):
            y = row + step * (place - (len(series) - 1) / 2)
            axes.text(1.04, y, bar.note, transform=axes.get_yaxis_transform(), va="center", color=Colour.QUIET)
            value = 0.0 if bar.value is None else bar.value
            (shape,) = axes.barh(y, value, height=0.85 * step, color=colour, alpha=0.55, label="" if row else name)
            add_title(shape, f"{bar.label}: {bar.note if bar.value is None else f'{value:.2f}'}", pick=bar.pick)
            if bar.low is not None and bar.high is not None:
                reach = [[abs(value - bar.low)], [abs(bar.high - value)]]
                axes.errorbar(value, y, xerr=reach, color=Colour.INK, linewidth=1.5)
    labels = [shorten(bar.label) for bar in series[0]]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.spines[:].set_visible(False)


def _draw_dot(axes: Axes, x: float, y: float, *, words: str, pick: str = "") -> None:
    """A dot; one to be picked has around it what a finger needs."""
    (dot,) = axes.plot(x, y, "o", markersize=8, color=Colour.ACCENT, markeredgecolor=Colour.CARD, zorder=3)
    dot.set_clip_on(False)
    if pick:
        (dot,) = axes.plot(x, y, "o", markersize=22, color=(Colour.CARD, 0), markeredgewidth=0, zorder=4)
        dot.set_clip_on(False)
    add_title(dot, words, pick=pick)


def _choose_levels(curve: CoverageCurve) -> np.ndarray:
    """Positions of at most 200 levels at even steps of coverage, the last one among them."""
    first = int(np.searchsorted(curve.n_accepted, min(_FEWEST_TRACKS, curve.n_tracks)))
    wanted = np.linspace(curve.n_accepted[first], curve.n_tracks, _MAX_POINTS)
    return np.unique(np.searchsorted(curve.n_accepted, wanted))
