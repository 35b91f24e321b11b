"""Waveform to segments: loudness, normalisation, framing into segments, resampling.

Conventions: waveforms are mono float32 with full scale = 1; a segment is cut at the file's own rate, from
sample ``round(start_s * rate)``, ``round(segment_s * rate)`` samples long.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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

    def samples(self, sample_rate_hz: int) -> tuple[int, int]:
        """The first sample and the one behind the last; a track may end before the latter."""
        first = round(self.start_s * sample_rate_hz)
        return first, first + round(self.duration_s * sample_rate_hz)


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """Largest absolute sample and root mean square of a whole track; full scale = 1."""

    peak: float
    rms: float

    @property
    def rms_dbfs(self) -> float:
        """Level in dB below a full-scale DC."""
        return 20 * math.log10(self.rms)


@dataclass(kw_only=True)
class LoudnessMeter:
    """Loudness of a track whose blocks come one after the other.

    Two meters are equal if they saw the same track in the same blocks.
    """

    n_samples: int = 0
    n_not_finite: int = 0
    peak: float = 0.0
    sum_of_squares: float = 0.0

    def add(self, block: np.ndarray) -> None:
        """Take the next samples: np.ndarray [shape=(n_samples,), float32], n_samples >= 1."""
        self.n_samples += len(block)
        # float64: a float32 sum over minutes of samples loses the small ones.
        sum_of_squares = float(np.square(block, dtype=np.float64).sum())
        self.sum_of_squares += sum_of_squares
        if not math.isfinite(sum_of_squares):
            self.n_not_finite += len(block) - int(np.count_nonzero(np.isfinite(block)))
        self.peak = max(self.peak, float(block.max()), -float(block.min()))

    def read(self, *, silence_dbfs: float, channel_peak: float = 0.0) -> Loudness:
        """The loudness of all that came.

        Parameters
        ----------
        silence_dbfs : float
            A peak at or below this level counts as silence.
        channel_peak : float
            The largest sample of any channel before they were mixed down.

        Raises
        ------
        AudioNotFiniteError, AudioSilentError
        """
        if self.n_not_finite:
            raise AudioNotFiniteError(f"{self.n_not_finite} of {self.n_samples} samples are NaN or infinite")
        threshold = 10 ** (silence_dbfs / 20)
        if self.peak <= threshold < channel_peak:
            raise AudioSilentError(
                f"the channels cancel out: the largest sample of one is {channel_peak:.2g} of full scale, of "
                f"their mean {self.peak:.2g}; is the polarity of a channel reversed?"
            )
        if self.peak <= threshold:
            raise AudioSilentError(
                f"the largest sample is {self.peak:.2e} of full scale; silence_dbfs is {silence_dbfs:g}"
            )
        return Loudness(peak=self.peak, rms=math.sqrt(self.sum_of_squares / self.n_samples))


def normalize_waveform(waveform: np.ndarray, *, mode: str, loudness: Loudness) -> np.ndarray:
    """Scale a track or a part of it: ``peak`` to max |x| = 1, ``rms`` to RMS = 0.1, ``none`` leaves it.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32], finite
    loudness : Loudness
        Of the whole track.

    Raises
    ------
    ParameterError
        If ``mode`` is none of the three.
    """
    if mode == "none":
        return waveform
    if mode == "peak":
        return np.asarray(waveform / np.float32(loudness.peak), np.float32)
    if mode == "rms":
        return (waveform * (_TARGET_RMS / loudness.rms)).astype(np.float32)
    raise ParameterError(f"normalize mode is {mode!r}; wanted peak, rms or none")


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


def cut_segments(
    blocks: Iterable[np.ndarray], *, sample_rate_hz: int, spans: Sequence[SegmentSpan]
) -> Iterator[tuple[SegmentSpan, np.ndarray]]:
    """The samples of each segment, cut as the blocks of a track come.

    Holds no more than the blocks that a segment reaches into. The blocks are taken to their end, where their
    source may still raise.

    Parameters
    ----------
    blocks : iterable of np.ndarray [shape=(n_samples,), float32]
    spans : sequence of SegmentSpan
        By start, as :func:`plan_segments` gives them.

    Yields
    ------
    span : SegmentSpan
    samples : np.ndarray [shape=(<= round(duration_s * sample_rate_hz),), float32]
        Fewer than nominal where the track ends before the segment does.
    """
    coming = iter(blocks)
    held: deque[np.ndarray] = deque()
    held_first = held_end = 0
    for span in spans:
        first, end = span.samples(sample_rate_hz)
        while held_end < end and (block := next(coming, None)) is not None:
            held.append(block)
            held_end += len(block)
            while held and held_first + len(held[0]) <= first:
                held_first += len(held.popleft())
        yield span, np.concatenate(held)[first - held_first : end - held_first]
    for _ in coming:
        pass


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
