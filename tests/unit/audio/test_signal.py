import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsound.audio.signal import (
    SegmentSpan,
    cut_segment,
    fit_to_rate,
    measure_loudness,
    normalize_waveform,
    plan_segments,
)
from deepsound.errors import AudioSilentError, AudioTooShortError, ParameterError


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
            normalize_waveform(waveform * np.float32(scale), mode=mode),
            normalize_waveform(waveform, mode=mode),
            atol=1e-5,
        )


def test_normalisation_targets():
    waveform = np.random.default_rng(0).normal(size=500).astype(np.float32)
    assert np.abs(normalize_waveform(waveform, mode="peak")).max() == pytest.approx(1)
    assert np.sqrt(np.mean(normalize_waveform(waveform, mode="rms") ** 2)) == pytest.approx(0.1, rel=1e-5)
    assert normalize_waveform(waveform, mode="none") is waveform
    with pytest.raises(ParameterError, match="wanted peak, rms or none"):
        normalize_waveform(waveform, mode="loud")


def test_loudness():
    square = np.tile(np.float32([0.5, -0.5]), 100)
    loudness = measure_loudness(square, silence_dbfs=-90)
    assert loudness.peak == 0.5
    assert loudness.rms_dbfs == pytest.approx(-6.0206, abs=1e-3)
    with pytest.raises(AudioSilentError):
        measure_loudness(square * 1e-5, silence_dbfs=-90)


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


def test_cut_segment():
    span = SegmentSpan(segment_index=1, start_s=0.5, duration_s=1.0)
    np.testing.assert_array_equal(cut_segment(np.arange(120.0), sample_rate_hz=100, span=span), np.arange(50, 120))
