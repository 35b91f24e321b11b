"""Waveform to segments: loudness, normalisation, framing into segments, resampling.

Conventions: waveforms are mono float32 with full scale = 1; a segment is cut at the file's own rate, from
sample ``round(start_s * rate)``, ``round(segment_s * rate)`` samples long.
"""

import math
from dataclasses import dataclass

import numpy as np
import soxr

from deepsound.errors import AudioNotFiniteError, AudioSilentError, AudioTooShortError, ParameterError

# The RMS that normalize: rms aims at; -20 dBFS, so that music's usual crest factor stays below full scale.
_TARGET_RMS = 0.1


@dataclass(frozen=True, kw_only=True)
class SegmentSpan:
    """Place of one segment: its number, its start in the track, its nominal length."""

    segment_index: int
    start_s: float
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """Largest absolute sample (full scale = 1) and level of the whole track (dB below a full-scale DC)."""

    peak: float
    rms_dbfs: float


def measure_loudness(waveform: np.ndarray, *, silence_dbfs: float) -> Loudness:
    """Peak and RMS level of a track.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32], n_samples >= 1
    silence_dbfs : float
        A peak at or below this level counts as silence.

    Raises
    ------
    AudioNotFiniteError
        If any sample is NaN or infinite.
    AudioSilentError
        If the peak is at or below ``silence_dbfs``.
    """
    if not np.isfinite(waveform).all():
        n_bad = int(np.count_nonzero(~np.isfinite(waveform)))
        raise AudioNotFiniteError(f"{n_bad} of {len(waveform)} samples are NaN or infinite")
    peak = float(np.abs(waveform).max())
    if peak <= 10 ** (silence_dbfs / 20):
        raise AudioSilentError(f"the largest sample is {peak:.2e} of full scale; silence_dbfs is {silence_dbfs:g}")
    return Loudness(peak=peak, rms_dbfs=20 * math.log10(_rms(waveform)))


def normalize_waveform(waveform: np.ndarray, *, mode: str) -> np.ndarray:
    """Scale a whole track: ``peak`` to max |x| = 1, ``rms`` to RMS = 0.1, ``none`` leaves it.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32], finite and not silent

    Returns
    -------
    np.ndarray [shape=(n_samples,), float32]

    Raises
    ------
    ParameterError
        If ``mode`` is none of the three.
    """
    if mode == "none":
        return waveform
    if mode == "peak":
        return np.asarray(waveform / np.abs(waveform).max(), np.float32)
    if mode == "rms":
        return (waveform * (_TARGET_RMS / _rms(waveform))).astype(np.float32)
    raise ParameterError(f"normalize mode is {mode!r}; wanted peak, rms or none")


def _rms(waveform: np.ndarray) -> float:
    # float64: a float32 sum over minutes of samples loses the small ones.
    return math.sqrt(float(np.mean(np.square(waveform, dtype=np.float64))))


def plan_segments(
    n_samples: int, *, sample_rate_hz: int, segment_s: float, hop_s: float, min_duration_s: float
) -> list[SegmentSpan]:
    """Where a track's segments lie.

    Full segments start every ``hop_s``. A remainder of at least half a segment gives one more segment that
    ends at the track's end. A track shorter than a segment, but of at least ``min_duration_s``, gives one
    segment, to be zero-padded at its end.

    Returns
    -------
    list of SegmentSpan
        ``1 + floor((n_samples - segment) / hop)`` full ones and at most one more; never empty.

    Raises
    ------
    AudioTooShortError
        If the track is shorter than ``min_duration_s``.
    """
    duration_s = n_samples / sample_rate_hz
    if duration_s < min_duration_s:
        raise AudioTooShortError(f"{duration_s:.3f} s of audio; min_duration_s is {min_duration_s:g}")
    segment_samples = round(segment_s * sample_rate_hz)
    starts_s: list[float] = []
    # start = index * hop, not a running sum: no rounding error piles up over a long track.
    while round(len(starts_s) * hop_s * sample_rate_hz) + segment_samples <= n_samples:
        starts_s.append(len(starts_s) * hop_s)
    if not starts_s:
        starts_s = [0.0]
    else:
        remainder_samples = n_samples - (round(starts_s[-1] * sample_rate_hz) + segment_samples)
        if 2 * remainder_samples >= segment_samples:
            starts_s.append((n_samples - segment_samples) / sample_rate_hz)
    return [
        SegmentSpan(segment_index=index, start_s=start_s, duration_s=segment_s)
        for index, start_s in enumerate(starts_s)
    ]


def cut_segment(waveform: np.ndarray, *, sample_rate_hz: int, span: SegmentSpan) -> np.ndarray:
    """The samples of one segment; fewer than nominal where the track ends before the segment does.

    Returns
    -------
    np.ndarray [shape=(<= round(duration_s * sample_rate_hz),), float32]
    """
    first = round(span.start_s * sample_rate_hz)
    return waveform[first : first + round(span.duration_s * sample_rate_hz)]


def fit_to_rate(segment: np.ndarray, *, sample_rate_hz: int, target_rate_hz: int, duration_s: float) -> np.ndarray:
    """A segment at a feature's own rate, trimmed or zero-padded at its end to its nominal length.

    Resampled by soxr at quality HQ; not at all when the rates agree.

    Returns
    -------
    np.ndarray [shape=(round(duration_s * target_rate_hz),), float32]
    """
    if sample_rate_hz != target_rate_hz:
        segment = soxr.resample(segment, sample_rate_hz, target_rate_hz, quality="HQ")
    n_samples = round(duration_s * target_rate_hz)
    fitted = np.zeros(n_samples, np.float32)
    n_kept = min(n_samples, len(segment))
    fitted[:n_kept] = segment[:n_kept]
    return fitted
