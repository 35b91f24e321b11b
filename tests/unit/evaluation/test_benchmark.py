"""The table of a benchmark against scikit-learn, Holm's correction against numbers worked out by hand."""

import csv
import html
import io
import json

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics

from deepsound.errors import ParameterError
from deepsound.evaluation.benchmark import Cell, evaluate_benchmark
from deepsound.evaluation.multiple_tests import adjust_by_holm
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.render.benchmark import benchmark_to_csv, benchmark_to_json, format_benchmark
from deepsound.evaluation.render.html.benchmark import benchmark_page
from deepsound.evaluation.units import number_units
from tests.populations import draw_answers

GENRES = ("blues", "jazz", "rock")


def make_cell(protocol, *, architecture="lda", seed=0, shift=0, n_artists=30, folds=True, ids=None, artists=True):
    """Tracks of artists who are alike; ``shift`` makes so many of the first right ones wrong."""
    rng = np.random.default_rng(seed)
    true, predicted, owners = draw_answers(rng, n_artists=n_artists, n_tracks=3, correlation=0.4)
    wrong = np.flatnonzero(true == predicted)[:shift]
    predicted[wrong] = (true[wrong] + 1) % 3
    probabilities = np.full((len(true), 3), 0.1)
    probabilities[np.arange(len(true)), predicted] = 0.8
    table = make_predictions(
        ids or [f"t{i:03}" for i in range(len(true))],
        artists=[f"artist {owner}" if artists else None for owner in owners],
        true_indices=true,
        probabilities=probabilities,
        genres=GENRES,
    )
    if folds:
        table = table.append_column("fold", pa.array(owners % 5, pa.int32()))
    return Cell(
        feature="mfcc",
        architecture=architecture,
        protocol=protocol,
        predictions=table,
        seconds=1.5,
        run_id=f"run-{architecture}-{protocol}",
    )


def read(benchmark):
    return list(csv.DictReader(io.StringIO(benchmark_to_csv(benchmark))))


def answers(cell):
    return cell.predictions["genre"].to_pylist(), cell.predictions["predicted_genre"].to_pylist()


def test_holm_by_hand():
    """0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04, which is no less than the one before."""
    assert adjust_by_holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_by_holm([0.6, 0.5]) == [1.0, 1.0]
    assert adjust_by_holm([0.02]) == [0.02]
    assert adjust_by_holm([]) == []


def reject_by_holm(p, alpha):
    """Holm's procedure as his paper has it: the smallest first, until one is not small enough."""
    rejected = set()
    for place, i in enumerate(np.argsort(p)):
        if p[i] > alpha / (len(p) - place):
            break
        rejected.add(int(i))
    return rejected


def test_holm_adjusts_to_the_level_at_which_the_procedure_rejects():
    p = np.random.default_rng(0).beta(0.5, 3, size=20)
    for i, adjusted in enumerate(adjust_by_holm(p)):
        assert i not in reject_by_holm(p, adjusted * 0.999)
        assert adjusted == 1 or i in reject_by_holm(p, adjusted * 1.001)


def test_the_csv_has_the_numbers_of_scikit_learn():
    cells = [make_cell(protocol, seed=seed) for seed, protocol in enumerate(("tracks", "artists", "foreign"))]
    rows = read(evaluate_benchmark(cells, genres=GENRES))
    assert [row["protocol"] for row in rows] == ["random tracks", "whole artists", "foreign"]
    for cell, row in zip(cells, rows, strict=True):
        true, predicted = answers(cell)
        assert float(row["accuracy"]) == pytest.approx(sklearn.metrics.accuracy_score(true, predicted))
        for name, score in (
            ("macro_f1", sklearn.metrics.f1_score),
            ("macro_recall", sklearn.metrics.recall_score),
        ):
            assert float(row[name]) == pytest.approx(score(true, predicted, average="macro"))
        folds = cell.predictions["fold"].to_numpy()
        right = np.array(true) == np.array(predicted)
        of_folds = [sklearn.metrics.accuracy_score(right[folds == k], np.ones(sum(folds == k))) for k in range(5)]
        assert float(row["fold_mean"]) == pytest.approx(np.mean(of_folds))
        assert float(row["fold_sd"]) == pytest.approx(np.std(of_folds, ddof=1))
        assert (row["n_tracks"], row["n_artists"], row["interval_unit"]) == ("90", "30", "artist")
        assert (row["seconds"], row["run_id"]) == ("1.5", cell.run_id)


def test_inflation_is_the_difference_on_the_same_tracks():
    careless, careful = make_cell("tracks"), make_cell("artists", shift=20)
    benchmark = evaluate_benchmark([careless, careful], genres=GENRES)
    first, last = read(benchmark)
    assert float(first["inflation_points"]) == pytest.approx(100 * 20 / 90)
    assert float(first["inflation_low"]) > 0
    assert float(last["inflation_points"]) == 0
    assert "mfcc, random tracks: +22.2 [" in "\n".join(format_benchmark(benchmark))
    assert read(evaluate_benchmark([careless], genres=GENRES))[0]["inflation_points"] == ""


def test_the_most_careful_protocol_is_the_headline_and_its_best_head_the_best():
    cells = [
        make_cell(protocol, architecture=name, shift=shift)
        for name, shift in (("lda", 30), ("cnn", 10), ("mlp", 20))
        for protocol in ("segments", "tracks", "artists", "foreign")
    ]
    benchmark = evaluate_benchmark(cells, genres=GENRES)
    assert (benchmark.headline, benchmark.best.cell.architecture) == ("artists", "cnn")
    assert benchmark.protocols == ("segments", "tracks", "artists", "foreign")
    assert benchmark.heads == ("lda on mfcc", "cnn on mfcc", "mlp on mfcc")
    without = [cell for cell in cells if cell.protocol in ("segments", "tracks")]
    assert evaluate_benchmark(without, genres=GENRES).headline == "tracks"


def test_every_pair_of_heads_is_compared_by_artists_and_corrected_within_its_protocol():
    names = {"lda": 30, "cnn": 10, "mlp": 20}
    cells = [
        make_cell(protocol, architecture=name, shift=shift)
        for name, shift in names.items()
        for protocol in ("tracks", "artists", "foreign")
    ]
    benchmark = evaluate_benchmark(cells, genres=GENRES)
    assert [pair.protocol for pair in benchmark.pairs] == ["artists"] * 3 + ["foreign"] * 3
    pairs = benchmark.pairs[:3]
    assert [(pair.head_a, pair.head_b) for pair in pairs] == [
        ("lda on mfcc", "cnn on mfcc"),
        ("lda on mfcc", "mlp on mfcc"),
        ("cnn on mfcc", "mlp on mfcc"),
    ]
    cell = {one.architecture: one for one in cells if one.protocol == "artists"}
    right = {name: np.equal(*map(np.array, answers(one))) for name, one in cell.items()}
    units = number_units(cell["lda"].predictions["artist"].to_pylist())
    for pair in pairs:
        first, second = (name.split()[0] for name in (pair.head_a, pair.head_b))
        assert pair.comparison == compare_paired(right[first], right[second], units=units)
    assert [p.p_holm for p in pairs] == adjust_by_holm([p.comparison.p_value for p in pairs])
    text = "\n".join(format_benchmark(benchmark))
    assert "head against head, whole artists, in points (95 % interval), artists as units:" in text
    assert "lda on mfcc less cnn on mfcc: -22.2 [" in text
    assert "; cnn on mfcc is better" in text


def test_heads_that_were_asked_about_other_tracks_are_not_compared():
    other = make_cell("artists", architecture="cnn", ids=[f"u{i}" for i in range(90)])
    with pytest.raises(ParameterError, match="not asked about the same tracks"):
        evaluate_benchmark([make_cell("artists"), other], genres=GENRES)
    with pytest.raises(ParameterError, match="without a cell"):
        evaluate_benchmark([], genres=GENRES)


def test_genres_of_one_artist_are_told_with_what_they_leave():
    cell = make_cell("artists", n_artists=4)
    benchmark = evaluate_benchmark([cell], genres=GENRES, notes=["first"])
    assert benchmark.notes[0] == "first"
    assert benchmark.notes[1].startswith("jazz, rock: of one artist each, so all wrong by whole artists")
    assert benchmark.notes[1].endswith("no accuracy can be above 0.50")
    assert not evaluate_benchmark([make_cell("tracks", n_artists=4)], genres=GENRES).notes


def test_json_and_page_hold_the_table():
    cells = [
        make_cell(protocol, architecture=name, shift=shift)
        for name, shift in (("<b>lda", 30), ("cnn", 10))
        for protocol in ("segments", "artists")
    ]
    benchmark = evaluate_benchmark(cells, genres=GENRES, notes=["a <note>"])
    facts = {"features": "somewhere"}
    plain = json.loads(benchmark_to_json(benchmark, facts=facts, settings={"seed": 3}))
    assert [(cell["architecture"], cell["protocol"]) for cell in plain["cells"]] == [
        *(("<b>lda", "random segments"), ("<b>lda", "whole artists")),
        *(("cnn", "random segments"), ("cnn", "whole artists")),
    ]
    assert plain["cells"][0]["confusion_matrix"] == benchmark.lines[0].report.metrics.confusion.tolist()
    assert (plain["pairs"][0]["b"], plain["pairs"][0]["n_tracks"]) == ("cnn on mfcc", 90)
    assert (plain["settings"], plain["facts"], plain["headline"]) == ({"seed": 3}, facts, "whole artists")
    page = benchmark_page(benchmark, facts=facts, settings={"seed": 3}, command="deepsound benchmark <x>")
    assert "deepsound benchmark &lt;x&gt;</pre>" in page
    assert "<b>lda" not in page
    assert "a &lt;note&gt;" in page
    shown = html.unescape(page)
    metrics = benchmark.best.report.metrics
    assert f"{metrics.accuracy:.2f} [{metrics.accuracy_low:.2f}, {metrics.accuracy_high:.2f}]" in shown
    for heading in ("Accuracy", "Whole artists", "What careless splits add", "Genre by genre", "Reproduce"):
        assert f"<h2>{heading}</h2>" in page
    assert "http" not in page.replace("http-equiv", "")


def test_tracks_of_unknown_artists_are_units_of_their_own():
    cells = [make_cell("tracks", architecture=name, artists=False) for name in ("lda", "cnn")]
    benchmark = evaluate_benchmark(cells, genres=GENRES)
    assert "head against head, random tracks, in points (95 % interval), tracks as units:" in format_benchmark(
        benchmark
    )
    row = read(benchmark)[0]
    assert (row["interval_unit"], row["n_artists"]) == ("track", "0")
