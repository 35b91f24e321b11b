"""Paired tests against scipy, against published figures, and against how often they err."""

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.paired import compare_paired, mcnemar_test, newcombe_interval


@pytest.mark.parametrize(("b", "c"), [(0, 1), (0, 6), (1, 7), (6, 16), (12, 12), (3, 3)])
def test_few_discordant_tracks_are_a_binomial_test(b, c):
    p_value, test = mcnemar_test(b, c)
    assert test == "exact"
    assert p_value == pytest.approx(scipy.stats.binomtest(b, b + c, 0.5).pvalue)


@pytest.mark.parametrize(("b", "c"), [(10, 30), (30, 10), (20, 20), (60, 41)])
def test_many_are_its_mid_p(b, c):
    p_value, test = mcnemar_test(b, c)
    assert test == "mid-p"
    exact = scipy.stats.binomtest(b, b + c, 0.5).pvalue
    own = scipy.stats.binom(b + c, 0.5).pmf(b)
    assert p_value == pytest.approx(exact - (own / 2 if b == c else own))
    assert mcnemar_test(c, b) == (p_value, test)


def test_no_discordant_track_says_nothing():
    assert mcnemar_test(0, 0) == (1.0, "exact")


# Airway hyper-responsiveness of 21 children before and after a transplantation (Bentur et al. 2009) and complete
# response to consolidation therapy (Cavo et al. 2012): the examples of Fagerland, Lydersen and Laake (2013, 2014).
@pytest.mark.parametrize(
    ("table", "difference", "low", "high"),
    [((1, 1, 7, 12), -0.286, -0.507, -0.026), ((59, 6, 16, 80), -0.062, -0.119, -0.005)],
)
def test_published_intervals(table, difference, low, high):
    assert newcombe_interval(*table) == pytest.approx((low, high), abs=6e-4)
    both, only_a, only_b, neither = table
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    paired = compare_paired(a, b)
    assert paired.difference == pytest.approx(difference, abs=6e-4)
    assert (paired.n_both, paired.n_only_a, paired.n_only_b, paired.n_neither) == table
    assert (paired.low, paired.high) == newcombe_interval(*table)


def test_interval_is_a_paired_bootstraps_on_many_tracks():
    rng = np.random.default_rng(0)
    a = rng.random(800) < 0.8
    b = np.where(rng.random(800) < 0.7, a, rng.random(800) < 0.6)
    paired = compare_paired(a, b)
    drawn = rng.integers(0, 800, (3000, 800))
    expected = np.quantile(a[drawn].mean(axis=1) - b[drawn].mean(axis=1), [0.025, 0.975])
    assert (paired.low, paired.high) == pytest.approx(expected, abs=0.006)


def test_interval_stays_within_one():
    assert newcombe_interval(0, 3, 0, 0) == pytest.approx((newcombe_interval(0, 3, 0, 0)[0], 1.0))
    assert newcombe_interval(0, 0, 3, 0)[0] == -1
    low, high = newcombe_interval(4, 0, 0, 0)
    assert low < 0 < high


def test_equal_models_are_called_different_in_one_case_of_twenty_at_most():
    rng = np.random.default_rng(5)
    n_wrong = n_missed = 0
    for _ in range(600):
        a, b = rng.random((2, 120)) < 0.7
        paired = compare_paired(a, b)
        n_wrong += paired.p_value < 0.05
        n_missed += not paired.low <= 0 <= paired.high
    assert 10 <= n_wrong <= 42
    assert 10 <= n_missed <= 42


def test_other_tracks_cannot_be_compared():
    with pytest.raises(ParameterError, match="3 tracks of one model against 2"):
        compare_paired(np.ones(3, bool), np.ones(2, bool))
    with pytest.raises(ParameterError, match="at least one"):
        compare_paired(np.ones(0, bool), np.ones(0, bool))
