"""Paired tests against scipy, against published figures, and against how often they err."""

import itertools
import time

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation import paired as paired_module
from deepsound.evaluation.paired import compare_paired, compare_pairs, sign_flip_test, sum_pairs


def mcnemar_mid_p(b, c):
    """As Fagerland, Lydersen and Laake write it down."""
    own = scipy.stats.binom(b + c, 0.5).pmf(b)
    return 1 - own / 2 if b == c else 2 * scipy.stats.binom(b + c, 0.5).cdf(min(b, c)) - own


def answers(n_both, n_only_a, n_only_b, n_neither):
    """Whether two models are right, of tracks that were counted."""
    counts = [n_both, n_only_a, n_only_b, n_neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(
    ("b", "c"), [(0, 1), (0, 6), (1, 7), (6, 16), (12, 12), (3, 3), (17, 7), (18, 7), (10, 30), (60, 41)]
)
def test_single_tracks_are_mcnemars_mid_p(b, c):
    p_value = sign_flip_test({1: b + c}, difference=b - c)
    assert p_value == pytest.approx(mcnemar_mid_p(b, c), rel=1e-12)
    assert sign_flip_test({1: b + c}, difference=c - b) == p_value
    paired = compare_paired(*answers(5, b, c, 9))
    assert (paired.p_value, paired.test, paired.unit) == (p_value, "mid-p", "track")


@pytest.mark.parametrize("seed", range(8))
def test_artists_are_all_signs_that_they_could_have(seed):
    """Every one of 2^10 ways the coins could fall."""
    rng = np.random.default_rng(seed)
    leanings = rng.integers(-4, 5, 10)
    sums = np.array([np.abs(leanings) @ signs for signs in itertools.product((-1, 1), repeat=10)])
    found = abs(leanings.sum())
    expected = np.mean(np.abs(sums) > found) + np.mean(np.abs(sums) == found) / 2
    sizes, counts = np.unique(np.abs(leanings), return_counts=True)
    flips = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    assert sign_flip_test(flips, difference=int(leanings.sum())) == pytest.approx(expected, abs=1e-12)


def test_many_artists_are_as_coins_fall():
    rng = np.random.default_rng(1)
    leanings = rng.integers(-6, 8, 60)
    flips = {size: int((np.abs(leanings) == size).sum()) for size in range(8)}
    drawn = np.abs(rng.choice([-1, 1], (200_000, 60)) @ leanings)
    found = abs(leanings.sum())
    expected = np.mean(drawn > found) + np.mean(drawn == found) / 2
    assert sign_flip_test(flips, difference=int(leanings.sum())) == pytest.approx(expected, abs=0.004)


def test_no_discordant_track_says_nothing():
    assert sign_flip_test({}, difference=0) == sign_flip_test({0: 3, 1: 0}, difference=0) == 1.0
    # Artists who lean to neither side though their tracks differ.
    paired = compare_paired(np.array([1, 0, 1, 0]), np.array([0, 1, 0, 1]), units=np.array([0, 0, 1, 1]))
    assert (paired.p_value, paired.n_discordant) == (1.0, 4)


@pytest.mark.parametrize("flips", [{1: 99_990}, {1: 40_000, 2: 20_000, 9: 20_000, 300: 3}])
def test_a_million_tracks_are_as_normal_and_take_a_moment(flips, monkeypatch):
    start = time.perf_counter()
    exact = sign_flip_test(flips, difference=800)
    assert time.perf_counter() - start < 2
    monkeypatch.setattr(paired_module, "_MAX_EXACT_UNITS", 1000)
    assert sign_flip_test(flips, difference=800) == pytest.approx(exact, rel=0.01)
    assert sign_flip_test({1: 10**7, 50: 1000}, difference=-10_000) == pytest.approx(
        2 * scipy.stats.norm.sf(10_000 / np.sqrt(10**7 + 50**2 * 1000))
    )


def draw_answers(rng, *, n_artists, tracks_an_artist, correlation, accuracy=(0.7, 0.7)):
    """Right answers of two models [shape=(n_tracks,), bool] with the units; answers of an artist are alike."""
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    # Half of what an artist and a track are like is the same to both models.
    artists, tracks = rng.normal(size=(3, n_artists))[:, units], rng.normal(size=(3, len(units)))
    mixed = np.sqrt(correlation) * artists + np.sqrt(1 - correlation) * tracks
    limits = scipy.stats.norm.ppf(accuracy)
    return [(mixed[i] + mixed[2]) / np.sqrt(2) < limits[i] for i in (0, 1)], units


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_artists_make_no_false_positives(correlation):
    rng = np.random.default_rng(11)
    n_wrong = n_missed = n_wrong_by_track = 0
    for _ in range(500):
        answers, units = draw_answers(rng, n_artists=30, tracks_an_artist=5, correlation=correlation)
        paired = compare_paired(*answers, units=units)
        n_wrong += paired.p_value < 0.05
        n_missed += not paired.low <= 0 <= paired.high
        n_wrong_by_track += compare_paired(*answers).p_value < 0.05
    assert 10 <= n_wrong <= 30
    assert 10 <= n_missed <= 35
    assert correlation == 0 or n_wrong_by_track > 40


def test_sums_are_those_of_artists():
    rng = np.random.default_rng(3)
    (a, b), units = draw_answers(rng, n_artists=12, tracks_an_artist=4, correlation=0.4)
    order = rng.permutation(len(units))
    sums = sum_pairs(a[order], b[order], units=2 * units[order])  # every other number is of no track
    of_artists = [(int((units == u).sum()), int(a[units == u].sum()), int(b[units == u].sum())) for u in range(12)]
    assert sums.n_units == 12
    assert (sums.nn, sums.na, sums.nb) == tuple(sum(t[0] * t[i] for t in of_artists) for i in (0, 1, 2))
    pairs = ((1, 1), (1, 2), (2, 2))
    assert (sums.aa, sums.ab, sums.bb) == tuple(sum(t[i] * t[j] for t in of_artists) for i, j in pairs)
    leanings = [abs(x - y) for _, x, y in of_artists]
    assert dict(sums.flips) == {size: leanings.count(size) for size in set(leanings) - {0}}
    assert compare_pairs(sums) == compare_paired(a, b, units=units)


def test_the_interval_of_artists_is_a_bootstrap_of_artists():
    rng = np.random.default_rng(4)
    (a, b), units = draw_answers(rng, n_artists=300, tracks_an_artist=4, correlation=0.5, accuracy=(0.75, 0.7))
    paired = compare_paired(a, b, units=units)
    leanings = (a.astype(int) - b).reshape(300, 4).sum(axis=1)
    drawn = leanings[rng.integers(0, 300, (4000, 300))].sum(axis=1) / 1200
    assert (paired.low, paired.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.006)
    assert paired.unit == "artist"


def test_single_tracks_are_the_same_however_they_are_given():
    (a, b), _ = draw_answers(np.random.default_rng(6), n_artists=50, tracks_an_artist=1, correlation=0)
    listed = compare_paired(a, b)
    assert compare_paired(a, b, units=np.random.default_rng(0).permutation(50)) == listed


def test_one_artist_says_next_to_nothing():
    for n_right in range(12, 20):
        paired = compare_paired(np.ones(20), np.arange(20) < n_right, units=np.zeros(20, int))
        assert paired.p_value == pytest.approx(0.5)
        assert paired.high - paired.low > 0.9


# Airway hyper-responsiveness of 21 children before and after a transplantation (Bentur et al. 2009) and complete
# response to consolidation therapy (Cavo et al. 2012): the examples of Fagerland, Lydersen and Laake (2013, 2014).
@pytest.mark.parametrize(
    ("table", "difference", "low", "high"),
    [((1, 1, 7, 12), -0.286, -0.507, -0.026), ((59, 6, 16, 80), -0.062, -0.119, -0.005)],
)
def test_published_intervals(table, difference, low, high):
    both, only_a, only_b, neither = table
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    paired = compare_paired(a, b)
    assert paired.difference == pytest.approx(difference, abs=6e-4)
    assert (paired.n_both, paired.n_only_a, paired.n_only_b, paired.n_neither) == table
    assert (paired.low, paired.high) == pytest.approx((low, high), abs=6e-4)


def test_interval_is_a_paired_bootstraps_on_many_tracks():
    rng = np.random.default_rng(0)
    a = rng.random(800) < 0.8
    b = np.where(rng.random(800) < 0.7, a, rng.random(800) < 0.6)
    paired = compare_paired(a, b)
    drawn = rng.integers(0, 800, (3000, 800))
    expected = np.quantile(a[drawn].mean(axis=1) - b[drawn].mean(axis=1), [0.025, 0.975])
    assert (paired.low, paired.high) == pytest.approx(expected, abs=0.006)


def test_interval_stays_within_one():
    assert compare_paired(*answers(0, 3, 0, 0)).high == 1
    assert compare_paired(*answers(0, 0, 3, 0)).low == -1
    alike = compare_paired(*answers(4, 0, 0, 0))
    assert alike.low < 0 < alike.high


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
    with pytest.raises(ParameterError, match="of 3 tracks; wanted one a track"):
        compare_paired(np.ones(3, bool), np.ones(3, bool), units=np.zeros(2, int))
