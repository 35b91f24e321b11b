"""AUROC against counting pairs and scikit-learn; its interval against the literature's formulas and simulation."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsound.errors import ParameterError
from deepsound.evaluation.detection import (
    clustered_auroc_interval,
    compute_auroc,
    compute_fpr95,
    evaluate_detection,
)

SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.inf]), min_size=1, max_size=12)


@given(SCORES, SCORES)
@settings(max_examples=100, deadline=None)
def test_auroc_is_the_share_of_pairs_in_order(home, foreign):
    pairs = [1.0 if f > h else 0.5 if f == h else 0.0 for h in home for f in foreign]
    home, foreign = np.array(home), np.array(foreign)
    assert compute_auroc(home, foreign) == pytest.approx(np.mean(pairs))
    finite = np.concatenate([home, foreign])
    finite[np.isinf(finite)] = 99
    truth = np.repeat([0, 1], [len(home), len(foreign)])
    assert compute_auroc(home, foreign) == pytest.approx(sklearn.metrics.roc_auc_score(truth, finite))


@pytest.mark.parametrize(("n_home", "n_foreign", "shift"), [(12, 20, 1.0), (60, 12, 2.5), (60, 60, 0.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(n_home, n_foreign, shift):
    rng = np.random.default_rng(n_home + n_foreign)
    auroc = scipy.stats.norm.cdf(shift / np.sqrt(2))
    fpr95 = scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.95) - shift)
    n_trials, n_held, n_held_fpr = 400, 0, 0
    for _ in range(n_trials):
        home, foreign = rng.normal(size=n_home), rng.normal(shift, 1, size=n_foreign)
        found = evaluate_detection(home, foreign)
        low, high = found.auroc_low, found.auroc_high
        n_held += low <= auroc <= high
        if n_foreign == 12:
            _, low, high = compute_fpr95(home, foreign)
            n_held_fpr += low <= fpr95 <= high
    assert 0.93 <= n_held / n_trials <= 0.99
    assert n_foreign != 12 or n_held_fpr / n_trials >= 0.92


def test_fpr95_is_the_share_of_foreign_tracks_that_pass():
    home = np.random.default_rng(0).permutation(np.arange(1.0, 101))
    foreign = np.array([50.0, 95.0, 95.5, 200.0])
    value, low, high = compute_fpr95(home, foreign)
    assert value == 0.5  # 95 of 100 lie at or below 95, and so do two foreign ones
    assert 0 < low < 0.5 < high < 1
    assert compute_fpr95(home, foreign) == (value, low, high)
    value, low, high = compute_fpr95(home, foreign + 1000)
    assert (value, low) == (0, 0)
    assert 0 < high < 0.6
    more = compute_fpr95(home, np.tile(foreign + 1000, 50))
    assert more[2] < 0.05


def test_nobody_knows_where_95_percent_of_a_few_tracks_end():
    foreign = np.arange(5.0)
    assert compute_fpr95(np.arange(19.0), foreign) is None
    detection = evaluate_detection(np.arange(19.0), foreign)
    assert (detection.fpr95, detection.fpr95_low, detection.fpr95_high) == (None, None, None)
    assert evaluate_detection(np.arange(20.0), foreign).fpr95 == 1


def test_all_figures():
    rng = np.random.default_rng(2)
    home, foreign = rng.normal(size=50), rng.normal(1, 1, size=30)
    detection = evaluate_detection(home, foreign)
    assert (detection.n_home, detection.n_foreign) == (50, 30)
    assert detection.auroc == compute_auroc(home, foreign)
    expected = clustered_auroc_interval(home, foreign, home_units=np.arange(50), foreign_units=np.arange(30))
    assert (detection.auroc_low, detection.auroc_high) == expected
    assert (detection.fpr95, detection.fpr95_low, detection.fpr95_high) == compute_fpr95(home, foreign)


def test_refuses():
    some, none = np.zeros(2), np.zeros(0)
    for home, foreign in ((some, none), (none, some)):
        for figure in (compute_auroc, compute_fpr95, evaluate_detection):
            with pytest.raises(ParameterError, match="wanted some of each"):
                figure(home, foreign)
    with pytest.raises(ParameterError, match="a score is NaN"):
        compute_auroc(some, np.array([np.nan]))


def draw_by_artist(rng, *, n_artists, tracks_an_artist, correlation, shift=0.0):
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    of_artists, of_tracks = rng.normal(size=n_artists)[units], rng.normal(size=len(units))
    return shift + np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks, units


@pytest.mark.parametrize(("auroc", "correlation"), [(0.8, 0.0), (0.8, 0.3), (0.8, 0.5), (0.95, 0.5)])
def test_intervals_of_artists_hold_the_truth_as_often_as_they_say(auroc, correlation):
    rng = np.random.default_rng(21)
    shift = scipy.stats.norm.ppf(auroc) * np.sqrt(2)
    fpr95 = scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.95) - shift)
    sizes = {"n_artists": 30, "tracks_an_artist": 5, "correlation": correlation}
    n_held, n_held_fpr, n_held_by_track = 0, 0, 0
    for _ in range(250):
        (home, home_units), (foreign, foreign_units) = (
            draw_by_artist(rng, **sizes),
            draw_by_artist(rng, **sizes, shift=shift),
        )
        found = evaluate_detection(home, foreign, home_units=home_units, foreign_units=foreign_units)
        by_track = evaluate_detection(home, foreign)
        n_held += found.auroc_low <= auroc <= found.auroc_high
        n_held_fpr += found.fpr95_low <= fpr95 <= found.fpr95_high
        n_held_by_track += by_track.auroc_low <= auroc <= by_track.auroc_high
    assert 0.91 <= n_held / 250 <= 0.985
    assert 0.92 <= n_held_fpr / 250 <= 0.995
    assert not correlation or n_held_by_track / 250 < 0.9


def test_variance_of_single_tracks_is_delongs():
    """Written out pair by pair; Wilson's interval at the tracks that it is of, by Student's t."""
    rng = np.random.default_rng(3)
    home, foreign = np.round(rng.normal(size=40), 1), np.round(rng.normal(1, 1, 25), 1)
    pairs = (foreign[:, np.newaxis] > home) + 0.5 * (foreign[:, np.newaxis] == home)
    v_foreign, v_home = pairs.mean(axis=1).var(ddof=1) / 25, pairs.mean(axis=0).var(ddof=1) / 40
    auroc, variance = pairs.mean(), v_foreign + v_home
    n_freedom = int(variance**2 / (v_foreign**2 / 24 + v_home**2 / 39))
    n = auroc * (1 - auroc) / variance * (scipy.stats.norm.ppf(0.975) / scipy.stats.t.ppf(0.975, n_freedom)) ** 2
    centre, z2 = auroc * n + scipy.stats.norm.ppf(0.975) ** 2 / 2, scipy.stats.norm.ppf(0.975) ** 2
    half = np.sqrt(z2 * (n * auroc * (1 - auroc) + z2 / 4))
    got = clustered_auroc_interval(home, foreign, home_units=np.arange(40), foreign_units=np.arange(25))
    assert got == pytest.approx(((centre - half) / (n + z2), (centre + half) / (n + z2)))


def test_variance_of_artists_is_a_bootstrap_of_artists():
    rng = np.random.default_rng(8)
    sizes = {"n_artists": 120, "tracks_an_artist": 4, "correlation": 0.6}
    (home, units), (foreign, _) = draw_by_artist(rng, **sizes), draw_by_artist(rng, **sizes, shift=1.0)
    drawn = rng.integers(0, 120, (800, 2, 120))
    by_artist = [side.reshape(120, 4) for side in (home, foreign)]
    areas = [compute_auroc(*(side[i].ravel() for side, i in zip(by_artist, row, strict=True))) for row in drawn]
    got = clustered_auroc_interval(home, foreign, home_units=units, foreign_units=units)
    assert got == pytest.approx(np.quantile(areas, [0.025, 0.975]), abs=0.012)


def test_copies_of_a_track_tell_no_more_than_it_does():
    rng = np.random.default_rng(9)
    home, foreign = rng.normal(size=60), rng.normal(1, 1, 40)
    once = evaluate_detection(home, foreign)
    units = {"home_units": np.repeat(np.arange(60), 10), "foreign_units": np.repeat(np.arange(40), 10)}
    copied = evaluate_detection(np.repeat(home, 10), np.repeat(foreign, 10), **units)
    assert (copied.auroc_low, copied.auroc_high) == pytest.approx((once.auroc_low, once.auroc_high))
    assert (copied.fpr95_low, copied.fpr95_high) == pytest.approx((once.fpr95_low, once.fpr95_high), abs=0.05)
    told = evaluate_detection(np.zeros(60), np.ones(40))
    artists = evaluate_detection(np.zeros(60), np.ones(40), foreign_units=np.repeat(np.arange(4), 10))
    assert artists.auroc_high == told.auroc_high == 1
    assert artists.auroc_low < 0.6 < 0.9 < told.auroc_low


def test_fpr95_takes_twenty_artists_and_one_unit_a_track():
    home, foreign = np.arange(95.0), np.arange(5.0)
    assert evaluate_detection(home, foreign, home_units=np.arange(95) // 5).fpr95 is None
    assert evaluate_detection(home, foreign, home_units=np.arange(95) // 4).fpr95 is not None
    with pytest.raises(ParameterError, match="wanted one a track"):
        evaluate_detection(home, foreign, home_units=np.arange(94))
