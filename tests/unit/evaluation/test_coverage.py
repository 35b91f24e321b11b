"""Risk-coverage curves against counting by hand, and against all orders that ties can come in."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsound.errors import ParameterError
from deepsound.evaluation.coverage import compute_coverage, curve_from_counts


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
    assert curve.excess_aurc == pytest.approx(curve.aurc - best)
    assert curve.excess_aurc >= -1e-12


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
    assert right_first.excess_aurc == pytest.approx(0)
    assert right_first.aurc < curve.aurc < compute_coverage(np.arange(8.0), is_right=np.arange(8) < 6).aurc


def test_counts_give_the_same_curve():
    rng = np.random.default_rng(1)
    confidences, is_right = np.round(rng.uniform(size=500), 1), rng.uniform(size=500) < 0.7
    levels = np.unique(confidences)
    counted = curve_from_counts(
        levels,
        n_tracks=np.array([(confidences == level).sum() for level in levels]),
        n_right=np.array([is_right[confidences == level].sum() for level in levels]),
    )
    curve = compute_coverage(confidences, is_right=is_right)
    assert counted.aurc == curve.aurc
    np.testing.assert_array_equal(counted.n_right, curve.n_right)


def test_refuses():
    ones, nothing = np.ones(2), np.zeros(0)
    with pytest.raises(ParameterError, match="of 0 confidences"):
        compute_coverage(nothing, is_right=nothing.astype(bool))
    with pytest.raises(ParameterError, match="wanted one each"):
        compute_coverage(ones, is_right=np.ones(3, bool))
    with pytest.raises(ParameterError, match="finite"):
        compute_coverage(np.array([0.5, np.nan]), is_right=np.ones(2, bool))
    with pytest.raises(ParameterError, match="each once"):
        curve_from_counts(ones, n_tracks=np.ones(2, int), n_right=np.ones(2, int))
    with pytest.raises(ParameterError, match="2,\\) confidences with"):
        curve_from_counts(np.arange(2.0), n_tracks=np.ones(3, int), n_right=np.ones(3, int))
    for n_tracks, n_right in (([1, 0], [1, 0]), ([1, 1], [2, 0]), ([1, 1], [-1, 0])):
        with pytest.raises(ParameterError, match="more right tracks than tracks"):
            curve_from_counts(np.arange(2.0), n_tracks=np.array(n_tracks), n_right=np.array(n_right))
