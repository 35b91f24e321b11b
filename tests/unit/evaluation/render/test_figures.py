"""Charts show the numbers they are of, and stand in a page without harm to it or to each other."""

import dataclasses
import io
import pathlib
import re
import warnings
import xml.etree.ElementTree as ET

import matplotlib.image
import numpy as np
import pytest

import deepsound.evaluation.render.html
from deepsound.console import to_printable
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.reliability import compute_reliability
from deepsound.evaluation.render.chart_style import PICK, TITLE, WIDTH, Colour, save_figure, shorten
from deepsound.evaluation.render.figures import (
    Bar,
    draw_bars,
    draw_confusion,
    draw_coverage,
    draw_distances,
    draw_learning_curves,
    draw_paired_bars,
    draw_predicted_genres,
    draw_reliability,
)
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from tests.confusions import metrics_of

CONFUSION = np.array([[8, 1, 1], [2, 5, 3], [0, 0, 0]])
METRICS = metrics_of(CONFUSION, genres=("blues", "jazz", "rock"))
EPOCH = {"loss": 2.0, "val_loss": 2.5, "accuracy": 0.1, "val_accuracy": 0.2}


def make_reliability(n=60):
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.4, 1, n)
    return compute_reliability(confidences, is_right=rng.random(n) < confidences)


def make_coverage(n=300):
    rng = np.random.default_rng(0)
    confidences = rng.random(n)
    return compute_coverage(confidences, is_right=rng.random(n) < confidences)


def draw(kind, name="blues"):
    """A chart of each kind, with a name of somebody's on it where there are such."""
    return KINDS[kind](name, Bar(label=name, value=0.4, low=0.2, high=0.7, note="2 of 5"))


EDGES = np.array([0.0, 1.0, 2.0])
KINDS = {
    "bars": lambda _, bar: draw_bars([bar]),
    "paired bars": lambda _, bar: draw_paired_bars([(bar, bar)], names=("one", "other")),
    "predicted genres": lambda name, _: draw_predicted_genres([name, "x"], [3, 1], title=name),
    "confusion": lambda name, _: draw_confusion(metrics_of(np.array([[3, 1], [0, 4]]), genres=(name, "x"))),
    "reliability": lambda *_: draw_reliability({"before": make_reliability(), "after": make_reliability()}),
    "learning curves": lambda name, _: draw_learning_curves([EPOCH] * 3, best_epoch=1, title=name),
    "coverage": lambda *_: draw_coverage(make_coverage(), dots=(1.0, 0.5)),
    "distances": lambda *_: draw_distances(
        EDGES, home=np.array([3, 1]), collection=np.array([1, 3]), threshold=1.5
    ),
}


def to_svg(figure):
    return ET.fromstring(str(to_inline_svg(figure, label="what it shows")))


def words_of(svg):
    return [text.text for text in svg.iter("text")]


def titles_of(svg):
    return [title.text for title in svg.iter("title")]


def titled(axes):
    """The shapes with a title, by it."""
    shapes = [shape for shape in axes.get_children() if (shape.get_gid() or "").startswith(TITLE)]
    return {shape.get_gid().removeprefix(TITLE).partition(PICK)[0]: shape for shape in shapes}


def reaches(axes, *, dimension=0):
    """From where to where the error bars reach."""
    lines = [segment[:, dimension] for lines in axes.collections for segment in lines.get_segments()]
    return [tuple(line) for line in lines]


@pytest.mark.parametrize("kind", KINDS)
def test_every_colour_is_a_variable_and_nothing_is_referred_to(kind):
    svg = to_inline_svg(draw(kind), label="")
    assert not re.search("#[0-9a-fA-F]{3,6}", svg)
    assert set(re.findall(r"var\(--(\w+)\)", svg)) <= {colour.name.lower() for colour in Colour}
    assert "var(--" in svg
    assert not re.search(r"\b(id|href|clip-path|font-family|xmlns)\b|url\(|://|<style|<!|<\?|<defs", svg)
    assert not re.search(r'style="(?![^"]*(fill|stroke): )[^"]*"', svg), "black, as nothing is said of its colour"
    assert ET.fromstring(str(svg)).get("viewBox").startswith("0 0 320 ")


def test_two_charts_on_one_page_share_no_id():
    page = to_inline_svg(draw("reliability"), label="") + to_inline_svg(draw("reliability"), label="")
    assert page.count("<path") > 20
    ids = re.findall(r'\bid="', page)
    assert ids == []


def test_a_chart_says_what_it_is_to_a_screen_reader():
    svg = to_svg(draw("bars"))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "what it shows")


def test_the_palette_is_that_of_the_light_page():
    folder = pathlib.Path(deepsound.evaluation.render.html.__file__).parent
    light = (folder / "templates" / "scorecard.css").read_text().split("@media")[0]
    variables = dict(re.findall(r"--([\w-]+): (#\w+);", light))
    assert {colour.name.lower(): variables[colour.name.lower()] for colour in Colour} == {
        colour.name.lower(): colour.value for colour in Colour
    }
    assert len({colour.value for colour in Colour}) == len(Colour)


@pytest.mark.parametrize(
    "name", ["<script>x</script>", "$x$", "$\\frac{", "a & \"b\" 'c'", "#2563a8", "\u97f3\u697d", "\U0001f600"]
)
def test_names_stay_as_they_are_and_give_no_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("bars", "paired bars", "confusion", "predicted genres"):
            figure = draw(kind, name)
            svg = to_inline_svg(figure, label=name)
            assert "<script" not in svg
            assert save_figure(figure, kind="png").startswith(b"\x89PNG")
            root = ET.fromstring(str(svg))
            assert shorten(name) in words_of(root)
            assert any(name in title for title in titles_of(root))
            assert root.get("aria-label") == name


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\ud800b", ""])
def test_names_that_no_xml_can_hold_are_written_otherwise(name):
    for kind in ("bars", "confusion", "predicted genres", "learning curves"):
        told = [words or "" for words in words_of(to_svg(draw(kind, name)))]
        assert to_printable(name) in " ".join(told), kind


def test_long_names_are_shortened_but_not_in_the_title():
    name = "experimental and noise"
    svg = to_svg(draw("bars", name))
    assert "experimental an…" in words_of(svg)
    assert titles_of(svg) == [f"{name}: 0.40"]


def test_bars_are_as_long_as_their_shares_with_intervals_where_they_belong():
    bars = [Bar(label="a", value=1.0), Bar(label="b", value=0.25, low=0.1, high=0.5), Bar(label="c", value=None)]
    axes = draw_bars(bars).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 0.25, 0.0]
    assert reaches(axes) == [pytest.approx((0.1, 0.5))]
    assert axes.collections[0].get_segments()[0][0][1] == 1  # the second row
    assert axes.get_ylim() == (2.5, -0.5)
    assert axes.get_xlim() == (0, 1)
    assert list(draw_bars([]).axes[0].patches) == []


def test_paired_bars_lie_below_each_other_on_a_scale_as_long_as_the_longest():
    pairs = [(Bar(label="a", value=0.4, note="40 %"), Bar(label="a", value=0.1, low=0.05, high=0.3, note="10 %"))]
    figure = draw_paired_bars(pairs, names=("one", "other"))
    axes = figure.axes[0]
    assert axes.get_xlim() == (0, pytest.approx(0.42))
    one, other = axes.patches
    assert (one.get_width(), other.get_width()) == (0.4, 0.1)
    assert one.get_y() + one.get_height() < other.get_y() + 0.01
    assert reaches(axes) == [pytest.approx((0.05, 0.3))]
    assert axes.collections[0].get_segments()[0][0][1] == pytest.approx(other.get_y() + other.get_height() / 2)
    words = words_of(to_svg(figure))
    assert {"one", "other", "0 %", "40 %", "10 %"} <= set(words)
    assert "60 %" not in words
    whole = draw_paired_bars([(Bar(label="a", value=1.0, high=1.0), Bar(label="a", value=None))], names=("", ""))
    assert "100 %" in words_of(to_svg(whole))
    assert "120 %" not in words_of(to_svg(whole))
    assert to_svg(draw_paired_bars([], names=("one", "other"))).tag == "svg"


def test_predicted_genres_have_shares_and_counts():
    axes = draw_predicted_genres(["a", "b"], [30_000, 10_000], title="toy").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [text.get_text() for text in axes.texts] == ["30k", "10k"]
    assert "toy" in words_of(to_svg(draw_predicted_genres(["a"], [0], title="toy")))


def test_confusion_shows_counts_and_shares():
    axes = draw_confusion(METRICS).axes[0]
    assert [(t.get_position()[::-1], t.get_text()) for t in axes.texts] == [
        ((0, 0), "8"),
        ((0, 1), "1"),
        ((0, 2), "1"),
        ((1, 0), "2"),
        ((1, 1), "5"),
        ((1, 2), "3"),
    ]
    cells = titled(axes)
    assert len(cells) == 9
    right, wrong = cells["8 of 10 blues tracks taken for blues"], cells["2 of 10 jazz tracks taken for blues"]
    assert matplotlib.colors.to_hex(right.get_facecolor()) == Colour.ACCENT
    assert matplotlib.colors.to_hex(wrong.get_facecolor()) == Colour.SECOND
    assert (right.get_facecolor()[3], wrong.get_facecolor()[3]) == pytest.approx(
        (0.1 + 0.4 * 0.8, 0.1 + 0.4 * 0.2)
    )
    empty = cells["0 of 0 rock tracks taken for jazz"]
    assert (empty.get_xy(), matplotlib.colors.to_hex(empty.get_facecolor())) == ((0.5, 1.5), Colour.PAGE)
    assert axes.get_ylim() == (2.5, -0.5)
    assert sorted(titles_of(to_svg(draw_confusion(METRICS)))) == sorted(cells)


def test_a_confusion_that_stands_alone_says_its_accuracy_and_axes():
    figure = draw_confusion(METRICS, title="toy")
    assert figure.get_suptitle().startswith("toy\naccuracy 0.65 [")
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("predicted genre", "true genre")
    nothing = draw_confusion(metrics_of(np.zeros((1, 1), int), genres=("a",)), title="toy")
    assert nothing.get_suptitle() == "toy\nno labelled track, so no accuracy"
    assert to_svg(nothing).get("viewBox").startswith("0 0 340 ")


def test_large_counts_fit_into_their_cells_and_large_matrices_are_scrolled():
    genres = [f"genre {i}" for i in range(10)]
    small = metrics_of(np.eye(10, dtype=int), genres=genres)
    svg = to_svg(draw_confusion(dataclasses.replace(small, confusion=np.full((10, 10), 123_456))))
    assert words_of(svg).count("123k") == 100
    assert "123456 of 1234560 genre 0 tracks taken for genre 1" in titles_of(svg)
    cell = next(path for path in svg.iter("path") if "var(--second)" in path.get("style"))
    xs = [float(x) for x in re.findall(r"[ML] ([\d.]+)", cell.get("d"))]
    assert max(xs) - min(xs) > 4 * 6.5
    least = re.fullmatch(r"min-width:(\d+)px", svg.get("style"))
    assert int(least[1]) > 1.3 * WIDTH
    assert to_svg(draw_confusion(METRICS)).get("style") is None


def test_reliability_dots_lie_where_the_bins_are_with_their_intervals():
    reliability = make_reliability()
    figure = draw_reliability({"before": reliability, "after": reliability})
    assert [axes.get_title() for axes in figure.axes] == ["before", "after"]
    for axes in figure.axes:
        dots = titled(axes)
        assert [(*dot.get_xdata(), *dot.get_ydata()) for dot in dots.values()] == [
            (part.confidence, part.accuracy) for part in reliability.bins
        ]
        assert reaches(axes, dimension=1) == [pytest.approx((part.low, part.high)) for part in reliability.bins]
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0, 1))
    assert len(titles_of(to_svg(figure))) == 2 * len(reliability.bins)
    assert to_svg(draw_reliability({"here": make_reliability(1)})).tag == "svg"


def test_dots_keep_their_place_and_colour_inside_a_page():
    reliability = make_reliability()
    svg = to_svg(draw_reliability({"here": reliability}))
    dots = [path for path in svg.iter("path") if "fill: var(--accent)" in path.get("style", "")]
    # What is clicked lies around them.
    assert [group.find("path").get("transform") for group in svg.iter("g")] == [d.get("transform") for d in dots]
    assert [group.get("data-pick") for group in svg.iter("g")] == [f"bin={i + 1}" for i in range(len(dots))]
    places = [re.fullmatch(r"translate\(([\d.]+) ([\d.]+)\)", dot.get("transform")).groups() for dot in dots]
    x, y = np.array(places, float).T
    assert np.corrcoef(x, [part.confidence for part in reliability.bins])[0, 1] == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(y, [part.accuracy for part in reliability.bins])[0, 1] == pytest.approx(-1, abs=1e-4)


def test_learning_curves_show_each_epoch_and_leave_out_what_is_not_finite():
    history = [EPOCH, {**EPOCH, "loss": float("nan"), "accuracy": float("inf")}, {**EPOCH, "loss": 1.0}]
    figure = draw_learning_curves(history, best_epoch=2, title="toy")
    loss, accuracy = figure.axes
    training, validation, kept = loss.lines
    assert (list(training.get_xdata()), list(training.get_ydata())) == ([0, 2], [2.0, 1.0])
    assert list(validation.get_ydata()) == [2.5] * 3
    assert list(kept.get_xdata()) == [2, 2]
    assert list(accuracy.lines[0].get_xdata()) == [0, 2]
    assert (loss.get_title(), accuracy.get_ylabel()) == ("toy", "accuracy")
    words = words_of(to_svg(figure))
    assert {"training", "validation", "weights kept", "epoch", "loss"} <= set(words)
    never = {name: float("nan") for name in EPOCH}
    for history in ([never], [EPOCH]):
        assert "nan" not in to_inline_svg(draw_learning_curves(history, best_epoch=0), label="")


def test_one_epoch_is_a_point():
    figure = draw_learning_curves([EPOCH], best_epoch=0)
    assert figure.axes[0].lines[0].get_marker() == "."


def test_the_coverage_curve_is_drawn_from_ten_tracks_on_and_in_few_points():
    curve = make_coverage(20_000)
    axes = draw_coverage(curve, dots=(1.0, 0.5)).axes[0]
    low, high, line, *dots = axes.lines
    assert {len(drawn.get_xdata()) for drawn in (low, high, line)} == {200}
    x, y = line.get_data()
    assert (np.diff(x) > 0).all()
    assert (x[0], x[-1]) == (10 / 20_000, 1)
    assert y[-1] == curve.accuracy_at(1.0)
    assert (low.get_ydata()[-1], high.get_ydata()[-1]) == curve.interval_at(1.0)
    assert [(*dot.get_xdata(), *dot.get_ydata()) for dot in dots] == [
        (c, curve.accuracy_at(c)) for c in (1.0, 0.5)
    ]
    assert list(titled(axes))[1] == f"the surest 50 %: {curve.accuracy_at(0.5):.3f} right"
    assert axes.get_ylim()[0] >= 0
    assert axes.get_ylim()[1] == 1


@pytest.mark.parametrize(("n_tracks", "first"), [(50, 10), (10, 10), (4, 4), (1, 1)])
def test_an_accuracy_of_fewer_than_ten_tracks_is_not_drawn(n_tracks, first):
    curve = compute_coverage(np.linspace(1, 0.5, n_tracks), is_right=np.arange(n_tracks) % 3 > 0)
    figure = draw_coverage(curve, dots=())
    assert figure.axes[0].lines[2].get_xdata()[0] == pytest.approx(first / n_tracks)
    to_svg(figure)


def test_distances_are_drawn_as_shares_beside_the_threshold():
    edges = np.array([0.0, 1.0, 2.0, 4.0])
    figure = draw_distances(edges, home=np.array([4, 4, 0]), collection=np.array([0, 500, 1500]), threshold=3.0)
    area, home, collection = figure.axes[0].patches
    assert area.get_fill()
    assert not home.get_fill()
    for steps, shares in ((area, [0.5, 0.5, 0]), (home, [0.5, 0.5, 0]), (collection, [0, 0.25, 0.75])):
        assert list(steps.get_data().values) == shares
        assert list(steps.get_data().edges) == list(edges)
    assert list(figure.axes[0].lines[0].get_xdata()) == [3.0, 3.0]
    assert {"in-distribution", "collection", "threshold"} <= set(words_of(to_svg(figure)))


def test_a_threshold_beyond_the_histogram_is_still_on_it():
    figure = draw_distances(np.array([0.0, 1.0]), home=np.array([3]), collection=np.array([0]), threshold=2.0)
    assert figure.axes[0].get_xlim() == (0, 2)
    to_svg(figure)


def test_a_picture_is_what_the_page_shows_on_white():
    image = matplotlib.image.imread(io.BytesIO(save_figure(draw("bars"), kind="png")))
    assert image.shape[1] == pytest.approx(WIDTH / 72 * 160, abs=1)
    assert tuple(image[0, 0, :3]) == (1, 1, 1)


def test_drawing_leaves_the_settings_of_the_process_alone():
    before = dict(matplotlib.rcParams)
    for kind in ("bars", "distances"):
        to_inline_svg(draw(kind), label="")
    assert dict(matplotlib.rcParams) == before
