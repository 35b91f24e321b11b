"""Out-of-distribution scores against scipy and scikit-learn, and the promise of a threshold against simulation."""

import dataclasses
import io
import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import sklearn.covariance
import sklearn.neighbors

from deepsound.config import OOD_SCORES
from deepsound.errors import BundleError, ParameterError
from deepsound.evaluation.ood.fitting import fit_statistics
from deepsound.evaluation.ood.statistics import (
    SegmentOutputs,
    available_scores,
    compute_ood_score,
    pack_statistics,
    unpack_statistics,
)
from deepsound.evaluation.ood.threshold import OodRule, fit_rule, fit_threshold

N_UNITS = 6


@pytest.fixture
def training():
    """Penultimate numbers of three genres far from the origin, and their genres; one unit is dead."""
    rng = np.random.default_rng(3)
    genres = np.repeat([0, 1, 2], [50, 30, 10])
    centres = 100 + 3 * rng.normal(size=(3, N_UNITS))
    values = centres[genres] + rng.normal(size=(90, N_UNITS)) * [1, 2, 3, 0.5, 1, 0]
    values[:, -1] = 7.0
    return values.astype(np.float32), genres


@pytest.fixture
def segments():
    return (100 + 5 * np.random.default_rng(4).normal(size=(40, N_UNITS))).astype(np.float32)


def make_outputs(penultimate, feature_means=None):
    """Logits at random; the features are the penultimate numbers too, but for a shift, unless given."""
    logits = np.random.default_rng(0).normal(size=(len(penultimate), 3))
    means = penultimate[:, :4] + 1 if feature_means is None else feature_means
    return SegmentOutputs(logits=logits, penultimate=penultimate, feature_means=means)


def compute(name, penultimate, statistics):
    return compute_ood_score(name, make_outputs(penultimate), statistics=statistics)


def fit(penultimate, **how):
    return fit_statistics(make_outputs(penultimate), **how)


def inverse_covariance(residuals):
    return np.linalg.inv(sklearn.covariance.LedoitWolf(assume_centered=True).fit(residuals).covariance_)


def mahalanobis(values, centre, inverse):
    return np.array([scipy.spatial.distance.mahalanobis(row, centre, inverse) ** 2 for row in values])


def test_scores_of_logits():
    logits = np.log([[1.0, 9.0], [8.0, 8.0]])
    outputs = SegmentOutputs(logits=logits, penultimate=None, feature_means=np.zeros((2, 1)))
    energy = compute_ood_score("energy", outputs, statistics=None)
    np.testing.assert_allclose(energy, [-np.log(10), -np.log(16)])


def test_distance_of_features_equals_scipy(training, segments):
    values, genres = training
    features = np.random.default_rng(8).normal(size=(90, 3)) * [1, 5, 0.1]
    statistics = fit_statistics(make_outputs(values, features), segment_genres=genres, seed=0)
    new = np.random.default_rng(9).normal(size=(40, 3))
    means = [features[genres == genre].mean(axis=0) for genre in range(3)]
    inverse = inverse_covariance(features - np.array(means)[genres])
    expected = np.min([mahalanobis(new, mean, inverse) for mean in means], axis=0)
    outputs = make_outputs(segments, new)
    score = compute_ood_score("feature_mahalanobis", outputs, statistics=statistics)
    np.testing.assert_allclose(score, expected, rtol=1e-5)


@pytest.mark.parametrize("n_neighbours", [1, 4, 90])
def test_knn_equals_scikit_learn(training, segments, n_neighbours):
    values, genres = training
    statistics = fit(values - 100, segment_genres=genres, seed=0, n_neighbours=n_neighbours)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (values - 100, segments - 100)]
    nearest = sklearn.neighbors.NearestNeighbors(n_neighbors=n_neighbours).fit(unit[0])
    expected = nearest.kneighbors(unit[1])[0][:, -1]
    many = np.tile(segments - 100, (30, 1))
    np.testing.assert_allclose(compute("knn", many, statistics), np.tile(expected, 30), atol=1e-3)


def test_a_segment_without_any_activity_is_far_from_all(training):
    values, genres = training
    statistics = fit(values, segment_genres=genres, seed=0)
    (distance,) = compute("knn", np.zeros((1, N_UNITS), np.float32), statistics)
    assert distance == pytest.approx(np.sqrt(2))


def test_no_segments_have_no_scores(training):
    statistics = fit(training[0], segment_genres=training[1], seed=0)
    for name in OOD_SCORES:
        assert compute(name, np.zeros((0, N_UNITS), np.float32), statistics).shape == (0,)


def test_every_score_finds_what_lies_elsewhere():
    rng = np.random.default_rng(7)
    genres = rng.integers(0, 3, 300)
    centres = np.eye(3, 8) * 10
    home = rng.normal(size=(300, 8)) + centres[genres]
    statistics = fit(home, segment_genres=genres, seed=0)
    new, foreign = (rng.normal(size=(50, 8)) + 10 * np.eye(8)[k] for k in (0, 6))
    assert compute("knn", new, statistics).max() < compute("knn", foreign, statistics).min()


def test_the_bank_is_a_bounded_sample_with_all_of_the_rare_genres():
    rng = np.random.default_rng(0)
    genres = rng.permutation(np.repeat([0, 1, 3], [500, 10, 300]))
    # Which segment a vector is can be told from its direction.
    angles = np.arange(len(genres)) / len(genres)
    values = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def chosen(seed, max_bank):
        bank = fit(values, segment_genres=genres, seed=seed, max_bank=max_bank).bank.vectors
        return [round(float(np.arctan2(y, x)) * len(genres)) for x, y in bank]

    picked = chosen(0, 100)
    assert len(set(picked)) == 100
    assert np.bincount(genres[picked]).tolist() == [45, 10, 0, 45]
    assert chosen(0, 100) == picked != chosen(1, 100)
    assert sorted(chosen(0, 2000)) == list(range(len(genres)))


def test_statistics_refuse():
    with pytest.raises(ParameterError, match="of 0 segments"):
        fit(np.zeros((0, 3)), segment_genres=np.zeros(0, int), seed=0)
    with pytest.raises(ParameterError, match="of 4 segments with 3 genres"):
        fit(np.zeros((4, 3)), segment_genres=np.zeros(3, int), seed=0)
    outputs = SegmentOutputs(logits=np.zeros((4, 3)), penultimate=None, feature_means=np.zeros((4, 2)))
    with pytest.raises(ParameterError, match="of None segments"):
        fit_statistics(outputs, segment_genres=np.zeros(4, int), seed=0)


def test_one_segment_is_enough_for_finite_scores(segments):
    statistics = fit(segments[:1], segment_genres=np.array([2]), seed=0)
    for name in OOD_SCORES:
        assert np.isfinite(compute(name, segments, statistics)).all()


def test_without_statistics_there_are_the_scores_of_the_logits(segments):
    assert available_scores(None) == ("energy",)
    for name in set(OOD_SCORES) - set(available_scores(None)):
        with pytest.raises(ParameterError, match="bundles of format 1 do not have"):
            compute(name, segments, None)
    with pytest.raises(ParameterError, match="no out-of-distribution score is called 'gut feeling'"):
        compute("gut feeling", segments, None)


def test_packed_statistics_give_the_same_scores(training, segments):
    statistics = fit(training[0], segment_genres=training[1], seed=0, n_neighbours=3)
    again = unpack_statistics(pack_statistics(statistics), n_units=N_UNITS, n_dims=4)
    assert available_scores(again) == OOD_SCORES
    for name in OOD_SCORES:
        np.testing.assert_array_equal(compute(name, segments, again), compute(name, segments, statistics))


def repacked(content, **changed):
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files} | changed
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bank": None}, "damaged: KeyError"),
        ({"bank": np.zeros((3, N_UNITS + 1))}, "'bank' as float64 of shape"),
        ({"bank": np.zeros((0, N_UNITS))}, "0 segments"),
        ({"feature_origin": np.array(["a"] * 4)}, "'feature_origin' as <U1"),
        ({"feature_origin": np.array([None] * 4)}, "damaged: ValueError"),
        ({"feature_centres": np.zeros((0, 4))}, "0 centres"),
        ({"feature_centres": np.zeros((2, 5))}, "'feature_centres'"),
        ({"feature_within": np.full((4, 4), np.nan)}, "'feature_within'"),
        ({"feature_origin": None}, "damaged: KeyError"),
        ({"n_neighbours": np.int64(0)}, "neighbour 0 counts"),
        ({"n_neighbours": np.int64(91)}, "neighbour 91 counts"),
        ({"n_neighbours": np.array([1, 2])}, "'n_neighbours'"),
    ],
    ids=lambda case: str(case)[:30],
)
def test_other_arrays_are_refused(training, changed, said):
    content = pack_statistics(fit(training[0], segment_genres=training[1], seed=0))
    unpack_statistics(content, n_units=N_UNITS, n_dims=4)
    with pytest.raises(BundleError, match=said):
        unpack_statistics(repacked(content, **changed), n_units=N_UNITS, n_dims=4)


def test_damaged_or_foreign_files_are_refused(training):
    content = pack_statistics(fit(training[0], segment_genres=training[1], seed=0))
    for damaged in (b"", b"no zip", content[: len(content) // 2], content[:-30], content[:400] + b"\0" * 400):
        with pytest.raises(BundleError, match="statistics are damaged"):
            unpack_statistics(damaged, n_units=N_UNITS, n_dims=4)
    with pytest.raises(BundleError, match="penultimate layer has 5 units"):
        unpack_statistics(content, n_units=5, n_dims=4)
    with pytest.raises(BundleError, match="the feature 3 dimensions"):
        unpack_statistics(content, n_units=N_UNITS, n_dims=3)


@pytest.mark.parametrize(
    ("n_tracks", "rate", "rank"), [(19, 0.05, 19), (99, 0.05, 95), (100, 0.05, 96), (9, 0.5, 5)]
)
def test_the_threshold_is_the_conformal_quantile(n_tracks, rate, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n_tracks + 1))
    assert fit_threshold(scores, false_alarm_rate=rate) == rank
    rule = fit_rule({"knn": scores}, decides="knn", false_alarm_rate=rate)
    assert rule.threshold == rank
    assert rule.expected_rate == pytest.approx((n_tracks + 1 - rank) / (n_tracks + 1))
    assert rule.expected_rate <= rate + 1e-12


@pytest.mark.parametrize("n_tracks", [10, 19, 45, 200])
def test_the_promised_rates_hold(n_tracks):
    """Over many validation sets: the mean false-alarm rate, and the rate that 95 % of them stay below."""
    rng = np.random.default_rng(n_tracks)
    rule = fit_rule({"energy": np.zeros(n_tracks)}, decides="energy", false_alarm_rate=0.05)
    thresholds = [fit_threshold(rng.gamma(2, size=n_tracks), false_alarm_rate=0.05) for _ in range(4000)]
    rates = scipy.stats.gamma(2).sf(thresholds)
    assert rates.mean() == pytest.approx(rule.expected_rate, rel=0.06)
    assert np.mean(rates <= rule.highest_rate) == pytest.approx(0.95, abs=0.012)


def test_a_rule_says_what_to_expect_in_one_sentence():
    few = fit_rule({"knn": np.arange(10.0)}, decides="knn", false_alarm_rate=0.05)
    assert few.describe() == "of tracks like those of training, about 9 % will be called out-of-distribution"
    artists = fit_rule({"knn": np.arange(60.0)}, decides="knn", false_alarm_rate=0.05, units=np.arange(60) // 3)
    assert artists.describe() == "of tracks like those of training, about 5 % will be called out-of-distribution"
    old = OodRule(score="energy", thresholds={"energy": -1.0}, false_alarm_rate=0.1, n_tracks=None)
    assert (old.expected_rate, old.highest_rate) == (None, None)
    assert "about 10 % will be called" in old.describe()


@pytest.mark.parametrize(
    ("n_artists", "tracks_an_artist", "correlation"),
    [(20, 3, 0.5), (20, 3, 0.8), (10, 6, 0.3), (10, 6, 0.95), (10, 6, 1.0), (50, 10, 0.3), (50, 10, 0.8)],
)
def test_the_highest_rate_holds_where_tracks_come_by_artist(n_artists, tracks_an_artist, correlation):
    rng = np.random.default_rng(51)
    units = np.repeat(np.arange(n_artists), tracks_an_artist)
    rule = fit_rule({"energy": np.zeros(len(units))}, decides="energy", false_alarm_rate=0.05, units=units)
    assert rule.n_independent == pytest.approx(n_artists)
    by_track = dataclasses.replace(rule, n_independent=None)
    of_artists, of_tracks = rng.normal(size=(2000, n_artists))[:, units], rng.normal(size=(2000, len(units)))
    scores = np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks
    rates = scipy.stats.norm.sf([fit_threshold(row, false_alarm_rate=0.05) for row in scores])
    assert np.mean(rates <= rule.highest_rate) >= 0.94
    assert np.mean(rates <= by_track.highest_rate) < 0.94


def test_artists_of_one_track_are_tracks():
    scores = {"knn": np.random.default_rng(0).normal(size=45)}
    single = fit_rule(scores, decides="knn", false_alarm_rate=0.05, units=np.arange(45))
    unknown = fit_rule(scores, decides="knn", false_alarm_rate=0.05)
    assert (single.n_independent, unknown.n_independent) == (45, None)
    assert single.highest_rate == pytest.approx(unknown.highest_rate)
    assert single.describe() == unknown.describe()


@pytest.mark.parametrize("n_independent", [0.0, 0.9, -1.0, math.inf, math.nan])
def test_what_is_no_number_of_independent_tracks_is_refused(n_independent):
    with pytest.raises(ParameterError, match="independent tracks; wanted a number of 1 or more"):
        OodRule(
            score="knn", thresholds={"knn": 1.0}, false_alarm_rate=0.05, n_tracks=9, n_independent=n_independent
        )


def test_a_rule_has_a_threshold_for_every_score():
    scores = {"energy": np.arange(20.0), "knn": -np.arange(20.0)}
    rule = fit_rule(scores, decides="energy", false_alarm_rate=0.1)
    assert rule.thresholds == {"energy": 18.0, "knn": -1.0}
    assert rule.n_tracks == 20


def test_a_rule_remembers_the_scores_of_home():
    scores = {"energy": np.array([3.0, -1.0, 2.0]), "knn": np.zeros(3)}
    rule = fit_rule(scores, decides="energy", false_alarm_rate=0.1)
    assert rule.home_scores == (-1.0, 2.0, 3.0)
    assert rule.home_units is None
    assert hash(rule) == hash(dataclasses.replace(rule, home_scores=None))
    rule = fit_rule(scores, decides="energy", false_alarm_rate=0.1, units=np.array([9, 2, 9]))
    assert rule.home_units == (0, 1, 1)
    with pytest.raises(ParameterError, match="of 3 tracks; wanted one a track"):
        dataclasses.replace(rule, home_units=(0, 1))


@pytest.mark.parametrize("n_tracks", [512, 513, 700, 5000])
def test_of_many_scores_of_home_even_steps_are_kept(n_tracks):
    scores = np.random.default_rng(0).permutation(np.arange(float(n_tracks)))
    home = np.array(fit_rule({"knn": scores}, decides="knn", false_alarm_rate=0.05).home_scores)
    assert (len(home), home[0], home[-1]) == (512, 0, n_tracks - 1)
    np.testing.assert_allclose(home, np.linspace(0, n_tracks - 1, 512), atol=0.5)
    assert len(np.unique(home)) == 512


@pytest.mark.parametrize("home", [(), (1.0, 0.0), (0.0, math.nan), (0.0, math.inf)])
def test_what_are_no_scores_of_home_is_refused(home):
    with pytest.raises(ParameterError, match=f"{len(home)} scores of home; wanted at least one"):
        OodRule(score="knn", thresholds={"knn": 1.0}, false_alarm_rate=0.05, n_tracks=len(home), home_scores=home)


def test_thresholds_refuse():
    for scores in (np.zeros(0), np.array([1.0, np.nan]), np.array([np.inf])):
        with pytest.raises(ParameterError, match="wanted at least one score, all finite"):
            fit_threshold(scores, false_alarm_rate=0.05)
    for rate in (0.0, 1.0):
        with pytest.raises(ParameterError, match="a rate in"):
            fit_threshold(np.zeros(3), false_alarm_rate=rate)
    with pytest.raises(ParameterError, match="a rule on the score 'knn'"):
        fit_rule({"energy": np.zeros(3)}, decides="knn", false_alarm_rate=0.05)
    with pytest.raises(ParameterError, match="of 3 tracks; wanted one a track"):
        fit_rule({"knn": np.zeros(3)}, decides="knn", false_alarm_rate=0.05, units=np.zeros(2, int))
    with pytest.raises(ParameterError, match="every score of the same tracks"):
        fit_rule({"energy": np.zeros(3), "knn": np.zeros(4)}, decides="knn", false_alarm_rate=0.05)
