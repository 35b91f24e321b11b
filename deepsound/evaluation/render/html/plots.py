"""Plots of what a collection's scores come to: accuracy against coverage, out-of-distribution scores."""

import numpy as np
from markupsafe import Markup

from deepsound.evaluation.coverage import CoverageCurve
from deepsound.evaluation.render.html.charts import draw_frame, draw_legend, draw_mark, nice_ticks, plot_axis
from deepsound.evaluation.render.html.svg import Point

# Of fewer tracks than that an accuracy jumps about, and would only stretch the axis.
_FEWEST_TRACKS = 10
_MAX_POINTS = 200
_LEGEND = 150.0


def draw_coverage(curve: CoverageCurve, *, dots: tuple[float, ...]) -> Markup:
    """Accuracy of the surest tracks against how many of all these are, with 95 % intervals as thin lines.

    Parameters
    ----------
    dots : tuple of float
        Coverages that are marked on the curve.
    """
    points = [curve.point(int(level)) for level in _choose_levels(curve)]
    x = plot_axis(low=0, high=1)
    drawing, y = draw_frame(
        x,
        x_ticks={tick / 4: f"{25 * tick} %" for tick in range(5)},
        y_ticks=nice_ticks(min(point.low for point in points), 1),
        label="accuracy of the surest tracks against the share of tracks that these are",
        x_label="share of tracks, the surest first",
        y_label="share right",
    )
    for bound in ("low", "high"):
        drawing.path([(x.at(p.coverage), y.at(getattr(p, bound))) for p in points], style="bound")
    drawing.path([(x.at(p.coverage), y.at(p.accuracy)) for p in points], style="curve curve-0")
    for coverage in dots:
        accuracy = curve.accuracy_at(coverage)
        words = f"the surest {100 * coverage:.0f} %: {accuracy:.3f} right"
        drawing.circle((x.at(coverage), y.at(max(accuracy, y.low))), 4, style="dot", title=words)
    return drawing.to_markup()


def _choose_levels(curve: CoverageCurve) -> np.ndarray:
    """Positions of at most 200 levels at even steps of coverage, the last one among them."""
    first = int(np.searchsorted(curve.n_accepted, min(_FEWEST_TRACKS, curve.n_tracks)))
    wanted = np.linspace(curve.n_accepted[first], curve.n_tracks, _MAX_POINTS)
    return np.unique(np.searchsorted(curve.n_accepted, wanted))


def draw_distances(edges: np.ndarray, *, home: np.ndarray, collection: np.ndarray, threshold: float) -> Markup:
    """Histograms of the scores of held-out tracks (filled) and of a collection, each adding up to 1.

    Parameters
    ----------
    edges : np.ndarray [shape=(n_bins + 1,), rising]
    home, collection : np.ndarray [shape=(n_bins,), int]
        Tracks in each bin.
    threshold : float
        From where on a track is called out-of-distribution.
    """
    shares = [counts / max(int(counts.sum()), 1) for counts in (home, collection)]
    low, high = min(float(edges[0]), threshold), max(float(edges[-1]), threshold)
    x = plot_axis(low=low, high=high)
    drawing, y = draw_frame(
        x,
        x_ticks={tick: f"{tick:g}" for tick in nice_ticks(low, high) if low <= tick <= high},
        y_ticks=nice_ticks(0, max(float(part.max()) for part in shares)),
        label="out-of-distribution scores of the collection beside those of held-out tracks of training",
        x_label="score; farther from the training tracks to the right",
        y_label="share of tracks",
    )
    for number, part in enumerate(shares):
        steps: list[Point] = [(x.at(float(edges[0])), y.at(0))]
        for i, share in enumerate(part.tolist()):
            steps += [(x.at(float(edges[i])), y.at(share)), (x.at(float(edges[i + 1])), y.at(share))]
        steps.append((x.at(float(edges[-1])), y.at(0)))
        if number == 0:
            drawing.path(steps, style="area")
        drawing.path(steps, style=f"curve curve-{number}")
    draw_mark(drawing, x.at(threshold), "threshold", is_above=True)
    draw_legend(drawing, ("in-distribution", "collection"), start=_LEGEND)
    return drawing.to_markup()
