"""Estimated shares of genres: solved another way, and simulated."""

import numpy as np
import pytest
import scipy.optimize

from deepsound.errors import ParameterError
from deepsound.evaluation.quantification import estimate_shares
from deepsound.evaluation.units import proportion_interval

N_GENRES, N_DIMS = 6, 5
GENRES = tuple("abcdef")
PRIOR = np.array([80, 40, 40, 20, 40, 60])


class World:
    """Genres as clouds of points, a model that knows them, and how artists and tracks lie in them."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.centres = self.rng.normal(size=(N_GENRES, N_DIMS))

    def draw(self, shares, *, n_artists, tracks_an_artist, correlation=0.0):
        units = np.repeat(np.arange(n_artists), tracks_an_artist)
        truth = self.rng.choice(N_GENRES, n_artists, p=shares)[units]
        of_artists = self.rng.normal(size=(n_artists, N_DIMS))[units]
        of_tracks = self.rng.normal(size=(len(units), N_DIMS))
        points = self.centres[truth] + np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks
        distances = ((points[:, np.newaxis] - self.centres) ** 2).sum(axis=2)
        posteriors = (PRIOR + 0.5) * np.exp(-distances / 2)
        return posteriors / posteriors.sum(axis=1, keepdims=True), truth, units


def estimated(result):
    return np.array([share.estimated for share in result.shares])


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_the_likeliest_shares(seed):
    """The same maximum by a general optimiser over the simplex, also where it lies on the border."""
    world = World(seed)
    probabilities, _, _ = world.draw(
        world.rng.dirichlet(np.full(N_GENRES, 0.3)), n_artists=300, tracks_an_artist=1
    )
    likelihoods = probabilities / ((PRIOR + 0.5) / (PRIOR + 0.5).sum())
    best = scipy.optimize.minimize(
        lambda shares: -np.log(likelihoods @ shares).mean(),
        np.full(N_GENRES, 1 / N_GENRES),
        method="SLSQP",
        bounds=[(1e-9, 1)] * N_GENRES,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
        options={"maxiter": 1000, "ftol": 1e-13},
    )
    result = estimate_shares(probabilities, prior=PRIOR, genres=GENRES)
    np.testing.assert_allclose(estimated(result), best.x, atol=2e-3)
    assert estimated(result).sum() == pytest.approx(1)
    assert result.notes == ()


def test_predicted_shares_are_counts_by_artist():
    probabilities, _, units = World(5).draw(np.full(N_GENRES, 1 / 6), n_artists=30, tracks_an_artist=4)
    result = estimate_shares(probabilities, prior=PRIOR, genres=GENRES, units=units)
    predicted = probabilities.argmax(axis=1)
    assert (result.n_tracks, [share.genre for share in result.shares]) == (120, list(GENRES))
    for i, share in enumerate(result.shares):
        assert (share.n_predicted, share.predicted) == ((predicted == i).sum(), (predicted == i).mean())
        assert (share.predicted_low, share.predicted_high) == proportion_interval(predicted == i, units=units)


def test_skewed_shares_are_nearer_than_by_counting_and_by_adjusted_counts():
    world = World(6)
    held_out, truth, _ = world.draw(PRIOR / PRIOR.sum(), n_artists=60, tracks_an_artist=1)
    confusion = np.zeros((N_GENRES, N_GENRES), int)
    np.add.at(confusion, (truth, held_out.argmax(axis=1)), 1)
    errors = np.zeros(3)
    for _ in range(15):
        shares = world.rng.dirichlet(np.full(N_GENRES, 0.4))
        probabilities, _, units = world.draw(shares, n_artists=500, tracks_an_artist=1)
        result = estimate_shares(probabilities, prior=PRIOR, genres=GENRES, units=units)
        counts = [share.n_predicted for share in result.shares]
        # Adjusted counting: shares of which the model, with its mistakes, makes these counts (G. Forman, 2008).
        takes_for = (confusion + 0.1) / (confusion + 0.1).sum(axis=1, keepdims=True)
        adjusted, _ = scipy.optimize.nnls(takes_for.T, np.array(counts) / 500)
        for i, shares_of in enumerate((estimated(result), np.array(counts) / 500, adjusted / adjusted.sum())):
            errors[i] += np.abs(shares_of - shares).mean() / 15
    assert errors[0] < 0.6 * errors[1]
    assert errors[0] < 0.8 * errors[2]


@pytest.mark.parametrize(("n_artists", "tracks_an_artist", "correlation"), [(200, 1, 0.0), (60, 5, 0.3)])
def test_intervals_hold_the_truth(n_artists, tracks_an_artist, correlation):
    world, held = World(7), []
    for seed in range(40):
        shares = world.rng.dirichlet(np.full(N_GENRES, 0.6))
        sizes = {"n_artists": n_artists, "tracks_an_artist": tracks_an_artist, "correlation": correlation}
        probabilities, _, units = world.draw(shares, **sizes)
        result = estimate_shares(probabilities, prior=PRIOR, genres=GENRES, units=units, seed=seed)
        held += [s.estimated_low <= t <= s.estimated_high for s, t in zip(result.shares, shares, strict=True)]
        assert all(s.estimated_low <= s.estimated <= s.estimated_high for s in result.shares)
    assert 0.93 <= np.mean(held) <= 1


def test_tracks_of_artists_tell_less_than_as_many_of_their_own():
    probabilities, _, units = World(8).draw(
        np.full(N_GENRES, 1 / 6), n_artists=40, tracks_an_artist=10, correlation=0.5
    )
    by_artist = estimate_shares(probabilities, prior=PRIOR, genres=GENRES, units=units)
    by_track = estimate_shares(probabilities, prior=PRIOR, genres=GENRES)
    assert (estimated(by_artist) == estimated(by_track)).all()
    widths = [np.mean([s.estimated_high - s.estimated_low for s in r.shares]) for r in (by_artist, by_track)]
    assert widths[0] > 1.8 * widths[1]


def test_a_sample_of_many_artists_gives_the_interval_of_all():
    """Four times the artists, half the width, although no more than 5,000 tracks are drawn from."""
    probabilities, _, _ = World(9).draw(np.full(N_GENRES, 1 / 6), n_artists=5000, tracks_an_artist=1)
    widths = []
    for times in (1, 4):
        result = estimate_shares(np.tile(probabilities, (times, 1)), prior=PRIOR, genres=GENRES)
        widths.append([s.estimated_high - s.estimated_low for s in result.shares])
    np.testing.assert_allclose(np.array(widths[0]) / widths[1], 2, rtol=0.25)


def test_a_genre_without_training_tracks_is_said():
    prior = np.array([80, 0, 40, 20, 40, 60])
    probabilities, _, _ = World(10).draw(np.full(N_GENRES, 1 / 6), n_artists=80, tracks_an_artist=1)
    result = estimate_shares(probabilities, prior=prior, genres=GENRES)
    assert result.notes == ("no training track of b: how much there is of these is a guess",)
    assert np.isfinite(estimated(result)).all()


def test_probabilities_that_know_nothing_do_not_settle_on_other_shares():
    prior = np.array([60, 20, 20, 20, 20, 60])
    probabilities = np.tile((prior + 0.5) / (prior + 0.5).sum(), (50, 1))
    result = estimate_shares(probabilities, prior=prior, genres=GENRES)
    np.testing.assert_allclose(estimated(result), probabilities[0])


def test_the_same_seed_draws_the_same():
    probabilities, _, _ = World(11).draw(np.full(N_GENRES, 1 / 6), n_artists=80, tracks_an_artist=1)
    once, again, other = (
        estimate_shares(probabilities, prior=PRIOR, genres=GENRES, seed=seed) for seed in (0, 0, 1)
    )
    assert once == again != other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"probabilities": np.full((3, 5), 0.2)}, "probabilities of shape"),
        ({"prior": np.ones(5)}, r"a prior of \(5,\)"),
        ({"probabilities": np.zeros((0, N_GENRES))}, "of no track"),
        ({"probabilities": np.full((3, N_GENRES), 0.2)}, "did you pass logits"),
        ({"probabilities": np.full((3, N_GENRES), np.nan)}, "did you pass logits"),
        ({"probabilities": np.tile([1.5, -0.5, 0, 0, 0, 0], (3, 1))}, "did you pass logits"),
        ({"prior": np.full(N_GENRES, 1 / N_GENRES)}, "wanted numbers of tracks, not shares"),
        ({"prior": np.array([9, 9, -1, 9, 9, 9])}, "wanted numbers of tracks"),
        ({"units": np.zeros(2, int)}, "of 3 tracks; wanted one a track"),
    ],
)
def test_refuses(changes, said):
    known = {"probabilities": np.full((3, N_GENRES), 1 / N_GENRES), "prior": PRIOR, "genres": GENRES, **changes}
    probabilities = known.pop("probabilities")
    with pytest.raises(ParameterError, match=said):
        estimate_shares(probabilities, **known)
