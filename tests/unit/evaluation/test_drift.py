"""Drift: bins and counts against counting, no false cries, and words for what really moved."""

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from deepsound.audio.spectrogram import compute_mel_power
from deepsound.errors import BundleError, ParameterError
from deepsound.evaluation.drift.bins import BinnedQuantities, count_bins, fit_bins
from deepsound.evaluation.drift.divergence import compute_p_values, compute_psi, compute_tilt
from deepsound.evaluation.drift.packing import pack_reference, unpack_reference
from deepsound.evaluation.drift.reference import build_reference, compute_treble, count_tracks
from deepsound.evaluation.drift.report import compare, compare_tracks, describe_bounds
from deepsound.features.mfcc import MfccExtractor

N_DIMS = 20


def draw(rng, n_tracks, *, shift=0.0, louder_db=0.0, container="wav"):
    """A collection: feature means, columns of tracks, containers."""
    return {
        "feature_means": rng.normal(size=(n_tracks, N_DIMS)) + np.r_[shift * np.ones(5), np.zeros(N_DIMS - 5)],
        "columns": {
            "rms_dbfs": rng.normal(-18 + louder_db, 3, size=n_tracks),
            "peak": np.minimum(rng.normal(1, 0.2, size=n_tracks), 1.0),
            "duration_s": np.full(n_tracks, 30.0),
            "sample_rate_hz": np.full(n_tracks, 22050.0),
            "confidence": rng.beta(5, 2, size=n_tracks),
        },
        "containers": [container] * n_tracks,
    }


def build(rng, n_tracks, n_validation=60):
    home = draw(rng, n_tracks)
    confidences = rng.beta(5, 2, size=n_validation)
    columns = {name: values for name, values in home["columns"].items() if name != "confidence"}
    return build_reference(
        "toy",
        feature_means=home["feature_means"],
        columns=columns,
        confidences=confidences,
        containers=home["containers"],
    )


def test_bins_hold_equally_many():
    values = np.random.default_rng(0).normal(size=(200, 3))
    bins = fit_bins(values, names=("x", "y", "z"))
    assert bins.counts.shape == (3, 10)
    assert (bins.counts == 20).all()
    np.testing.assert_allclose(bins.edges[1], np.sort(values[:, 1])[19:199:20])


@pytest.mark.parametrize(("n_tracks", "n_bins"), [(0, 1), (9, 1), (10, 2), (29, 5), (50, 10), (5000, 10)])
def test_fewer_tracks_make_fewer_bins(n_tracks, n_bins):
    bins = fit_bins(np.random.default_rng(0).normal(size=(n_tracks, 1)), names=("x",))
    assert bins.counts.shape == (1, n_bins)
    assert bins.counts.sum() == n_tracks


def test_values_that_many_tracks_share_have_a_bin_of_their_own():
    rates = np.array([22050.0] * 60)
    peaks = np.r_[np.linspace(0.5, 0.99, 50), np.ones(50)]
    for n in (12, 60):
        bins = fit_bins(rates[:n, np.newaxis], names=("rate",))
        assert count_bins(np.array([[22049.0], [22050.0], [22050.0], [44100.0]]), bins).tolist() == [[1, 2, 1]]
    bins = fit_bins(peaks[:, np.newaxis], names=("peak",))
    assert count_bins(np.full((7, 1), 1.0), bins)[0, -2:].tolist() == [7, 0]
    assert count_bins(np.full((7, 1), np.nextafter(1, 0)), bins)[0, -2:].tolist() == [0, 0]


def test_counting_equals_numpys_histogram_and_parts_add_up():
    rng = np.random.default_rng(1)
    bins = fit_bins(rng.normal(size=(300, 4)), names=tuple("abcd"))
    values = rng.normal(size=(1000, 4)) * 2
    counts = count_bins(values, bins)
    for row, edges, column in zip(counts, bins.edges, values.T, strict=True):
        np.testing.assert_array_equal(row, np.histogram(column, bins=[-np.inf, *edges, np.inf])[0])
    parts = [count_bins(part, bins) for part in np.split(values, [0, 1, 400, 999])]
    np.testing.assert_array_equal(sum(parts, bins.empty_counts()), counts)
    values[::2, 1], values[::4, 2] = np.nan, np.inf
    assert count_bins(values, bins).sum(axis=1).tolist() == [1000, 500, 750, 1000]


def test_medians_lie_between_their_bounds():
    rng = np.random.default_rng(2)
    bins = fit_bins(rng.normal(size=(101, 1)), names=("x",))
    for shift in (-9, -0.4, 0, 0.7, 9):
        values = rng.normal(size=(77, 1)) + shift
        low, high = bins.median(count_bins(values, bins))[0]
        assert low <= np.median(values) <= high
    assert np.isnan(bins.median(bins.empty_counts())).all()


def test_psi_is_the_sum_over_bins():
    """Of so many tracks that neither smoothing nor chance matter."""
    p, q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.25, 0.25, 0.25])
    (psi,) = compute_psi(*(np.round(1e8 * side).astype(int)[np.newaxis] for side in (p, q)))
    assert psi == pytest.approx(np.sum((p - q) * np.log(p / q)), rel=1e-5)


@pytest.mark.parametrize(("n", "m"), [(50, 12), (400, 20), (400, 5000)])
def test_without_drift_nothing_is_left_of_the_index(n, m):
    """Before cutting at 0 its mean would be 0 or less; so half of all or more are cut, and the rest is small."""
    rng = np.random.default_rng(n + m)
    reference, counts = (rng.multinomial(size, np.full(10, 0.1), size=2000) for size in (n, m))
    psi = compute_psi(reference, counts)
    expected = 9 * (1 / n + 1 / m)
    assert np.mean(psi == 0) > 0.5
    assert m < 1000 or np.mean(psi == 0) < 0.65
    assert psi.mean() < 0.4 * expected


def test_psi_of_an_empty_bin_is_finite_and_of_nothing_unknown():
    reference, counts = np.array([[10, 0, 0], [5, 5, 0]]), np.array([[0, 10, 0], [0, 0, 0]])
    psi = compute_psi(reference, counts)
    assert psi[0] > 0.25
    assert np.isnan(psi[1])
    assert compute_p_values(reference, counts)[1] == 1
    assert np.isnan(compute_tilt(reference, counts)[1])


@pytest.mark.parametrize(("n", "m"), [(40, 10), (300, 40)])
def test_p_values_are_those_of_scipy(n, m):
    """Kolmogorov and Smirnov's test on values that are whole numbers, each of them a bin."""
    rng = np.random.default_rng(n)
    for shift in (0, 1, 3):
        home, other = rng.integers(0, 8, size=n), np.minimum(rng.integers(0, 8, size=m) + shift, 9)
        counts = [np.bincount(side, minlength=10)[np.newaxis] for side in (home, other)]
        scipys = scipy.stats.ks_2samp(home, other, method="exact").pvalue
        assert compute_p_values(*counts)[0] == pytest.approx(scipys, abs=0.08)


@pytest.mark.parametrize("m", [10, 40, 1000])
def test_p_values_do_not_cry_drift(m):
    rng = np.random.default_rng(m)
    reference, counts = (rng.multinomial(size, np.full(10, 0.1), size=4000) for size in (100, m))
    p_values = compute_p_values(reference, counts)
    for level in (0.1, 0.01, 0.001):
        assert np.mean(p_values <= level) <= 1.2 * level + 2e-4


def test_tilt_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    home, other = rng.integers(0, 5, size=30), rng.integers(1, 6, size=20)
    counts = [np.bincount(side, minlength=6)[np.newaxis] for side in (home, other)]
    pairs = np.mean([1.0 if o > h else 0.5 if o == h else 0 for h in home for o in other])
    assert compute_tilt(*counts)[0] == pytest.approx(pairs)


@pytest.mark.parametrize("n_tracks", [10, 25, 300])
def test_the_same_kind_of_tracks_is_no_drift(n_tracks):
    rng = np.random.default_rng(n_tracks)
    n_cries = 0
    for _ in range(20):
        reference = build(rng, 80)
        report = compare(reference, count_tracks(reference, **draw(rng, n_tracks)))
        n_cries += report.has_drifted
        assert (report.n_tracks, report.n_reference) == (n_tracks, 80)
        if not report.has_drifted:
            assert report.words == (f"no drift from the training tracks that {n_tracks} tracks can show",)
    assert n_cries <= 1


def test_what_moved_is_said():
    rng = np.random.default_rng(5)
    reference = build(rng, 200)
    other = draw(rng, 100, shift=1.5, louder_db=9, container="mp3")
    other["columns"]["sample_rate_hz"][:80] = 44100
    other["columns"]["duration_s"][:] = 13.4
    other["columns"]["confidence"] = rng.beta(2, 5, size=100)
    report = compare(reference, count_tracks(reference, **other))
    assert sum(d.has_moved for d in report.features) == 5
    assert report.has_drifted
    by_name = {drift.name: drift for drift in report.tracks}
    assert [name for name, drift in by_name.items() if not drift.has_moved] == ["peak"]
    assert by_name["rms_dbfs"].tilt > 0.9
    feature, *lines = report.words
    assert feature.startswith("toy moved in 5 of 20 dimensions; toy[")
    assert ", far: index " in feature
    starts = ("louder: median level -", "shorter tracks: median duration", "higher sample rates: median")
    for start in (*starts, "the model is less sure: median confidence"):
        assert sum(line.startswith(start) for line in lines) == 1, (start, lines)
    assert "median duration 13 s, 30 in training" in report.words[2]
    assert "median sample rate 44100 Hz, 22050 in training" in report.words[3]
    level = np.median(other["columns"]["rms_dbfs"])
    assert report.tracks[0].median[0] == pytest.approx(level, abs=0.5)
    assert lines[-1] == "other containers: 100% mp3; 100% wav in training"
    assert len(lines) == 5


def test_a_reference_of_before_there_were_medians_has_bins():
    rng = np.random.default_rng(5)
    reference = dataclasses.replace(build(rng, 200), medians={})
    other = draw(rng, 100)
    other["columns"]["duration_s"][:] = 13.4
    (words,) = compare(reference, count_tracks(reference, **other)).words
    assert words.startswith("shorter tracks: median duration 13 s, 30 in training")


def test_medians_are_those_of_the_tracks_to_a_step():
    rng = np.random.default_rng(6)
    reference, whole = build(rng, 200), draw(rng, 101)
    counts = count_tracks(reference, **whole)
    for name, step in (("rms_dbfs", 1), ("confidence", 0.02), ("sample_rate_hz", 1)):
        assert counts.median(name) == pytest.approx(np.median(np.round(whole["columns"][name] / step)) * step)
    assert counts.median("unheard") is None


def test_a_wider_spread_is_neither_higher_nor_lower():
    rng = np.random.default_rng(0)
    reference = build(rng, 300)
    other = draw(rng, 300)
    other["columns"]["rms_dbfs"] = rng.normal(-18, 12, size=300)
    report = compare(reference, count_tracks(reference, **other))
    assert report.words[0].startswith("level is spread otherwise: median level -1")


def test_a_difference_that_does_not_matter_is_no_drift_however_many_tracks_show_it():
    rng = np.random.default_rng(0)
    reference = build(rng, 20_000)
    report = compare(reference, count_tracks(reference, **draw(rng, 20_000, shift=0.15)))
    assert max(drift.p_value for drift in report.features[:5]) < 1e-6
    assert sum(d.has_moved for d in report.features) == 0


def test_a_few_tracks_are_too_few():
    rng = np.random.default_rng(0)
    reference = build(rng, 100)
    report = compare(reference, count_tracks(reference, **draw(rng, 9, shift=9, louder_db=20, container="mp3")))
    assert report.words == ("9 tracks are too few to tell a drift by; it takes 10",)
    assert not report.has_drifted
    assert report.containers is None
    report = compare(reference, count_tracks(reference, **draw(rng, 10, shift=9, louder_db=20, container="mp3")))
    assert sum(d.has_moved for d in report.features) == 5
    assert report.containers.has_moved
    nothing = count_tracks(reference, **draw(rng, 0))
    assert compare(reference, nothing).words[0].startswith("0 tracks are too few")


def test_a_single_track_of_an_unseen_kind_is_no_drift():
    rng = np.random.default_rng(0)
    reference = build(rng, 400)
    other = draw(rng, 30)
    other["columns"]["sample_rate_hz"][0] = 8000
    other["containers"][0] = "ogg"
    report = compare(reference, count_tracks(reference, **other))
    assert not report.has_drifted
    assert report.containers.distance == pytest.approx(1 / 30)


def test_what_is_not_known_is_left_out():
    rng = np.random.default_rng(0)
    reference = build_reference(
        "toy", feature_means=rng.normal(size=(40, 3)), columns={}, confidences=rng.uniform(size=10)
    )
    assert reference.tracks.names == ("confidence",)
    assert reference.containers == {}
    counts = count_tracks(reference, feature_means=rng.normal(size=(20, 3)), columns={"peak": np.ones(20)})
    report = compare(reference, counts)
    assert (report.tracks[0].psi, report.tracks[0].tilt, report.tracks[0].median) == (None, None, None)
    assert report.containers is None
    assert not report.has_drifted


def test_a_reference_is_read_as_it_was_written():
    rng = np.random.default_rng(0)
    reference = build(rng, 60, n_validation=12)
    again = unpack_reference(json.loads(pack_reference(reference)), n_dims=N_DIMS)
    assert (again.feature, again.containers) == (reference.feature, reference.containers)
    for ours, theirs in ((again.features, reference.features), (again.tracks, reference.tracks)):
        assert ours.names == theirs.names
        np.testing.assert_array_equal(ours.edges, theirs.edges)
        np.testing.assert_array_equal(ours.counts, theirs.counts)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("features"),
        lambda d: d["tracks"][0].pop("edges"),
        lambda d: d["tracks"][0]["counts"].pop(),
        lambda d: d["tracks"][0]["edges"].reverse(),
        lambda d: d["features"][0]["counts"].__setitem__(0, -1),
        lambda d: d["features"][0]["edges"].__setitem__(0, "low"),
        lambda d: d["features"][0]["edges"].__setitem__(0, None),
        lambda d: d.__setitem__("containers", ["wav"]),
        lambda d: d.__setitem__("containers", {"wav": "many"}),
        lambda d: d.__setitem__("features", 3),
    ],
)
def test_damaged_references_are_refused(damage):
    document = json.loads(pack_reference(build(np.random.default_rng(0), 60)))
    unpack_reference(document, n_dims=N_DIMS)
    damage(document)
    with pytest.raises(BundleError, match="drift reference is damaged"):
        unpack_reference(document, n_dims=N_DIMS)


def test_references_of_another_feature_are_refused():
    document = json.loads(pack_reference(build(np.random.default_rng(0), 60)))
    with pytest.raises(BundleError, match="has 20 dimensions; wanted 13"):
        unpack_reference(document, n_dims=13)


def make_mfcc(waveform):
    return MfccExtractor().compute(waveform.astype(np.float32)).mean(axis=0)


def test_treble_is_what_a_low_pass_filter_takes_away():
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=22050 * 2)
    lowpass = scipy.signal.butter(8, 5000, fs=22050, output="sos")
    white, dull, quiet = (make_mfcc(w) for w in (noise, scipy.signal.sosfilt(lowpass, noise), noise / 10))
    treble = compute_treble(np.stack([white, dull, quiet]))
    assert treble[0] - treble[1] > 10
    assert treble[2] == pytest.approx(treble[0], abs=0.1)
    # The same from the mel bands themselves, whose place is found by where a sine sounds loudest.
    bands = {"sample_rate_hz": 22050, "fft_samples": 2048, "hop_samples": 512, "n_mels": 128}
    mel_db = 10 * np.log10(compute_mel_power(noise.astype(np.float32), **bands)).mean(axis=0)
    time_s = np.arange(22050) / 22050
    sines = [np.sin(2 * np.pi * hz * time_s).astype(np.float32) for hz in (200, 2000, 5000)]
    low, middle, high = (int(compute_mel_power(sine, **bands)[10].argmax()) for sine in sines)
    expected = mel_db[high:].mean() - mel_db[low : middle + 1].mean()
    assert treble[0] == pytest.approx(expected, abs=1.0)


def test_lost_treble_is_said_of_mfcc_and_of_no_other_feature():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(120, 13)) * 5 + np.r_[-200, 80, np.zeros(11)]
    dull = means + np.r_[0, 40, np.zeros(11)]
    confidences = rng.uniform(size=20)
    reference = build_reference("mfcc", feature_means=means, columns={}, confidences=confidences)
    report = compare(reference, count_tracks(reference, feature_means=dull, columns={}))
    assert any(line.startswith("less treble: median 5-11 kHz against 0.2-2 kHz -") for line in report.words)
    assert "dB" in report.words[1]
    other = build_reference("toy", feature_means=means, columns={}, confidences=confidences)
    assert "treble_db" not in other.tracks.names
    narrow = build_reference("mfcc", feature_means=means[:, :5], columns={}, confidences=confidences)
    assert "treble_db" not in narrow.tracks.names


def test_refuses():
    rng = np.random.default_rng(0)
    reference = build(rng, 60)
    with pytest.raises(ParameterError, match="for 2 quantities"):
        fit_bins(np.zeros((3, 4)), names=("x", "y"))
    with pytest.raises(ParameterError, match="for the bins of 20 quantities"):
        count_tracks(reference, feature_means=np.zeros((3, 4)), columns={})
    with pytest.raises(ParameterError, match="wanted \\(n_tracks, n_dims\\)"):
        count_tracks(reference, feature_means=np.zeros(3), columns={})
    with pytest.raises(ParameterError, match="MFCC means of shape"):
        compute_treble(np.zeros((3, 12)))
    other = build(rng, 20)
    with pytest.raises(ParameterError, match="for a reference of shape"):
        compare(reference, count_tracks(other, **draw(rng, 20)))
    for measure in (compute_psi, compute_p_values, compute_tilt):
        with pytest.raises(ParameterError, match="wanted the same, none negative"):
            measure(np.ones((1, 3), int), np.ones((1, 4), int))
        with pytest.raises(ParameterError, match="none negative"):
            measure(np.ones((1, 3), int), np.array([[1, -1, 1]]))
    with pytest.raises(ParameterError, match="one row each"):
        BinnedQuantities(names=("x",), edges=np.zeros((1, 2)), counts=np.zeros((1, 2), int))
    with pytest.raises(ParameterError, match="do not ascend"):
        BinnedQuantities(names=("x",), edges=np.array([[1.0, 0.0]]), counts=np.zeros((1, 3), int))


def test_a_difference_of_no_matter_is_no_drift():
    rng = np.random.default_rng(4)

    def columns(duration_s, rms_dbfs):
        return {"duration_s": duration_s + rng.normal(0, 0.005, 200), "rms_dbfs": np.full(200, rms_dbfs)}

    known = {"feature_means": rng.normal(size=(200, 2)), "confidences": np.full(20, 0.9)}
    reference = build_reference("toy", columns=columns(30.0133, -18.2), **known)
    same = {"feature_means": rng.normal(size=(200, 2))}
    report = compare(reference, count_tracks(reference, columns=columns(29.99, -18.4), **same))
    assert not report.has_drifted
    report = compare(reference, count_tracks(reference, columns=columns(25.0, -18.2), **same))
    assert [words.split(":")[0] for words in report.words] == ["shorter tracks"]
    # Bundles of before were made of the numbers as they are, and are read so.
    before = unpack_reference(
        json.loads(pack_reference(dataclasses.replace(reference, is_rounded=False))), n_dims=2
    )
    assert not before.is_rounded
    assert unpack_reference(json.loads(pack_reference(reference)), n_dims=2).is_rounded
    raw = count_tracks(before, columns={"duration_s": np.full(10, 30.4)}, feature_means=np.zeros((10, 2)))
    rounded = count_tracks(reference, columns={"duration_s": np.full(10, 30.4)}, feature_means=np.zeros((10, 2)))
    assert (raw.tracks != rounded.tracks).any()


def draw_by_artist(rng, *, n_artists, tracks_an_artist, correlation=0.8, louder_db=0.0, container=None):
    """A collection whose tracks are alike in all quantities by artist; artists keep to one container each."""
    units = np.repeat(np.arange(n_artists), tracks_an_artist)

    def alike(n_columns=1):
        of_artists, of_tracks = (
            rng.normal(size=(n_artists, n_columns))[units],
            rng.normal(size=(len(units), n_columns)),
        )
        return np.sqrt(correlation) * of_artists + np.sqrt(1 - correlation) * of_tracks

    containers = (
        rng.choice(["wav", "mp3", "flac"], n_artists) if container is None else np.full(n_artists, container)
    )
    columns = {name: alike()[:, 0] for name in ("rms_dbfs", "peak", "duration_s", "sample_rate_hz", "confidence")}
    columns["rms_dbfs"] = -18 + 3 * columns["rms_dbfs"] + louder_db
    columns["peak"], columns["duration_s"] = 0.8 + 0.1 * columns["peak"], 30 + 9 * columns["duration_s"]
    columns["confidence"] = scipy.stats.norm.cdf(columns["confidence"])
    return {"feature_means": alike(N_DIMS), "columns": columns, "containers": containers[units].tolist()}, units


def build_by_artist(rng, *, knows_artists, n_artists=40):
    """A reference of ten tracks an artist; confidences are of validation tracks of as many."""
    home, units = draw_by_artist(rng, n_artists=n_artists, tracks_an_artist=10)
    confidences = home["columns"].pop("confidence")
    artists = [f"artist {unit}" for unit in units] if knows_artists else None
    return build_reference("toy", **home, confidences=confidences, artists=artists)


@pytest.mark.parametrize("n_artists", [20, 60])
def test_artists_make_no_false_alarm(n_artists):
    rng = np.random.default_rng(41)
    n_alarms = n_alarms_by_track = 0
    for _ in range(100):
        other, units = draw_by_artist(rng, n_artists=n_artists, tracks_an_artist=10)
        reference = build_by_artist(rng, knows_artists=True)
        n_alarms += compare_tracks(reference, **other, units=units).has_drifted
        by_track = dataclasses.replace(reference, n_independent=None)
        n_alarms_by_track += compare_tracks(by_track, **other).has_drifted
    assert n_alarms <= 5
    assert n_alarms_by_track > 80


def test_what_artists_moved_is_said_with_how_many_they_are():
    rng = np.random.default_rng(42)
    other, units = draw_by_artist(rng, n_artists=40, tracks_an_artist=10, louder_db=9, container="ogg")
    report = compare_tracks(build_by_artist(rng, knows_artists=True), **other, units=units)
    assert (report.n_tracks, report.n_units, sum(d.has_moved for d in report.features)) == (400, 40, 0)
    louder, containers, by_what = report.words
    (tilt,) = (drift.tilt for drift in report.tracks if drift.name == "rms_dbfs")
    assert louder.startswith("louder: median level -")
    assert f"probability {tilt:.2f} that a track lies above one in training, index " in louder
    assert containers.startswith("other containers: 100% ogg")
    assert by_what == "told by 400 tracks of 40 artists"
    same, units = draw_by_artist(rng, n_artists=12, tracks_an_artist=10)
    quiet = compare_tracks(build_by_artist(rng, knows_artists=True), **same, units=units)
    assert quiet.words == ("no drift from the training tracks that 120 tracks of 12 artists can show",)


def test_artists_of_one_track_are_tracks():
    rng = np.random.default_rng(43)
    reference, other = build(rng, 100), draw(rng, 60, shift=1.5, louder_db=5, container="mp3")
    by_hand = compare(reference, count_tracks(reference, **other))
    assert by_hand.has_drifted
    assert compare_tracks(reference, **other) == compare_tracks(reference, **other, units=np.arange(60)) == by_hand
    with pytest.raises(ParameterError, match="of 60 tracks; wanted one a track"):
        compare_tracks(reference, **other, units=np.arange(59))


def test_copies_of_a_track_tell_no_more_than_it_does():
    """Ten copies of each on both sides, against once: the same gaps at the same numbers."""
    rng = np.random.default_rng(44)
    reference, counts = (rng.multinomial(size, np.full(10, 0.1), size=5) for size in (80, 40))
    once = compute_p_values(reference, counts)
    copied = compute_p_values(10 * reference, 10 * counts, n_reference=80.0, n_tracks=np.full(5, 40.0))
    np.testing.assert_allclose(copied, once)
    assert (compute_p_values(10 * reference, 10 * counts) < once).all()
    chance = 9 * (1 / 80 + 1 / 40)
    many, few = (
        compute_psi(1000 * reference, 1000 * counts, **numbers)
        for numbers in ({}, {"n_reference": 80, "n_tracks": 40})
    )
    np.testing.assert_allclose(few, np.maximum(many - chance, 0), atol=0.01)
    np.testing.assert_array_equal(compute_psi(reference, counts, n_tracks=1e9), compute_psi(reference, counts))


def test_containers_are_drawn_artist_by_artist():
    """The effective number against permuting artists whole."""
    rng = np.random.default_rng(45)
    before, now = np.repeat(["wav", "mp3"], [20, 20]), np.repeat(["wav", "mp3"], [2, 10])
    means = rng.normal(size=(400, 3))
    reference = build_reference(
        "toy",
        feature_means=means,
        columns={},
        confidences=np.full(20, 0.5),
        containers=np.repeat(before, 10).tolist(),
        artists=[str(i // 10) for i in range(400)],
    )
    now_tracks = {"feature_means": means[:120], "columns": {}, "containers": np.repeat(now, 10).tolist()}
    found = compare_tracks(reference, **now_tracks, units=np.arange(120) // 10).containers
    pooled = np.concatenate([before, now]) == "mp3"
    drawn = np.array([rng.permutation(pooled) for _ in range(20_000)])
    gaps = np.abs(drawn[:, :40].mean(axis=1) - drawn[:, 40:].mean(axis=1))
    assert found.distance == pytest.approx(10 / 12 - 0.5)
    assert found.p_value == pytest.approx(np.mean(gaps >= found.distance - 1e-9), abs=0.015)


def test_one_artist_on_either_side_is_no_other_container():
    rng = np.random.default_rng(47)
    kinds = ["wav", "mp3", "flac", "ogg", "aac"]
    reference = build_reference(
        "toy",
        feature_means=rng.normal(size=(20, 2)),
        columns={},
        confidences=np.full(20, 0.5),
        containers=kinds * 4,
        artists=["one"] * 20,
    )
    tracks = {"feature_means": rng.normal(size=(20, 2)), "columns": {}}
    for containers in (kinds * 4, ["webm"] * 20, ["w1", "w2", "w3", "w4"] * 5):
        found = compare_tracks(reference, **tracks, containers=containers, units=np.zeros(20, int)).containers
        assert not found.has_moved
        assert found.p_value > 0.1


def test_independent_tracks_are_kept_and_checked():
    rng = np.random.default_rng(46)
    reference = build_by_artist(rng, knows_artists=True, n_artists=12)
    assert reference.n_independent == 12
    assert build_by_artist(rng, knows_artists=False, n_artists=12).n_independent is None
    document = json.loads(pack_reference(reference))
    assert unpack_reference(document, n_dims=N_DIMS).n_independent == 12
    older = {name: value for name, value in document.items() if name != "n_independent"}
    assert unpack_reference(older, n_dims=N_DIMS).n_independent is None
    for damaged in (0, 0.5, -3, float("inf"), float("nan"), "many", [12], True):
        with pytest.raises(BundleError, match="drift reference is damaged"):
            unpack_reference({**document, "n_independent": damaged}, n_dims=N_DIMS)
    with pytest.raises(ParameterError, match="2 artists of 3 training tracks"):
        build_reference(
            "toy", feature_means=np.zeros((3, 2)), columns={}, confidences=np.zeros(3), artists=["a", None]
        )


def test_a_median_is_told_by_the_bin_that_it_is_in():
    inf = math.inf
    told = {None: "unknown", (-inf, inf): "unknown", (3, 3): "3", (-inf, 3): "up to 3", (3, inf): "above 3"}
    told |= {(1, 3): "1 to 3", (29.999, 30.001): "30"}
    assert {bounds: describe_bounds(bounds) for bounds in told} == told
