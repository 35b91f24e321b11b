"""Variances by artists against a bootstrap of artists, a textbook's formula, and how often intervals hold."""

import numpy as np
import pytest
import sklearn.metrics

from deepsound.evaluation.intervals import interval_of, wilson_interval
from deepsound.evaluation.metrics import measure
from deepsound.evaluation.spread import compute_shares, measure_spread
from deepsound.evaluation.units import number_units
from tests.populations import draw_answers

GENRES = ("a", "b", "c")


def test_units_are_artists_or_the_track_itself():
    units = number_units(["x", None, "y", "x", "", None])
    assert units.tolist()[:4:2] == [0, 1]
    assert units[3] == 0
    assert sorted(units.tolist()) == [0, 0, 1, 2, 3, 4]
    assert number_units([]).tolist() == []


def test_accuracy_is_the_textbooks_ratio_over_clusters():
    rng = np.random.default_rng(0)
    true, predicted, artists = draw_answers(rng, n_artists=20, n_tracks=6, correlation=0.4)
    keep = rng.random(len(true)) < 0.8
    true, predicted, artists = true[keep], predicted[keep], artists[keep]
    metrics = measure(true, predicted, genres=GENRES, artists=[f"{a}" for a in artists])
    right = (true == predicted).astype(float)
    p, n, c = right.mean(), len(right), len(set(artists))
    sums = [np.sum(right[artists == a] - p) for a in set(artists)]
    variance = c / (c - 1) * np.sum(np.square(sums)) / n**2
    n_eff = p * (1 - p) / variance
    assert (metrics.accuracy_low, metrics.accuracy_high) == pytest.approx(wilson_interval(p * n_eff, n_eff))
    assert n_eff < 0.7 * n


@pytest.mark.parametrize("correlation", [0, 0.4])
def test_variances_are_those_of_a_bootstrap_of_artists(correlation):
    rng = np.random.default_rng(1)
    true, predicted, artists = draw_answers(rng, n_artists=90, n_tracks=5, correlation=correlation)
    confusion = sklearn.metrics.confusion_matrix(true, predicted)
    spread = measure_spread(true, predicted, confusion=confusion, units=artists, n_artists=90)
    by_artist = [np.flatnonzero(artists == a) for a in range(90)]
    figures = []
    for _ in range(600):
        rows = np.concatenate([by_artist[a] for a in rng.choice(90, 90)])
        t, p = true[rows], predicted[rows]
        scores = sklearn.metrics.precision_recall_fscore_support(t, p, labels=[0, 1, 2], zero_division=0)[:3]
        figures.append([*(s.mean() for s in scores), *np.stack(scores, axis=1).ravel()])
    expected = np.var(figures, axis=0)
    np.testing.assert_allclose(np.sqrt(spread.variances[1:]), np.sqrt(expected), rtol=0.2)


def test_shares_of_all_tracks_add_up_to_nothing():
    confusion = np.array([[5, 2, 0], [1, 7, 3], [0, 0, 4]])
    shares = compute_shares(confusion, n_units=np.full((3, 3), 1000))
    np.testing.assert_allclose(np.einsum("tp,tpk->k", confusion, shares), 0, atol=1e-9)


def test_a_share_is_what_the_figure_moves_by():
    """Against the figures of scikit-learn with one track more."""
    confusion = np.array([[500, 20, 30], [100, 700, 300], [10, 0, 400]])
    shares = compute_shares(confusion, n_units=np.full((3, 3), 10**9))

    def figures(counts):
        true, predicted = (np.repeat(i.ravel(), counts.ravel()) for i in np.indices(counts.shape))
        scores = sklearn.metrics.precision_recall_fscore_support(true, predicted, labels=[0, 1, 2])[:3]
        means = [np.mean(s) for s in scores]
        return np.array([np.mean(true == predicted), *means, *np.stack(scores, axis=1).ravel()])

    before = figures(confusion)
    for cell in np.ndindex(3, 3):
        more = confusion.copy()
        more[cell] += 1
        np.testing.assert_allclose(figures(more) - before, shares[cell], atol=2e-5)


@pytest.mark.parametrize("correlation", [0, 0.3, 0.5])
def test_intervals_hold_the_truth(correlation):
    """40 artists of 5 tracks; the truth is that of 60,000. `make bench ONLY=coverage` does it at length."""
    rng = np.random.default_rng(2)
    true, predicted, _ = draw_answers(rng, n_artists=12_000, n_tracks=5, correlation=correlation)
    truth = measure(true, predicted, genres=GENRES)
    n_held = np.zeros(2)
    for _ in range(150):
        true, predicted, artists = draw_answers(rng, n_artists=42, n_tracks=5, correlation=correlation)
        found = measure(true, predicted, genres=GENRES, artists=[f"{a}" for a in artists])
        low, high = found.macro_f1_interval
        n_held += [found.accuracy_low <= truth.accuracy <= found.accuracy_high, low <= truth.macro_f1 <= high]
    assert (n_held >= 0.90 * 150).all()
    # What counts tracks holds it in 80 % at .3: the reason for all this.
    if correlation == 0.5:
        assert measure(true, predicted, genres=GENRES).accuracy_low > found.accuracy_low


def test_all_right_is_as_sure_as_there_are_artists():
    true = np.repeat([0, 1, 2], 20)
    metrics = measure(true, true, genres=GENRES, artists=[f"{i // 10}" for i in range(60)])
    assert (metrics.accuracy_low, metrics.accuracy_high) == pytest.approx(wilson_interval(6, 6))
    assert metrics.macro_f1_interval[0] < 0.7
    assert metrics.per_genre[0].recall_low == pytest.approx(wilson_interval(2, 2)[0])


def test_one_artist_says_next_to_nothing():
    true, predicted = np.array([0, 1, 2, 0]), np.array([0, 1, 0, 0])
    metrics = measure(true, predicted, genres=GENRES, artists=["x"] * 4)
    assert (metrics.accuracy_low, metrics.accuracy_high) == pytest.approx(wilson_interval(0.75, 1.0))
    assert (metrics.interval_unit, metrics.n_artists) == ("artist", 1)


def test_few_degrees_of_freedom_widen():
    plain = interval_of(0.6, variance=0.01, n_units=4, n_tracks=100)
    few = interval_of(0.6, variance=0.01, n_units=4, n_tracks=100, n_freedom=3)
    many = interval_of(0.6, variance=0.01, n_units=4, n_tracks=100, n_freedom=10**6)
    assert few[0] < plain[0] < plain[1] < few[1]
    assert many == pytest.approx(plain, abs=1e-5)
