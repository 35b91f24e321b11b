"""Figures by unit, against a jackknife over artists and a bootstrap of them."""

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.units import (
    check_units,
    clustered_proportion_interval,
    count_effective,
    mean_variance,
    proportion_interval,
)


def draw(seed, *, n_artists=40, tracks_an_artist=5):
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    return rng.random(len(units)) < rng.beta(2, 1, n_artists)[units], units


def test_variance_is_that_of_a_jackknife_over_artists():
    is_right, units = draw(0)
    left_out = np.array([is_right[units != unit].mean() for unit in range(40)])
    variance, n_units = mean_variance(is_right, units=units)
    assert n_units == 40
    assert variance == pytest.approx(39 / 40 * np.sum((left_out - left_out.mean()) ** 2))
    shuffled = np.random.default_rng(0).permutation(200)
    assert mean_variance(is_right[shuffled], units=7 * units[shuffled]) == (pytest.approx(variance), 40)


def test_weights_are_how_often_a_track_counts():
    is_right, units = draw(2)
    weights = np.random.default_rng(0).integers(0, 4, 200)
    weights[units == 3] = 1
    variance, n_units = mean_variance(is_right, units=units, weights=weights.astype(float))
    repeated = mean_variance(np.repeat(is_right, weights), units=np.repeat(units, weights))
    assert (variance, n_units) == (pytest.approx(repeated[0]), repeated[1])


def test_the_interval_is_that_of_named_artists():
    is_right, units = draw(1)
    expected = clustered_proportion_interval(is_right, clusters=[f"artist {unit}" for unit in units])
    assert proportion_interval(is_right, units=units) == pytest.approx(expected)
    low, high = proportion_interval(is_right, units=units, is_of_few=True)
    assert low < expected[0] < expected[1] < high
    share, n = is_right.mean(), count_effective(is_right, units=units)
    assert expected == pytest.approx(wilson_interval(share * n, n))
    n_of_few = n * (scipy.stats.norm.ppf(0.975) / scipy.stats.t.ppf(0.975, 39)) ** 2
    assert (low, high) == pytest.approx(wilson_interval(share * n_of_few, n_of_few))


def test_tracks_of_their_own_have_wilsons_interval():
    is_right = np.arange(30) < 19
    assert proportion_interval(is_right, units=np.arange(30)) == wilson_interval(19, 30)
    assert proportion_interval(is_right, units=np.arange(30), is_of_few=True) == wilson_interval(19, 30)
    assert count_effective(is_right, units=np.arange(30)) == 30


@pytest.mark.parametrize("n_right", [0, 7, 10])
def test_one_artist_is_one_track(n_right):
    """Whatever rounding makes of the sum of its deviations."""
    is_right = np.arange(10) < n_right
    assert proportion_interval(is_right, units=np.zeros(10, int)) == pytest.approx(
        wilson_interval(n_right / 10, 1)
    )
    assert count_effective(is_right, units=np.zeros(10, int)) == 1


def test_artists_that_do_not_vary_count_one_each():
    is_right = np.tile(np.arange(10) < 7, 6)
    assert count_effective(is_right, units=np.repeat(np.arange(6), 10)) == 6


def test_units_are_one_a_track():
    assert check_units(None, n_tracks=3).tolist() == [0, 1, 2]
    for units in (np.zeros(2, int), np.array([0, -1, 2])):
        with pytest.raises(ParameterError, match="of 3 tracks; wanted one a track, from 0 on"):
            check_units(units, n_tracks=3)
