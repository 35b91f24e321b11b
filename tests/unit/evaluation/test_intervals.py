"""Intervals against scipy, against a bootstrap done another way, and against how often they hold the truth."""

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import (
    bootstrap_confusion,
    clustered_mean_interval,
    clustered_proportion_interval,
    wilson_interval,
)
from deepsound.evaluation.metrics import compute_metrics

GENRES = ("a", "b", "c", "d")


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (480, 1000)])
def test_wilson_equals_scipy(k, n):
    expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_refuses():
    with pytest.raises(ParameterError, match="3 successes of 2 trials"):
        wilson_interval(3, 2)


def bootstrap_by_tracks(confusion, n_resamples=4000):
    """Tracks drawn one by one, figures from scikit-learn's definitions, without smoothing."""
    truth, predicted = (np.repeat(i.ravel(), confusion.ravel()) for i in np.indices(confusion.shape))
    rng = np.random.default_rng(11)
    figures = []
    for _ in range(n_resamples):
        drawn = rng.integers(0, len(truth), len(truth))
        t, p = truth[drawn], predicted[drawn]
        f1 = [2 * np.sum((t == g) & (p == g)) / (np.sum(t == g) + np.sum(p == g)) for g in np.unique(t)]
        figures.append(np.mean(f1))
    return np.quantile(figures, [0.025, 0.975])


def test_many_tracks_are_as_a_bootstrap_of_single_tracks_has_them():
    confusion = np.array([[90, 5, 3, 2], [10, 70, 10, 10], [0, 20, 70, 10], [1, 2, 3, 94]])
    interval = bootstrap_confusion(confusion).macro_f1
    assert interval == pytest.approx(bootstrap_by_tracks(confusion), abs=0.012)
    assert bootstrap_confusion(confusion).macro_f1 == interval  # seeded
    assert bootstrap_confusion(confusion, seed=1).macro_f1 != interval


@pytest.mark.parametrize(("n_tracks", "accuracy"), [(20, 0.95), (60, 0.8), (240, 0.9)])
def test_the_truth_lies_within_nine_times_of_ten(n_tracks, accuracy):
    """Also of few tracks that are nearly all right, where a plain bootstrap holds it half of the time."""
    rng = np.random.default_rng(3)
    cells = np.full((4, 4), (1 - accuracy) / 12)
    np.fill_diagonal(cells, accuracy / 4)
    truth = compute_metrics(np.round(cells * 120000).astype(int), genres=GENRES).macro_f1
    n_held = 0
    for _ in range(60):
        low, high = bootstrap_confusion(rng.multinomial(n_tracks, cells.ravel()).reshape(4, 4)).macro_f1
        n_held += low <= truth <= high
    assert n_held >= 52


def test_all_right_is_not_certain():
    intervals = bootstrap_confusion(np.diag([3, 3, 4]))
    assert intervals.macro_f1[1] == 1
    assert intervals.macro_f1[0] < 0.8
    assert all(low < 0.8 for low, _ in intervals.f1)


def test_a_genre_without_tracks_has_no_interval():
    intervals = bootstrap_confusion(np.array([[5, 1, 0], [1, 5, 0], [0, 0, 0]]))
    assert intervals.f1[2] is None
    assert intervals.f1[0] is not None
    nothing = bootstrap_confusion(np.zeros((2, 2), int))
    assert (nothing.macro_f1, nothing.f1) == (None, (None, None))


def test_the_figure_itself_is_inside():
    for confusion in (np.diag([1, 1]), np.array([[0, 1], [1, 0]]), np.array([[1, 0], [3, 0]])):
        metrics = compute_metrics(confusion, genres=("a", "b"))
        assert metrics.macro_f1_interval[0] <= metrics.macro_f1 <= metrics.macro_f1_interval[1]
        assert metrics.macro_recall_interval[0] <= metrics.macro_recall <= metrics.macro_recall_interval[1]


def test_tracks_of_their_own_are_wilsons():
    right = np.array([1.0] * 30 + [0.0] * 10)
    got = clustered_proportion_interval(right, clusters=[str(i) for i in range(40)])
    assert got == pytest.approx(wilson_interval(30, 40), abs=0.005)


def test_copies_of_tracks_make_nothing_more_certain():
    right = np.repeat([1.0] * 30 + [0.0] * 10, 5)
    copies = [str(i // 5) for i in range(200)]
    assert clustered_proportion_interval(right, clusters=copies) == pytest.approx(
        wilson_interval(30, 40), abs=0.005
    )
    assert clustered_proportion_interval(np.ones(200), clusters=copies) == pytest.approx(wilson_interval(40, 40))


def test_means_of_single_tracks_are_students():
    values = np.random.default_rng(0).normal(2, 3, 25)
    expected = scipy.stats.t.interval(0.95, 24, loc=values.mean(), scale=scipy.stats.sem(values))
    assert clustered_mean_interval(values, clusters=[str(i) for i in range(25)]) == pytest.approx(expected)
    twice = clustered_mean_interval(np.repeat(values, 2), clusters=[str(i // 2) for i in range(50)])
    assert twice == pytest.approx(expected)
    assert clustered_mean_interval(values, clusters=["one"] * 25) == (-np.inf, np.inf)


def test_clusters_must_fit():
    with pytest.raises(ParameterError, match="3 tracks in 2 clusters"):
        clustered_mean_interval(np.zeros(3), clusters=["a", "b"])
