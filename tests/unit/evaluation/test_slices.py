"""Slices: which are looked at, what is said of them, and how often the test is wrong."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.multiple_tests import adjust_by_holm
from deepsound.evaluation.slices import Part, Slice, Slices, compare_with_rest, find_slices, join_columns

GENRES = ("blues", "jazz")


def make_table(is_right, *, artists=None, **columns):
    """All tracks blues, the wrong ones taken for jazz."""
    n = len(is_right)
    return pa.table(
        {
            "track_id": [f"t{i}" for i in range(n)],
            "artist": pa.array(artists or [None] * n, pa.string()),
            "genre": ["blues"] * n,
            "predicted_genre": ["blues" if right else "jazz" for right in is_right],
            "confidence": [0.9] * n,
            **columns,
        }
    )


def find(is_right, **columns):
    return find_slices(make_table(is_right, **columns), genres=GENRES)


def test_a_slice_by_hand():
    # mp3: 8 of 20 right; wav: 27 of 30. No artist is known, so tracks are the units.
    is_right = [True] * 8 + [False] * 12 + [True] * 27 + [False] * 3
    (one,) = find(is_right, container=["mp3"] * 20 + ["wav"] * 30).worst
    assert (one.name, one.n_tracks, one.accuracy, one.elsewhere) == ("container mp3", 20, 0.4, 0.9)
    assert (one.low, one.high) == pytest.approx(wilson_interval(8, 20))
    # The variance of independent tracks under one accuracy is the larger here; degrees of freedom are Welch's.
    inside, outside = 0.4 * 0.6 / 19, 0.9 * 0.1 / 29
    assert inside + outside < 0.7 * 0.3 * (1 / 20 + 1 / 30)
    freedom = (inside + outside) ** 2 / (inside**2 / 19 + outside**2 / 29)
    assert freedom == pytest.approx(scipy.stats.ttest_ind(is_right[:20], is_right[20:], equal_var=False).df)
    p = 2 * scipy.stats.t.sf(0.5 / math.sqrt(0.7 * 0.3 * (1 / 20 + 1 / 30)), freedom)
    assert one.p_value == pytest.approx(p)
    # Of mp3 and wav, each is the other's rest: one hypothesis.
    assert one.p_holm == one.p_value
    assert one.describe() == "container mp3: 0.40 [0.22, 0.61] of 20 tracks, 0.90 elsewhere; p under 0.001"


def test_artists_of_equal_size_are_welchs_test_of_their_accuracies():
    rng = np.random.default_rng(4)
    of_artists = np.where(np.arange(30) < 12, rng.beta(1, 1, 30), rng.beta(9, 1, 30))
    units = np.repeat(np.arange(30), 10)
    is_right = rng.random(300) < of_artists[units]
    means = is_right.reshape(30, 10).mean(axis=1)
    expected = scipy.stats.ttest_ind(means[:12], means[12:], equal_var=False).pvalue
    assert compare_with_rest(units < 12, is_right=is_right, units=units) == pytest.approx(expected)
    # Were tracks the units, it would seem far surer.
    assert compare_with_rest(units < 12, is_right=is_right, units=np.arange(300)) < expected / 10


@pytest.mark.parametrize("is_by_artist", [True, False])
def test_a_fair_model_is_seldom_accused(is_by_artist):
    rng, n_accused, n_tested = np.random.default_rng(5), 0, 0
    for _ in range(1000):
        units = np.repeat(np.arange(40), rng.integers(1, 15, 40))
        is_right = rng.random(len(units)) < rng.beta(2, 1.5, 40)[units]
        is_in = (rng.random(40) < 0.2)[units] if is_by_artist else rng.random(len(units)) < 0.2
        p = compare_with_rest(is_in, is_right=is_right, units=units)
        n_tested += p is not None
        n_accused += p is not None and p < 0.05
    assert n_tested > 800
    assert 0.015 < n_accused / n_tested < 0.08


def test_holm_is_over_all_slices_and_only_the_worse_are_listed():
    rng = np.random.default_rng(6)
    container = rng.choice(["mp3", "wav", "flac", "ogg"], 400)
    is_right = rng.random(400) < np.where(container == "mp3", 0.4, 0.8)
    found = find(is_right.tolist(), container=container.tolist())
    p_values = [
        compare_with_rest(container == name, is_right=is_right, units=np.arange(400))
        for name in ("mp3", "wav", "flac", "ogg")
    ]
    adjusted = adjust_by_holm(p_values)
    assert [one.p_holm for one in found.worst] == sorted(one.p_holm for one in found.worst)
    assert {one.p_holm for one in found.worst} <= set(adjusted)
    assert found.n_tested == 4
    assert all(one.accuracy < one.elsewhere for one in found.worst)
    assert [one.name for one in found.beyond_chance] == ["container mp3"]
    assert found.worst[0].p_holm == pytest.approx(4 * p_values[0], rel=1e-9, abs=0)
    assert found.describe() == [f"worse than elsewhere: {found.worst[0].describe()}"]


def test_numbers_are_cut_at_quartiles_or_at_their_few_values():
    rate = [22_050] * 30 + [44_100] * 51
    duration = [None, *np.linspace(10, 50, 80).tolist()]
    is_right = [False] * 30 + [True] * 51
    found = find(is_right, sample_rate_hz=pa.array(rate, pa.int32()), duration_s=duration)
    names = [one.name for one in found.worst]
    assert names[0] == "sample rate 22050 Hz"
    low, middle, _ = np.quantile(np.linspace(10, 50, 80), [0.25, 0.5, 0.75])
    assert names[1] == f"duration up to {low:.4g} s"
    assert found.worst[1].n_tracks == 20
    assert names[2:] == [f"duration {low:.4g} to {middle:.4g} s"]
    assert found.n_tested == 1 + 4


def test_a_value_at_a_quartile_is_below_it():
    found = find([False] * 30 + [True] * 70, rms_dbfs=[1.0] * 30 + [2.0] * 30 + [3.0, 4.0, 5.0, 6.0] * 10)
    assert [(one.name, one.n_tracks) for one in found.worst] == [("level up to 1 dBFS", 30)]


def test_infinite_levels_are_in_no_slice():
    levels = [-math.inf] * 5 + [-20.0] * 40 + [-10.0] * 40
    found = find([True] * 45 + [False] * 40, rms_dbfs=levels)
    assert found.n_tested == 2
    assert [(one.name, one.n_tracks) for one in found.worst] == [("level -10 dBFS", 40)]


def test_of_small_slices_and_of_few_artists_nothing_is_said():
    is_right = [False] * 19 + [True] * 81
    # 19 tracks of unknown artists are too few; so are 50 of three artists, and the rest that is none.
    assert find(is_right, container=["mp3"] * 19 + ["wav"] * 81).n_tested == 1
    artists = [f"a{i % 3}" for i in range(50)] + [f"b{i}" for i in range(50)]
    few = find([False] * 50 + [True] * 50, artists=artists, container=["mp3"] * 50 + ["wav"] * 50)
    assert "container mp3" not in [one.name for one in few.worst]
    assert find(is_right, container=["mp3"] * 100) == Slices(worst=(), n_tested=0)
    # Five artists are enough, of however few tracks.
    artists = [f"a{i}" for i in range(5)] + [f"b{i}" for i in range(50)]
    assert [
        one.n_tracks
        for one in find([False] * 5 + [True] * 50, artists=artists, container=["mp3"] * 5 + ["wav"] * 50).worst
    ] == [5]


def test_an_artist_is_asked_about_their_own_tracks():
    artists = ["one"] * 25 + [f"b{i % 20}" for i in range(200)]
    (found,) = find([False] * 25 + [True] * 200, artists=artists).worst
    assert found.name == "artist one"
    assert (found.low, found.high) == pytest.approx(wilson_interval(0, 25))
    assert found.is_beyond_chance


def test_a_slice_of_the_same_tracks_is_told_once():
    same = ["mp3"] * 30 + ["wav"] * 30
    found = find([False] * 30 + [True] * 30, label=["x"] * 30 + ["y"] * 30, container=same)
    assert [one.name for one in found.worst] == ["label x"]


def test_at_most_ten_and_unlabelled_tracks_do_not_count():
    rng = np.random.default_rng(7)
    n = 50 * 30
    label = np.repeat([f"l{i:02d}" for i in range(50)], 30)
    is_right = rng.random(n) < np.repeat(np.where(np.arange(50) < 15, 0.2, 0.9), 30)
    table = make_table(is_right.tolist(), label=label.tolist())
    found = find_slices(table, genres=GENRES)
    assert len(found.worst) == 10
    assert [one.p_value for one in found.worst] == sorted(one.p_value for one in found.worst)
    unknown = table.set_column(2, "genre", pa.array([None] * n, pa.string()))
    assert find_slices(pa.concat_tables([table, unknown]), genres=GENRES) == found


def test_all_right_is_no_slice():
    found = find([True] * 60, container=["mp3"] * 30 + ["wav"] * 30)
    assert found == Slices(worst=(), n_tested=1)
    assert found.describe() == ["slices looked at: 1; none is worse than the rest by more than chance"]
    assert Slices(worst=(), n_tested=0).describe() == []


def test_plain():
    figures = {"accuracy": 0.4, "low": 0.2, "high": 0.6, "elsewhere": 0.9, "p_value": 0.01, "p_holm": 0.0123}
    one = Slice(part=Part(name="x", column="x"), n_tracks=20, **figures)
    plain = Slices(worst=(one,), n_tested=3).to_plain()
    assert plain["n_tested"] == 3
    assert plain["worst"] == [{"name": "x", "n_tracks": 20, **figures}]
    assert one.describe().endswith("; p = 0.012")


def test_columns_are_joined_by_track():
    table = make_table([True, False, True])
    tracks = pa.table({"track_id": ["t2", "t9", "t0"], "container": ["mp3", "wav", "flac"]})
    assert join_columns(table, tracks)["container"].to_pylist() == ["flac", None, "mp3"]
    assert list(itertools.chain(join_columns(table, tracks)["track_id"].to_pylist())) == ["t0", "t1", "t2"]
