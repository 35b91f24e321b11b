"""Pages of a training, a collection, a comparison and a benchmark are of the same parts."""

import re

import numpy as np
import pytest

from deepsound.evaluation.benchmark import Cell, evaluate_benchmark
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.examples import Examples
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.render.html.benchmark import benchmark_page
from deepsound.evaluation.render.html.collection import collection_page
from deepsound.evaluation.render.html.comparison import comparison_page
from tests.markup import Checker, loads_of

GENRES = ("blues", "<i>jazz")
COMMAND = "deepsound x 'a <b>'"
N = 60


def predict(seed):
    rng = np.random.default_rng(seed)
    truth = np.arange(N) % 2
    chances = rng.dirichlet([1, 1], N) + 0.5 * np.eye(2)[truth]
    return make_predictions(
        [f"t{i}" for i in range(N)],
        artists=[f"a{i // 4}" for i in range(N)],
        true_indices=truth,
        probabilities=chances / chances.sum(axis=1, keepdims=True),
        genres=GENRES,
    )


def draw_collection():
    report = evaluate(predict(0), genres=GENRES)
    return collection_page(
        report, title="<t>", examples=Examples(genres=GENRES), command=COMMAND, facts={"a": "<f>"}
    )


def draw_comparison():
    tables = predict(0), predict(1)
    right = [np.array(t["genre"].to_pylist()) == np.array(t["predicted_genre"].to_pylist()) for t in tables]
    return comparison_page(
        compare_paired(right[0], right[1], units=np.arange(N) // 4),
        names=("<m>", "models:/b/1"),
        metrics=tuple(evaluate(table, genres=GENRES).metrics for table in tables),
        notes=["WARNING: <n>"],
        command=COMMAND,
        facts={"features": "<f>"},
    )


def draw_benchmark():
    cells = [
        Cell(
            feature="mfcc",
            architecture=name,
            protocol="artists",
            predictions=predict(seed),
            seconds=1.0,
            run_id="",
        )
        for seed, name in enumerate(("<lda>", "cnn"))
    ]
    benchmark = evaluate_benchmark(cells, genres=GENRES)
    return benchmark_page(benchmark, facts={"features": "<f>"}, settings={"seed": 1}, command=COMMAND)


@pytest.mark.parametrize("draw", [draw_collection, draw_comparison, draw_benchmark])
def test_a_page_is_whole_and_of_the_same_parts(draw):
    page = draw()
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert loads_of(page) == []
    assert "default-src 'none'" in page
    assert checker.tags.count("script") == 2
    headings = re.findall(r"<h2>(.+?)</h2>", page)
    assert re.findall(r'<li><a href="#part-\d+">(.+?)</a>', page) == headings
    assert headings[-1] == "Reproduce"
    assert '<pre tabindex="0">deepsound x &#39;a &lt;b&gt;&#39;</pre>' in page
    charts = re.findall(r"<svg[^>]*>", page)
    assert charts
    assert all("aria-label=" in chart for chart in charts)
    assert len(re.findall('class="figure"', page)) == 1


def test_a_comparison_says_which_is_better_and_what_to_mind():
    page = draw_comparison()
    right = [
        np.array(t["genre"].to_pylist()) == np.array(t["predicted_genre"].to_pylist())
        for t in (predict(0), predict(1))
    ]
    points = 100 * (right[0].mean() - right[1].mean())
    assert f'<div class="figure">{points:+.1f} points <small>' in page
    assert "WARNING: &lt;n&gt;" in page
    assert "no more than chance</li>" in page
    for table in (predict(0), predict(1)):
        blues = evaluate(table, genres=GENRES).metrics.per_genre[0]
        assert f"{blues.recall:.2f} [{blues.recall_low:.2f}, {blues.recall_high:.2f}]" in page
    same = np.ones(N, bool)
    better = comparison_page(
        compare_paired(~same, same),
        names=("a", "b"),
        metrics=tuple(evaluate(predict(0), genres=GENRES).metrics for _ in "ab"),
        notes=(),
        command="",
        facts={},
    )
    assert "-100.0 points" in better
    assert '<li class="good">B is better</li>' in better
