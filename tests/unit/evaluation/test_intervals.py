"""Intervals against scipy."""

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.units import clustered_mean_interval, clustered_proportion_interval


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 10), (10, 10), (480, 1000)])
def test_wilson_equals_scipy(k, n):
    expected = scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
    assert wilson_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_refuses():
    with pytest.raises(ParameterError, match="3 successes of 2 trials"):
        wilson_interval(3, 2)


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
