"""Risk-coverage curves against counting by hand, and against all orders that ties can come in."""

import itertools
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsound.errors import ParameterError
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.intervals import interval_of, wilson_interval
from deepsound.evaluation.units import clustered_proportion_interval, mean_variance


def area_of_order(is_right):
    """Mean risk of the first k, over k."""
    return np.mean([1 - np.mean(is_right[:k]) for k in range(1, len(is_right) + 1)])


def area_by_brute_force(confidences, is_right):
    """The mean area over all orders that fall by confidence."""
    areas = [
        area_of_order(is_right[list(order)])
        for order in itertools.permutations(range(len(is_right)))
        if (np.diff(confidences[list(order)]) <= 0).all()
    ]
    return np.mean(areas)


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9]), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_area_is_the_mean_over_all_orders_of_ties(tracks):
    confidences, is_right = (np.array(column) for column in zip(*tracks, strict=True))
    curve = compute_coverage(confidences, is_right=is_right)
    assert curve.aurc == pytest.approx(area_by_brute_force(confidences, is_right))
    best = area_of_order(np.sort(is_right)[::-1])
    assert curve.aurc >= best - 1e-12


def test_points_equal_counting():
    rng = np.random.default_rng(0)
    confidences = np.round(rng.uniform(0.1, 1, 200), 2)
    is_right = rng.uniform(size=200) < confidences
    curve = compute_coverage(confidences, is_right=is_right)
    assert list(curve.thresholds) == sorted(set(confidences), reverse=True)
    for level, threshold in enumerate(curve.thresholds):
        accepted = confidences >= threshold
        point = curve.point(level)
        assert (point.threshold, point.n_tracks) == (threshold, accepted.sum())
        assert point.coverage == curve.coverage[level] == pytest.approx(accepted.mean())
        assert point.accuracy == curve.accuracy[level] == pytest.approx(is_right[accepted].mean())
        wilson = scipy.stats.binomtest(int(is_right[accepted].sum()), int(accepted.sum())).proportion_ci(
            method="wilson"
        )
        assert (point.low, point.high) == pytest.approx((wilson.low, wilson.high))
    assert curve.n_tracks == 200
    assert curve.coverage[-1] == 1


def test_accuracy_at_a_coverage():
    curve = compute_coverage(np.array([0.9, 0.8, 0.8, 0.1]), is_right=np.array([True, True, False, False]))
    assert [curve.accuracy_at(c) for c in (0.25, 0.5, 0.75, 1.0)] == pytest.approx([1, 0.75, 2 / 3, 0.5])
    assert curve.accuracy_at(0.26) == curve.accuracy_at(0.5)
    hundred = compute_coverage(np.arange(100.0), is_right=np.arange(100) >= 93)
    assert hundred.accuracy_at(0.07) == 1
    for coverage in (0.0, 1.1):
        with pytest.raises(ParameterError, match="wanted a share"):
            curve.accuracy_at(coverage)


def test_largest_coverage_at_an_accuracy():
    is_right = np.array([False, True, True, True, True, False])
    curve = compute_coverage(np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), is_right=is_right)
    point = curve.largest_at(0.75)
    assert (point.threshold, point.n_tracks, point.accuracy) == (0.5, 5, 0.8)
    assert curve.largest_at(2 / 3).coverage == 1
    assert curve.largest_at(0.81) is None


def test_an_order_that_knows_nothing_gives_the_risk_of_all():
    curve = compute_coverage(np.full(8, 0.5), is_right=np.arange(8) < 6)
    assert curve.aurc == pytest.approx(0.25)
    right_first = compute_coverage(-np.arange(8.0), is_right=np.arange(8) < 6)
    assert right_first.aurc == pytest.approx(area_of_order(np.arange(8) < 6))
    assert right_first.aurc < curve.aurc < compute_coverage(np.arange(8.0), is_right=np.arange(8) < 6).aurc


def test_refuses():
    ones, nothing = np.ones(2), np.zeros(0)
    with pytest.raises(ParameterError, match="of 0 confidences"):
        compute_coverage(nothing, is_right=nothing.astype(bool))
    with pytest.raises(ParameterError, match="wanted one each"):
        compute_coverage(ones, is_right=np.ones(3, bool))
    with pytest.raises(ParameterError, match="finite"):
        compute_coverage(np.array([0.5, np.nan]), is_right=np.ones(2, bool))


def draw_by_artist(rng, *, n_artists, tracks_an_artist, correlation):
    """Confidences, and answers that are right as often as those say, together by artist."""
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    of_artists, of_tracks = rng.normal(size=n_artists)[units], rng.normal(size=len(units))
    luck = scipy.stats.norm.cdf(np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks)
    confidences = rng.uniform(0.3, 1.0, len(units))
    return confidences, luck < confidences, units


def test_intervals_of_accepted_tracks_count_their_artists():
    confidences, is_right, units = draw_by_artist(
        np.random.default_rng(61), n_artists=30, tracks_an_artist=6, correlation=0.5
    )
    order = np.random.default_rng(0).permutation(180)
    curve = compute_coverage(confidences[order], is_right=is_right[order], units=units[order])
    for level in (20, 90, 179):
        accepted = confidences >= curve.thresholds[level]
        names = [f"artist {unit}" for unit in units[accepted]]
        expected = clustered_proportion_interval(is_right[accepted], clusters=names)
        point = curve.point(level)
        assert (point.low, point.high) == pytest.approx(expected)
        assert curve.interval_at((level + 1) / 180) == pytest.approx(expected)
    best = curve.largest_at(0.7)
    assert (best.low, best.high) == curve.interval_at(best.coverage)
    by_track = compute_coverage(confidences, is_right=is_right)
    np.testing.assert_array_equal(by_track.n_right, curve.n_right)
    widths = [high - low for low, high in (curve.interval_at(1.0), by_track.interval_at(1.0))]
    assert widths[0] > 1.3 * widths[1]


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_intervals_hold_the_truth_as_often_as_they_say(correlation):
    rng = np.random.default_rng(62)
    # Of the surest half of confidences between 0.3 and 1, the mean; and of all.
    n_held = {0.5: 0, 1.0: 0}
    truth = {0.5: 0.825, 1.0: 0.65}
    for _ in range(400):
        confidences, is_right, units = draw_by_artist(
            rng, n_artists=40, tracks_an_artist=5, correlation=correlation
        )
        curve = compute_coverage(confidences, is_right=is_right, units=units)
        for coverage, accuracy in truth.items():
            low, high = curve.interval_at(coverage)
            n_held[coverage] += low <= accuracy <= high
    assert all(0.915 <= n / 400 <= 0.985 for n in n_held.values())


def test_ties_at_the_edge_count_with_the_part_that_is_taken():
    """A third of those of the lowest confidence: as if each were there once, and those above three times."""
    rng = np.random.default_rng(65)
    confidences, is_right, units = draw_by_artist(rng, n_artists=30, tracks_an_artist=10, correlation=0.5)
    confidences = np.where(confidences > 0.8, 0.9, np.where(confidences > 0.5, 0.6, 0.4))
    curve = compute_coverage(confidences, is_right=is_right, units=units)
    n_above, n_at = int((confidences == 0.9).sum()), int((confidences == 0.6).sum())
    rank = n_above + n_at // 3
    times = np.where(confidences == 0.9, 3, np.where(confidences == 0.6, 1, 0))
    variance, n_units = mean_variance(np.repeat(is_right, times), units=np.repeat(units, times))
    expected = interval_of(curve.accuracy_at(rank / 300), variance=variance, n_units=n_units, n_tracks=rank)
    assert curve.interval_at(rank / 300) == pytest.approx(expected, abs=2e-3)


def test_artists_of_one_track_are_tracks():
    rng = np.random.default_rng(63)
    confidences, is_right = np.round(rng.random(90), 1), rng.random(90) < 0.6
    single = compute_coverage(confidences, is_right=is_right, units=rng.permutation(90))
    for coverage in (0.05, 0.33, 1.0):
        rank = int(np.ceil(coverage * 90))
        n_right = single.accuracy_at(coverage) * rank
        assert single.interval_at(coverage) == pytest.approx(wilson_interval(n_right, rank))
    # The surest tracks may be of artists of their own, though others are not.
    mixed = compute_coverage(np.arange(90.0), is_right=is_right, units=np.r_[np.zeros(60, int), np.arange(1, 31)])
    assert mixed.interval_at(1 / 3) == wilson_interval(int(is_right[60:].sum()), 30)


def test_a_million_tracks_take_a_moment():
    rng = np.random.default_rng(64)
    n_tracks = 500_000
    curve = compute_coverage(
        rng.random(n_tracks), is_right=rng.random(n_tracks) < 0.7, units=rng.integers(0, n_tracks // 4, n_tracks)
    )
    start = time.perf_counter()
    for coverage in np.linspace(0.05, 1, 20):
        curve.interval_at(coverage)
    assert time.perf_counter() - start < 5
    assert curve.ranked_right.nbytes + curve.ranked_units.nbytes <= 9 * n_tracks


def test_units_are_one_a_track():
    with pytest.raises(ParameterError, match="of 3 tracks; wanted one a track"):
        compute_coverage(np.ones(3), is_right=np.ones(3, bool), units=np.zeros(2, int))
    curve = compute_coverage(np.ones(3), is_right=np.ones(3, bool))
    for coverage in (0.0, 1.1):
        with pytest.raises(ParameterError, match="wanted a share above 0"):
            curve.interval_at(coverage)
