"""The sample's promises: no bias whatever files cost, a standard error that is right, all formats, the largest."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsound.doctor.sampling import AudioFile, draw_systematically, plan_sample


def make_files(n_files, *, formats=("wav", "mp3"), seed=0):
    """Sizes over three orders of magnitude, as collections have them."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(13, 1.2, n_files)).astype(int)
    return [
        AudioFile(track_id=f"{i:05d}.{formats[i % len(formats)]}", size_bytes=int(size))
        for i, size in enumerate(sizes)
    ]


@given(
    sizes=st.lists(st.integers(1, 1_000_000), min_size=1, max_size=30),
    n_draws=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_a_file_is_drawn_as_often_as_its_size_says(sizes, n_draws):
    """Over all starts, on a grid: the expected number of draws is n times size over total."""
    n_starts = 2000
    counts = np.zeros(len(sizes))
    for start in (np.arange(n_starts) + 0.5) / n_starts:
        drawn = draw_systematically(sizes, n_draws=n_draws, start=start)
        assert len(drawn) == n_draws
        np.add.at(counts, drawn, 1)
    expected = n_draws * np.array(sizes) / sum(sizes)
    np.testing.assert_allclose(counts / n_starts, expected, atol=2 / n_starts * n_draws)


def costs_of(files, *, rng):
    """Costs that follow size in one format and have nothing to do with it in the other."""
    return {
        file: file.size_bytes * 1e-7 if file.format == "mp3" else float(rng.exponential(0.5)) for file in files
    }


def test_an_estimate_has_no_bias_and_the_standard_error_it_says():
    files = make_files(400)
    cost = costs_of(files, rng=np.random.default_rng(1))
    truth = sum(cost.values())
    estimates = []
    for seed in range(400):
        plan = plan_sample(files, n_files=20, seed=seed)
        estimates.append(plan.estimate([cost[file] for file in plan.files]))
    values = np.array([estimate.value for estimate in estimates])
    standard_error = values.std() / math.sqrt(len(values))
    assert abs(values.mean() - truth) < 3 * standard_error
    # Systematic draws vary a little less than the independent ones that the formula is of.
    said = math.sqrt(np.mean([estimate.error**2 for estimate in estimates]))
    assert 0.9 < said / values.std() < 1.6


def test_costs_in_proportion_to_size_are_estimated_exactly_but_for_the_constant():
    files = make_files(1000, formats=("flac",))
    plan = plan_sample(files, n_files=20, seed=3)
    estimate = plan.estimate([file.weight_bytes for file in plan.files])
    assert estimate.value == pytest.approx(sum(file.weight_bytes for file in files))
    assert estimate.error == pytest.approx(0, abs=1e-3 * estimate.value)


@pytest.mark.parametrize("n_files", [1, 2, 19, 20])
def test_few_files_are_all_taken_and_nothing_is_estimated(n_files):
    files = make_files(n_files)
    plan = plan_sample(files, n_files=20, seed=0)
    assert set(plan.files) == set(files)
    estimate = plan.estimate([1.5] * n_files)
    assert (estimate.value, estimate.error) == (pytest.approx(1.5 * n_files), 0)


@pytest.mark.parametrize("n_formats", [1, 3, 6, 12])
def test_the_largest_is_always_there_and_the_sample_small(n_formats):
    files = make_files(600, formats=tuple(f"f{i}" for i in range(n_formats)))
    for seed in range(10):
        plan = plan_sample(files, n_files=20, seed=seed)
        assert max(files, key=lambda file: file.size_bytes) in plan.files
        assert 12 <= len(plan.files) <= 26
        assert len(set(plan.files)) == len(plan.files)
        # The count of files itself is a total, estimated like any other.
        assert plan.estimate([1.0] * len(plan.files)).value > 0


def test_every_common_format_is_sampled():
    files = make_files(595, formats=("wav",)) + [
        AudioFile(track_id=f"rare{i}.m4a", size_bytes=1000 + i) for i in range(5)
    ]
    formats = {file.format for file in plan_sample(files, n_files=20, seed=0).files}
    assert formats == {"wav", "m4a"}


def test_a_seed_gives_one_sample_whatever_the_order_of_files():
    files = make_files(300)
    plan = plan_sample(files, n_files=20, seed=7)
    assert plan == plan_sample(files[::-1], n_files=20, seed=7)
    assert plan != plan_sample(files, n_files=20, seed=8)


def test_one_huge_file_among_small_ones_is_counted_once():
    files = [AudioFile(track_id=f"{i}.wav", size_bytes=1_000_000) for i in range(200)]
    files.append(AudioFile(track_id="set.wav", size_bytes=2_000_000_000))
    for seed in range(20):
        plan = plan_sample(files, n_files=20, seed=seed)
        estimate = plan.estimate([file.size_bytes for file in plan.files])
        assert estimate.value == pytest.approx(2_200_000_000, rel=1e-6)


def test_a_point_on_the_border_of_two_files_is_the_seconds():
    assert draw_systematically([1, 1, 1, 1], n_draws=4, start=0.0) == [0, 1, 2, 3]
