"""Estimated shares of genres: solved another way, and simulated."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation import adjusted_counts
from deepsound.evaluation.adjusted_counts import estimate_shares_by_counts

GENRES = ("a", "b", "c")
CONFUSION = np.array([[80, 15, 5], [10, 80, 10], [0, 20, 80]])


def likelihood_of(confusion):
    rows = adjusted_counts._smooth(np.asarray(confusion))
    return rows / rows.sum(axis=1, keepdims=True)


def test_undoing_the_mistakes_gives_back_the_true_shares():
    true = np.array([0.6, 0.3, 0.1])
    counts = np.round(100_000 * true @ likelihood_of(CONFUSION)).astype(int)
    result = estimate_shares_by_counts(counts, confusion=CONFUSION, genres=GENRES)
    np.testing.assert_allclose([share.estimated for share in result.shares], true, atol=1e-3)
    assert [share.genre for share in result.shares] == list(GENRES)
    assert [share.n_predicted for share in result.shares] == counts.tolist()
    assert all(share.estimated_low < share.estimated < share.estimated_high for share in result.shares)
    assert result.notes == ()


def test_predicted_shares_have_wilson_intervals():
    result = estimate_shares_by_counts(np.array([7, 0, 13]), confusion=CONFUSION, genres=GENRES)
    for share, count in zip(result.shares, (7, 0, 13), strict=True):
        wilson = scipy.stats.binomtest(count, 20).proportion_ci(method="wilson")
        assert share.predicted == count / 20
        assert (share.predicted_low, share.predicted_high) == pytest.approx((wilson.low, wilson.high), abs=1e-12)
    assert result.n_tracks == 20


@pytest.mark.parametrize("seed", range(4))
def test_estimates_are_the_likeliest_ones(seed):
    """The same maximum by a general optimiser over the simplex, also where it lies on the border."""
    rng = np.random.default_rng(seed)
    confusion = rng.multinomial(30, [0.6, 0.2, 0.15, 0.05], size=4)
    confusion = np.stack([np.roll(row, i) for i, row in enumerate(confusion)])
    counts = rng.multinomial(500, rng.dirichlet(np.full(4, 0.3)))
    likelihood = likelihood_of(confusion)

    def minus_log_likelihood(shares):
        return -counts @ np.log(shares @ likelihood)

    best = scipy.optimize.minimize(
        minus_log_likelihood,
        np.full(4, 0.25),
        method="SLSQP",
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
        options={"maxiter": 1000, "ftol": 1e-12},
    )
    result = estimate_shares_by_counts(counts, confusion=confusion, genres=tuple("abcd"))
    estimated = np.array([share.estimated for share in result.shares])
    np.testing.assert_allclose(estimated, best.x, atol=5e-3)
    assert estimated.sum() == pytest.approx(1)
    assert (estimated >= 0).all()


def simulate(n_genres, n_validation, n_tracks, concentration, *, n_trials, seed):
    """Coverage of the intervals, and mean errors of the estimated and of the predicted shares."""
    rng = np.random.default_rng(seed)
    genres = tuple(f"g{i}" for i in range(n_genres))
    held, errors, raw_errors = [], [], []
    for trial in range(n_trials):
        rows = np.stack(
            [np.insert(rng.dirichlet(np.full(n_genres - 1, 0.5)) * 0.25, i, 0.75) for i in range(n_genres)]
        )
        true = rng.dirichlet(np.full(n_genres, concentration))
        confusion = np.stack([rng.multinomial(n_validation, row) for row in rows])
        counts = rng.multinomial(n_tracks, true @ rows)
        shares = estimate_shares_by_counts(counts, confusion=confusion, genres=genres, seed=trial).shares
        held += [s.estimated_low <= t <= s.estimated_high for s, t in zip(shares, true, strict=True)]
        errors.append(np.abs([s.estimated for s in shares] - true).mean())
        raw_errors.append(np.abs([s.predicted for s in shares] - true).mean())
    return np.mean(held), np.mean(errors), np.mean(raw_errors)


@pytest.mark.parametrize(
    ("n_genres", "n_validation", "n_tracks", "concentration", "gain"),
    # With 14 validation tracks a genre and shares that are not far from equal, nothing is gained but the interval.
    [(10, 14, 2000, 1.0, 1.1), (10, 40, 2000, 0.3, 0.7), (3, 20, 200, 1.0, 0.9)],
)
def test_intervals_hold_the_truth_and_estimates_are_nearer_than_counts(
    n_genres, n_validation, n_tracks, concentration, gain, monkeypatch
):
    monkeypatch.setattr(adjusted_counts, "_N_DRAWS", 300)
    monkeypatch.setattr(adjusted_counts, "_N_STEPS", 200)
    held, error, raw_error = simulate(n_genres, n_validation, n_tracks, concentration, n_trials=50, seed=1)
    assert 0.91 <= held <= 0.995
    assert error < gain * raw_error


def test_the_bias_of_counting_is_gone():
    """A collection of one genre only: counting finds the others in it, whatever its size."""
    rows = likelihood_of(CONFUSION)
    counts = np.round(1_000_000 * rows[0]).astype(int)
    result = estimate_shares_by_counts(counts, confusion=CONFUSION, genres=GENRES)
    first = result.shares[0]
    assert first.predicted < 0.85
    assert first.estimated > 0.98
    assert first.estimated_high > 0.98
    assert [share.estimated_low for share in result.shares[1:]] == pytest.approx([0, 0], abs=0.01)


def test_a_large_collection_does_not_make_up_for_a_small_validation_set():
    widths = []
    for scale in (1, 10):
        counts = np.array([300_000, 400_000, 300_000])
        shares = estimate_shares_by_counts(counts, confusion=CONFUSION // 10 * scale, genres=GENRES).shares
        widths.append(shares[0].estimated_high - shares[0].estimated_low)
    assert widths[0] > 2 * widths[1] > 0.05


def test_genres_that_cannot_be_told_apart_are_named_and_unsure():
    confusion = np.array([[50, 50, 0], [50, 50, 0], [0, 0, 100]])
    result = estimate_shares_by_counts(np.array([300, 300, 400]), confusion=confusion, genres=GENRES)
    assert result.notes == ("the model hardly tells a and b apart: only their sum is known",)
    a, b, c = result.shares
    assert a.estimated_high - a.estimated_low > 0.4
    assert a.estimated + b.estimated == pytest.approx(0.6, abs=0.02)
    assert c.estimated_high - c.estimated_low < 0.15


def test_a_mix_of_genres_that_cannot_be_told_from_another_is_said():
    """No two genres are alike, but a and b together are predicted as c and d together are."""
    confusion = 100 * np.array([[2, 0, 1, 1], [0, 2, 1, 1], [2, 1, 1, 0], [0, 1, 1, 2]])
    result = estimate_shares_by_counts(np.full(4, 100), confusion=confusion, genres=tuple("abcd"))
    assert result.notes == (
        "the model mixes up genres so much that other shares would give nearly the same predictions",
    )
    assert np.isfinite([share.estimated for share in result.shares]).all()


def test_a_genre_without_validation_tracks_is_said():
    confusion = CONFUSION.copy()
    confusion[1] = 0
    result = estimate_shares_by_counts(np.array([300, 300, 400]), confusion=confusion, genres=GENRES)
    assert result.notes == ("no validation track of b: how these are predicted is a guess",)
    widths = [share.estimated_high - share.estimated_low for share in result.shares]
    assert widths[1] > 0.2
    empty = estimate_shares_by_counts(np.array([3, 3, 4]), confusion=np.zeros((3, 3), int), genres=GENRES)
    assert "a, b, c" in empty.notes[0]
    assert np.isfinite([share.estimated for share in empty.shares]).all()


def test_the_same_seed_draws_the_same():
    counts = np.array([30, 30, 40])
    once, again, other = (
        estimate_shares_by_counts(counts, confusion=CONFUSION, genres=GENRES, seed=seed) for seed in (0, 0, 1)
    )
    assert once == again != other


@pytest.mark.parametrize(
    ("counts", "confusion", "said"),
    [
        ([1, 2], CONFUSION, "counts of shape"),
        ([1, 2, 3], CONFUSION[:2], "a confusion matrix of shape"),
        ([0, 0, 0], CONFUSION, "0 predicted tracks"),
        ([1, -1, 1], CONFUSION, "no negative counts"),
        ([1, 1, 1], -CONFUSION, "no negative counts"),
    ],
)
def test_refuses(counts, confusion, said):
    with pytest.raises(ParameterError, match=said):
        estimate_shares_by_counts(np.array(counts), confusion=np.asarray(confusion), genres=GENRES)
