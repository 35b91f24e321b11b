import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsound.audio.signal import (
    LoudnessMeter,
    SegmentSpan,
    cut_segments,
    fit_to_rate,
    normalize_waveform,
    plan_segments,
)
from deepsound.errors import AudioNotFiniteError, AudioSilentError, AudioTooShortError, ParameterError


def measure(waveform):
    meter = LoudnessMeter()
    meter.add(waveform)
    return meter.read(silence_dbfs=-90)


def normalize(waveform, mode):
    loudness = measure(waveform)
    return normalize_waveform(waveform, mode=mode, loudness=loudness)


def plan(n_samples, rate=100, segment_s=1.0, hop_s=1.0, min_duration_s=0.2):
    return plan_segments(
        n_samples, sample_rate_hz=rate, segment_s=segment_s, hop_s=hop_s, min_duration_s=min_duration_s
    )


@pytest.mark.parametrize(
    ("n_samples", "starts_s"),
    [
        (100, [0.0]),
        (149, [0.0]),
        (150, [0.0, 0.5]),
        (199, [0.0, 0.99]),
        (200, [0.0, 1.0]),
        (249, [0.0, 1.0]),
        (250, [0.0, 1.0, 1.5]),
        (30, [0.0]),
    ],
)
def test_remainder_of_half_a_segment_gives_one_more(n_samples, starts_s):
    assert [span.start_s for span in plan(n_samples)] == pytest.approx(starts_s)


@given(st.integers(20, 2000), st.integers(1, 30), st.integers(1, 30))
def test_segments_against_a_naive_loop(n_samples, segment_tenths, hop_tenths):
    spans = plan(n_samples, segment_s=segment_tenths / 10, hop_s=hop_tenths / 10)
    segment, hop = segment_tenths * 10, hop_tenths * 10
    starts, end = [], 0
    position = 0
    while position + segment <= n_samples:
        starts.append(position)
        end = position + segment
        position += hop
    if not starts:
        starts = [0]
    elif (n_samples - end) * 2 >= segment:
        starts.append(n_samples - segment)
    assert [round(span.start_s * 100) for span in spans] == starts
    assert [span.segment_index for span in spans] == list(range(len(starts)))


def test_too_short():
    with pytest.raises(AudioTooShortError, match=r"0\.190 s of audio; min_duration_s is 0\.2"):
        plan(19)


@given(st.floats(1e-3, 10))
def test_normalisation_does_not_depend_on_the_level(scale):
    waveform = np.random.default_rng(0).normal(size=500).astype(np.float32)
    for mode in ("peak", "rms"):
        np.testing.assert_allclose(
            normalize(waveform * np.float32(scale), mode), normalize(waveform, mode), atol=1e-5
        )


def test_normalisation_targets():
    waveform = np.random.default_rng(0).normal(size=500).astype(np.float32)
    assert np.abs(normalize(waveform, "peak")).max() == 1
    assert np.sqrt(np.mean(normalize(waveform, "rms") ** 2)) == pytest.approx(0.1, rel=1e-5)
    assert normalize(waveform, "none") is waveform
    with pytest.raises(ParameterError, match="wanted peak, rms or none"):
        normalize(waveform, "loud")


def test_a_part_is_scaled_as_the_whole_track():
    waveform = np.random.default_rng(0).normal(size=500).astype(np.float32)
    loudness = measure(waveform)
    for mode in ("peak", "rms", "none"):
        part = normalize_waveform(waveform[100:200], mode=mode, loudness=loudness)
        np.testing.assert_array_equal(part, normalize(waveform, mode)[100:200])


def test_loudness():
    square = np.tile(np.float32([0.5, -0.5]), 100)
    loudness = measure(square)
    assert loudness.peak == 0.5
    assert loudness.rms_dbfs == pytest.approx(-6.0206, abs=1e-3)
    with pytest.raises(AudioSilentError, match=r"5\.00e-06 of full scale"):
        measure(square * 1e-5)


def test_loudness_of_blocks():
    waveform = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    meter = LoudnessMeter()
    for block in np.split(waveform, [1, 1000, 1001, 4000]):
        meter.add(block)
    loudness = meter.read(silence_dbfs=-90)
    assert meter.n_samples == 5000
    assert loudness.peak == np.abs(waveform).max()
    assert loudness.rms == pytest.approx(np.sqrt(np.mean(waveform.astype(np.float64) ** 2)), rel=1e-12)
    for bad in (np.nan, np.inf, -np.inf):
        meter.add(np.float32([0.1, bad]))
    meter.add(np.float32([0.1]))
    with pytest.raises(AudioNotFiniteError, match="3 of 5007 samples are NaN or infinite"):
        meter.read(silence_dbfs=-90)


def test_fit_to_rate_keeps_length_and_pitch():
    rate = 48000
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    fitted = fit_to_rate(tone, sample_rate_hz=rate, target_rate_hz=22050, duration_s=1.0)
    assert fitted.shape == (22050,)
    assert np.argmax(np.abs(np.fft.rfft(fitted))) == 1000
    short = fit_to_rate(tone[: rate // 2], sample_rate_hz=rate, target_rate_hz=22050, duration_s=1.0)
    assert np.abs(short[11100:]).max() == 0
    same = fit_to_rate(tone, sample_rate_hz=rate, target_rate_hz=rate, duration_s=1.0)
    np.testing.assert_array_equal(same, tone)


@given(
    st.integers(20, 3000),
    st.integers(1, 30),
    st.integers(1, 50),
    st.lists(st.integers(1, 400), min_size=1),
    st.data(),
)
def test_cut_segments_against_slices_of_the_whole(n_samples, segment_tenths, hop_tenths, lengths, data):
    spans = plan(n_samples, segment_s=segment_tenths / 10, hop_s=hop_tenths / 10)
    waveform = np.arange(n_samples, dtype=np.float32)
    blocks = np.split(waveform, np.cumsum(lengths)[np.cumsum(lengths) < n_samples])
    n_first = data.draw(st.integers(0, len(spans)))
    cuts = list(cut_segments(iter(blocks), sample_rate_hz=100, spans=spans[n_first:]))
    assert [span for span, _ in cuts] == spans[n_first:]
    for span, samples in cuts:
        first = round(span.start_s * 100)
        np.testing.assert_array_equal(samples, waveform[first : first + segment_tenths * 10])


def test_cut_segments_takes_all_blocks_and_holds_few():
    n_alive = n_taken = 0

    def count_end():
        nonlocal n_alive
        n_alive -= 1

    def make_blocks():
        nonlocal n_alive, n_taken
        for i in range(100):
            block = np.full(50, i, np.float32)
            weakref.finalize(block, count_end)
            n_alive, n_taken = n_alive + 1, n_taken + 1
            yield block
            del block

    spans = [
        SegmentSpan(segment_index=i, start_s=start, duration_s=1.0) for i, start in enumerate((0.0, 20.0, 20.5))
    ]
    for _, samples in cut_segments(make_blocks(), sample_rate_hz=100, spans=spans):
        assert len(samples) == 100
        assert n_alive == 2  # those that the segment reaches into
    assert n_taken == 100
