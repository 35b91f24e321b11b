import itertools
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.reliability import compute_reliability


def make_predictions(n, *, sharpness=1.0, seed=0):
    """Confidences, and answers that are right as often as those say before they are sharpened."""
    rng = np.random.default_rng(seed)
    honest = rng.uniform(0.3, 1.0, n)
    return honest**sharpness, rng.random(n) < honest


def reliability_of(n, **options):
    confidences, is_right = make_predictions(n, **options)
    return compute_reliability(confidences, is_right=is_right)


def expected_calibration_error(confidences, is_right, edges):
    """As Guo et al. write it down, bin by bin."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        chosen = (confidences >= low) & (confidences < high)
        if chosen.any():
            total += chosen.mean() * abs(is_right[chosen].mean() - confidences[chosen].mean())
    return total


def test_ece_is_the_sum_over_bins():
    confidences, is_right = make_predictions(500, sharpness=0.4)
    got = compute_reliability(confidences, is_right=is_right)
    equal_width = np.linspace(0, 1, 16) + 1e-12
    assert got.ece == pytest.approx(expected_calibration_error(confidences, is_right, equal_width))
    edges = np.quantile(confidences, np.linspace(0, 1, 11), method="inverted_cdf")
    edges[-1] = 2
    assert got.adaptive_ece == pytest.approx(expected_calibration_error(confidences, is_right, edges), abs=0.01)


def test_ece_has_fifteen_bins():
    """Two groups that err in opposite ways: told apart by 15 bins, lost in one of 10."""
    confidences = np.array([0.61] * 10 + [0.69] * 10)
    is_right = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 5)
    got = compute_reliability(confidences, is_right=is_right)
    assert got.ece == pytest.approx((0.19 + 0.19) / 2)


def test_exact_ece_of_a_hand_made_case():
    confidences = np.array([0.9] * 10 + [0.5] * 10)
    is_right = np.array([True] * 6 + [False] * 4 + [True] * 5 + [False] * 5)
    got = compute_reliability(confidences, is_right=is_right)
    assert got.ece == pytest.approx(0.15)
    assert got.adaptive_ece == pytest.approx(0.15)
    assert [(b.n_tracks, b.confidence, b.accuracy) for b in got.bins] == [
        (10, 0.5, 0.5),
        (10, pytest.approx(0.9), 0.6),
    ]
    assert (got.bins[1].low, got.bins[1].high) == wilson_interval(6, 10)


def test_bins_hold_equally_many_tracks_and_at_least_ten():
    assert [b.n_tracks for b in reliability_of(47).bins] == [12, 12, 12, 11]
    assert [b.n_tracks for b in reliability_of(3).bins] == [3]
    assert {b.n_tracks for b in reliability_of(1000).bins} == {100}


def test_chance_alone_makes_a_gap_that_is_told():
    honest = [reliability_of(60, seed=seed) for seed in range(60)]
    assert sum(r.is_beyond_chance for r in honest) <= 8
    observed = np.mean([r.adaptive_ece for r in honest])
    assert np.mean([r.adaptive_ece_by_chance for r in honest]) == pytest.approx(observed, rel=0.15)
    assert observed > 0.05


def test_overconfidence_is_beyond_chance():
    assert reliability_of(300, sharpness=0.3).is_beyond_chance


def test_what_is_no_confidence_is_refused():
    with pytest.raises(ParameterError, match=r"outside 0\.\.1; did you pass logits"):
        compute_reliability(np.array([3.2]), is_right=np.array([True]))
    with pytest.raises(ParameterError, match=r"outside 0\.\.1"):
        compute_reliability(np.array([np.nan]), is_right=np.array([True]))
    with pytest.raises(ParameterError, match="0 confidences"):
        compute_reliability(np.zeros(0), is_right=np.zeros(0, bool))


def reliability_of_counts(levels, *, n_tracks, n_right):
    """Of tracks that were counted by confidence."""
    is_right = np.concatenate([np.arange(n) < right for n, right in zip(n_tracks, n_right, strict=True)])
    return compute_reliability(np.repeat(levels, n_tracks), is_right=is_right)


@settings(max_examples=50, deadline=None)
@given(
    tracks=st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.31, 0.5, 0.66, 0.9, 1.0]), st.booleans()), min_size=1, max_size=200
    ),
    seed=st.integers(0, 5),
)
def test_the_order_of_tracks_is_of_no_matter(tracks, seed):
    confidences, is_right = (np.array(column) for column in zip(*tracks, strict=True))
    listed = compute_reliability(confidences, is_right=is_right, seed=seed)
    assert compute_reliability(confidences[::-1], is_right=is_right[::-1], seed=seed) == listed
    assert sum(b.n_tracks for b in listed.bins) == len(tracks)


@pytest.mark.parametrize("sharpness", [1.0, 0.4])
def test_rounding_confidences_changes_next_to_nothing(sharpness):
    """Listed one by one against counted by three decimals, chance included."""
    confidences, is_right = make_predictions(3000, sharpness=sharpness, seed=1)
    listed = compute_reliability(confidences, is_right=is_right)
    got = compute_reliability(confidences.round(3), is_right=is_right)
    assert got.adaptive_ece == pytest.approx(listed.adaptive_ece, abs=0.003)
    assert got.adaptive_ece_by_chance == pytest.approx(listed.adaptive_ece_by_chance, rel=0.05)
    assert got.adaptive_ece_by_chance_high == pytest.approx(listed.adaptive_ece_by_chance_high, rel=0.07)
    assert got.is_beyond_chance is listed.is_beyond_chance is (sharpness < 1)
    for ours, theirs in zip(got.bins, listed.bins, strict=True):
        assert ours.n_tracks == pytest.approx(300, abs=10)
        assert (ours.confidence, ours.accuracy) == pytest.approx((theirs.confidence, theirs.accuracy), abs=0.01)


def test_numbers_of_tracks_listed_one_by_one_stay_what_they_were():
    """As they were given when every track was drawn by itself."""
    got = reliability_of(47)
    assert (got.ece, got.adaptive_ece) == pytest.approx((0.12053904437065852, 0.06417478325245878), abs=1e-12)
    chance = got.adaptive_ece_by_chance, got.adaptive_ece_by_chance_high
    assert chance == pytest.approx((0.09667803633957034, 0.1676896007383948), abs=1e-12)


def test_tracks_of_equal_confidence_are_never_parted():
    levels, n_tracks = np.array([0.4, 0.6, 0.8]), np.array([5, 990, 5])
    got = reliability_of_counts(levels, n_tracks=n_tracks, n_right=np.array([2, 594, 4]))
    assert [(b.n_tracks, b.confidence) for b in got.bins] == [(5, 0.4), (990, pytest.approx(0.6)), (5, 0.8)]
    assert got.adaptive_ece == pytest.approx(0, abs=1e-12)


def test_a_bins_confidence_is_the_mean_over_its_tracks():
    got = reliability_of_counts(np.array([0.2, 0.4]), n_tracks=np.array([1, 3]), n_right=np.array([0, 2]))
    assert [(b.n_tracks, b.confidence, b.accuracy) for b in got.bins] == [(4, pytest.approx(0.35), 0.5)]
    assert got.adaptive_ece == pytest.approx(0.15)
    assert got.ece == pytest.approx((0.2 + 0.8) / 4)


def draw_by_artist(rng, *, n_artists, tracks_an_artist, correlation, sharpness=1.0):
    """Calibrated predictions (before they are sharpened) whose tracks are right and wrong together by artist."""
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    of_artists, of_tracks = rng.normal(size=(2, n_artists))[:, units], rng.normal(size=(2, len(units)))
    surety, luck = scipy.stats.norm.cdf(np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks)
    honest = 0.3 + 0.7 * surety
    return honest**sharpness, luck < honest, units


@pytest.mark.parametrize(("n_artists", "correlation"), [(30, 0.0), (30, 0.3), (30, 0.5), (60, 0.5)])
def test_calibrated_artists_are_no_more_than_chance(n_artists, correlation):
    rng = np.random.default_rng(31)
    sizes = {"n_artists": n_artists, "tracks_an_artist": 5, "correlation": correlation}
    found = []
    for _ in range(300):
        confidences, is_right, units = draw_by_artist(rng, **sizes)
        found.append(compute_reliability(confidences, is_right=is_right, units=units))
    assert np.mean([r.is_beyond_chance for r in found]) <= 0.08
    observed = np.mean([r.adaptive_ece for r in found])
    assert np.mean([r.adaptive_ece_by_chance for r in found]) == pytest.approx(observed, rel=0.06)


def test_chance_by_track_cries_wolf_where_artists_are_alike():
    rng = np.random.default_rng(32)
    n_by_track = n_by_artist = 0
    for _ in range(50):
        confidences, is_right, units = draw_by_artist(rng, n_artists=60, tracks_an_artist=10, correlation=0.5)
        n_by_track += compute_reliability(confidences, is_right=is_right).is_beyond_chance
        n_by_artist += compute_reliability(confidences, is_right=is_right, units=units).is_beyond_chance
    assert n_by_artist <= 6 < 10 <= n_by_track


def test_overconfidence_is_beyond_chance_by_artists_too():
    rng = np.random.default_rng(33)
    confidences, is_right, units = draw_by_artist(
        rng, n_artists=60, tracks_an_artist=5, correlation=0.3, sharpness=0.3
    )
    assert compute_reliability(confidences, is_right=is_right, units=units).is_beyond_chance


def test_artists_of_one_track_are_tracks():
    confidences, is_right = make_predictions(80)
    units = np.random.default_rng(0).permutation(80)
    assert compute_reliability(confidences, is_right=is_right, units=units) == compute_reliability(
        confidences, is_right=is_right
    )


def test_gaps_by_chance_are_those_of_signs_drawn_artist_by_artist():
    rng = np.random.default_rng(34)
    confidences, is_right, units = draw_by_artist(rng, n_artists=80, tracks_an_artist=5, correlation=0.4)
    got = compute_reliability(confidences, is_right=is_right, units=units)
    bins = np.argsort(np.argsort(confidences)) // 40
    errors = np.zeros((80, 10))
    np.add.at(errors, (units, bins), is_right - confidences)
    gaps = np.abs(rng.choice([-1.0, 1.0], (4000, 80)) @ errors).sum(axis=1) / 400
    assert got.adaptive_ece_by_chance == pytest.approx(gaps.mean(), rel=0.03)
    assert got.adaptive_ece_by_chance_high == pytest.approx(np.quantile(gaps, 0.95), rel=0.04)


def test_gaps_by_chance_lie_where_artists_err():
    """One bin of ten is unsure: what chance makes there is not spread over the others."""
    rng = np.random.default_rng(37)
    confidences = np.r_[np.full(40, 0.5), np.linspace(0.999, 1, 360)]
    is_right = np.r_[rng.random(40) < 0.5, np.ones(360, bool)]
    got = compute_reliability(confidences, is_right=is_right, units=np.arange(400) % 20)
    sums = np.bincount(np.arange(40) % 20, weights=is_right[:40] - 0.5)
    gaps = np.abs(rng.choice([-1.0, 1.0], (4000, 20)) @ sums) / 400
    assert got.adaptive_ece_by_chance == pytest.approx(gaps.mean(), rel=0.1)


def test_intervals_of_bins_count_artists():
    rng = np.random.default_rng(35)
    n_held = n_all = 0
    for _ in range(60):
        confidences, is_right, units = draw_by_artist(rng, n_artists=40, tracks_an_artist=10, correlation=0.5)
        for b in compute_reliability(confidences, is_right=is_right, units=units).bins:
            n_held += b.low <= b.confidence <= b.high
            n_all += 1
            assert b.low <= b.accuracy <= b.high + 1e-12
    assert 0.93 <= n_held / n_all <= 0.985
    one = compute_reliability(np.full(10, 0.5), is_right=np.arange(10) < 7, units=np.zeros(10, int)).bins[0]
    assert (one.low, one.high) == pytest.approx(wilson_interval(0.7, 1))


def test_a_million_tracks_by_artist_take_a_moment():
    rng = np.random.default_rng(36)
    confidences = rng.random(300_000)
    start = time.perf_counter()
    got = compute_reliability(
        confidences, is_right=rng.random(300_000) < confidences, units=rng.integers(0, 100_000, 300_000)
    )
    assert time.perf_counter() - start < 5
    assert got.n_tracks == 300_000


def test_units_are_one_a_track():
    with pytest.raises(ParameterError, match="of 2 tracks; wanted one a track"):
        compute_reliability(np.full(2, 0.5), is_right=np.ones(2, bool), units=np.zeros(3, int))
