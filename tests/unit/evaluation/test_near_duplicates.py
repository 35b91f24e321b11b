"""Near-duplicates in made-up music: what is found, what is not, and how often chance is taken for a copy."""

import numpy as np
import pytest
import scipy.signal
import scipy.spatial.distance

from deepsound.errors import ParameterError
from deepsound.evaluation.near_duplicates import estimate_dimension, find_near_duplicates, find_neighbours
from deepsound.evaluation.profiles import TrackProfiles, profile_tracks

N_SEGMENTS, N_FRAMES, N_DIMS = 3, 20, 8


def make_music(n_tracks, *, seed=0, n_genres=4):
    """(n_tracks, n_segments, n_frames, n_dims): a genre's sound, a track's own, and a course of its own."""
    rng = np.random.default_rng(seed)
    genres = rng.normal(size=(n_genres, N_DIMS)) * 2
    sounds = genres[np.arange(n_tracks) % n_genres] + rng.normal(size=(n_tracks, N_DIMS))
    steps = rng.normal(size=(n_tracks, N_SEGMENTS * N_FRAMES, N_DIMS))
    # Neighbouring frames resemble each other, as in music.
    courses = scipy.signal.lfilter([0.5], [1, -0.8], steps, axis=1)
    music = sounds[:, np.newaxis] + courses * rng.uniform(0.5, 1.5, (n_tracks, 1, N_DIMS))
    return music.reshape(n_tracks, N_SEGMENTS, N_FRAMES, N_DIMS).astype(np.float32)


def profile(music):
    n_tracks, n_segments = music.shape[:2]
    values = music.reshape(-1, *music.shape[2:])
    return profile_tracks(values, track_indices=np.repeat(np.arange(n_tracks), n_segments), n_tracks=n_tracks)


def found_in(music):
    return {(pair.first, pair.second) for pair in find_near_duplicates(profile(music))}


CHANGES = {
    "exact copy": lambda x, _: x,
    "a little noise": lambda x, rng: x + 0.3 * rng.normal(size=x.shape),
    "another level": lambda x, _: x + 3 * np.eye(N_DIMS)[0],
    "half the contrast": lambda x, _: 0.5 * x,
    "a dimension lost": lambda x, _: np.where(np.arange(N_DIMS) == 3, -4.0, x),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("n_tracks", [14, 60, 150])
def test_copies_are_found_and_nothing_else(change, n_tracks):
    music = make_music(n_tracks)
    copies = CHANGES[change](music[:3], np.random.default_rng(1))
    assert found_in(np.concatenate([music, copies])) == {(i, n_tracks + i) for i in range(3)}


def test_a_collection_with_a_copy_of_everything():
    music = make_music(50)
    noisy = music + 0.2 * np.random.default_rng(1).normal(size=music.shape)
    assert found_in(np.concatenate([music, noisy])) == {(i, 50 + i) for i in range(50)}


def test_one_recording_thirty_times_over():
    music = make_music(60)
    jingle = music[:1] + 0.1 * np.random.default_rng(1).normal(size=(30, *music.shape[1:]))
    pairs = found_in(np.concatenate([music[1:], jingle]))
    assert {track for pair in pairs for track in pair} == set(range(59, 89))
    assert len(pairs) > 200


def test_honest_collections_raise_no_alarm():
    """The rule allows one in 500 collections; here are 150, of a dozen to 200 tracks."""
    alarms = [found_in(make_music(n, seed=seed)) for n in (12, 40, 200) for seed in range(50)]
    assert sum(map(bool, alarms)) == 0


def test_a_dozen_tracks_of_noise_are_no_copies():
    """Their sound is one and the same; what happens when is not."""
    music = make_music(48)
    noise = 0.01 * np.random.default_rng(1).normal(size=(12, *music.shape[1:]))
    assert found_in(np.concatenate([music, noise])) == set()


def test_a_track_that_shares_much_with_another_is_no_copy():
    """Two pieces at once: far too close to the first one for chance, and yet not its recording."""
    music = make_music(100)
    medley = music[:1] + make_music(1, seed=9)
    assert found_in(np.concatenate([music, medley])) == set()


def test_sound_alone_tells_a_copy_that_starts_elsewhere():
    music = make_music(120)
    whole = music[:2].reshape(2, -1, N_DIMS)
    shifted = np.roll(whole, 30, axis=1).reshape(2, *music.shape[1:])
    pairs = find_near_duplicates(profile(np.concatenate([music, shifted])))
    assert [(pair.first, pair.second, pair.view) for pair in pairs] == [(0, 120, "sound"), (1, 121, "sound")]


def test_features_of_a_single_frame_have_no_course():
    music = make_music(80)[:, :1, :1]
    profiles = profile(np.concatenate([music, music[:1] + 1e-3]))
    assert not profiles.has_course.any()
    assert {(p.first, p.second, p.view) for p in find_near_duplicates(profiles)} == {(0, 80, "sound")}


def test_too_few_tracks_to_tell():
    music = make_music(9)
    assert found_in(np.concatenate([music, music[:1]])) == set()


def test_a_copy_that_ends_early():
    music = make_music(80).reshape(40, 2 * N_SEGMENTS, N_FRAMES, N_DIMS)
    values, owners = music.reshape(-1, N_FRAMES, N_DIMS), np.repeat(np.arange(40), 2 * N_SEGMENTS)
    values, owners = np.concatenate([values, values[:4]]), np.concatenate([owners, [40] * 4])
    order = np.random.default_rng(0).permutation(41)
    pairs = find_near_duplicates(profile_tracks(values, track_indices=order[owners], n_tracks=41))
    assert [{pair.first, pair.second} for pair in pairs] == [{order[0], order[40]}]


def test_a_short_track_among_long_ones_is_profiled():
    values, owners = make_music(30).reshape(-1, N_FRAMES, N_DIMS), np.repeat(np.arange(30), N_SEGMENTS)
    profiles = profile_tracks(values[:-2], track_indices=owners[:-2], n_tracks=30)
    assert profiles.has_course.all()
    assert np.isfinite(profiles.course).all()


def test_the_expected_number_is_the_number_there_is():
    """In a space where the law holds: of all collections, a share of at most x has a pair expected x times."""
    rng = np.random.default_rng(2)
    smallest = []
    for _ in range(150):
        points = rng.random((150, 5)).astype(np.float32)
        _, distances = find_neighbours(points, n_neighbours=20)
        m = estimate_dimension(distances, k=10)
        smallest.append((150 * 9 * (distances[:, 0] / distances[:, 9]) ** m).min())
    for x in (0.1, 0.3, 1.0):
        assert x / 10 <= np.mean(np.array(smallest) < x) <= x


@pytest.mark.parametrize("n_dims", [2, 5])
def test_dimension_is_that_of_the_space_with_and_without_copies(n_dims):
    points = np.random.default_rng(0).random((1500, n_dims)).astype(np.float32)
    _, distances = find_neighbours(points, n_neighbours=20)
    alone = estimate_dimension(distances, k=10)
    assert alone == pytest.approx(n_dims, rel=0.15)
    _, distances = find_neighbours(np.concatenate([points, points + 1e-5]), n_neighbours=20)
    assert estimate_dimension(distances, k=10) == pytest.approx(alone, rel=0.1)
    assert estimate_dimension(np.zeros((30, 20)), k=10) == 1


def test_neighbours_are_those_of_all_distances():
    points = (5000 + np.random.default_rng(0).normal(size=(60, 4))).astype(np.float32)
    points[7] = points[3]
    indices, distances = find_neighbours(points, n_neighbours=6)
    expected = scipy.spatial.distance.cdist(points, points)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :6], atol=2e-3)
    np.testing.assert_allclose(np.take_along_axis(expected, indices, axis=1), distances, atol=2e-3)
    assert (indices[7, 0], distances[7, 0]) == (3, 0.0)
    with pytest.raises(ParameterError, match="60 neighbours of 60 points"):
        find_neighbours(points, n_neighbours=60)


def test_profiles_are_means_and_deviations():
    music = make_music(30)
    profiles = profile(music)
    frames = music.reshape(30, -1, N_DIMS).astype(np.float64)
    expected = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(profiles.sound, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(profiles.course, axis=1), 1, atol=1e-5)
    with pytest.raises(ParameterError, match="no segment"):
        profile_tracks(music[0], track_indices=np.array([0, 0, 2]), n_tracks=3)


def test_the_projection_keeps_distances():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(40, 2, 4, 300)).astype(np.float32)
    profiles = profile(wide)
    assert profiles.sound.shape[1] == profiles.course.shape[1] == 256
    frames = wide.reshape(40, -1, 300).astype(np.float64)
    full = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    full = (full - full.mean(axis=0)) / full.std(axis=0)
    ratio = scipy.spatial.distance.pdist(profiles.sound) / scipy.spatial.distance.pdist(full)
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.std() < 0.08


def test_equal_points_among_equal_points():
    """Many tracks with nothing in them at all: as near as can be, and no division by nothing."""
    points = np.concatenate([np.zeros((30, 3)), np.random.default_rng(0).normal(size=(30, 3))]).astype(np.float32)
    nothing = np.zeros((60, 1), np.float32)
    profiles = TrackProfiles(sound=points, course=nothing, has_course=np.zeros(60, bool))
    pairs = find_near_duplicates(profiles)
    assert pairs
    assert all(pair.second < 30 and pair.ratio == 0 for pair in pairs)
