"""Colours of a page against what they stand on, by WCAG 2.2: text 4.5 to 1, marks and lines of charts 3 to 1."""

import importlib.resources
import re

import numpy as np
import pytest

from deepsound.evaluation.metrics import measure
from deepsound.evaluation.render.chart_style import Colour
from deepsound.evaluation.render.figures import draw_confusion

CSS = (
    importlib.resources.files("deepsound.evaluation.render.html")
    .joinpath("templates", "scorecard.css")
    .read_text()
)
# What stands on what.
TEXT = {
    "ink": ("page", "card", "bad-soft"),
    "quiet": ("page", "card"),
    "accent": ("page", "card"),
    "good": ("card",),
    "bad": ("bad-soft",),
}
MARKS = {"accent": ("card", "page", "accent-soft"), "second": ("card",), "quiet": ("card",), "bad": ("card",)}


def palette(theme):
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in re.findall(r":root {(.*?)}", CSS, re.S)
    )
    return {name: rgb(code) for name, code in (light if theme == "light" else dark).items()}


def rgb(code):
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)


def test_the_formula():
    assert contrast(rgb("#ffffff"), rgb("#000000")) == pytest.approx(21)
    # The grey that is known as the lightest to pass on white.
    assert contrast(rgb("#767676"), rgb("#ffffff")) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (MARKS, 3.0)], ids=["text", "marks"])
def test_what_stands_on_what(theme, pairs, least):
    colours = palette(theme)
    found = {(own, below): contrast(colours[own], colours[below]) for own, on in pairs.items() for below in on}
    assert {pair: round(value, 2) for pair, value in found.items() if value < least} == {}


def test_every_colour_of_text_is_among_them():
    assert set(re.findall(r"(?<![-\w])color: var\(--([\w-]+)\)", CSS)) == set(TEXT)
    assert {colour.name.lower() for colour in Colour} <= set(palette("light")) == set(palette("dark"))
    assert {colour.name.lower(): rgb(colour.value).tolist() for colour in Colour}.items() <= {
        name: colour.tolist() for name, colour in palette("light").items()
    }.items()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_numbers_on_cells_can_be_read(theme):
    colours = palette(theme)
    truth = np.repeat([0, 1], [10, 20])
    predicted = np.array([0] * 10 + [0] * 3 + [1] * 17)
    figure = draw_confusion(measure(truth, predicted, genres=("a", "b"), artists=None))
    names = {tuple(rgb(colour.value)): colour.name.lower() for colour in Colour}
    faces = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert len(faces) == 4
    assert {text.get_color() for text in figure.axes[0].texts} == {Colour.INK}
    for *face, alpha in faces:
        shown = alpha * colours[names[tuple(face)]] + (1 - alpha) * colours["card"]
        assert contrast(colours["ink"], shown) >= 4.5
