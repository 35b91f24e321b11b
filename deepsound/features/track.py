"""One file to its segments' features: the pure function that an extraction job maps over a collection.

Knows nothing of Spark or of files on disk: bytes in, outcome out. A file that cannot be used gives an outcome
with an error, never an exception; a failed track has no segments.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deepsound.audio.decode import decode_audio
from deepsound.audio.signal import (
    SegmentSpan,
    cut_segment,
    fit_to_rate,
    measure_loudness,
    normalize_waveform,
    plan_segments,
)
from deepsound.config import ExtractSettings
from deepsound.errors import (
    AudioEmptyError,
    AudioNotFiniteError,
    AudioTooLargeError,
    AudioUnreadableError,
    TrackError,
)
from deepsound.features.base import FeatureExtractor


@dataclass(frozen=True, kw_only=True)
class TrackFailure:
    """Why a track gave nothing: ``error_code`` from the exception tree, and the stage it happened in."""

    error_code: str
    error_stage: str
    error_detail: str


@dataclass(frozen=True, kw_only=True)
class TrackFacts:
    """What is known of a file so far; null where its decoding did not come that far."""

    content_sha256: str | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    n_channels: int | None = None
    container: str | None = None
    peak: float | None = None
    rms_dbfs: float | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentFeatures:
    """One segment: its place, and by feature name an array (n_frames, n_dims) float32."""

    span: SegmentSpan
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class TrackOutcome:
    """What became of one file. ``failure`` is null exactly when there are segments."""

    facts: TrackFacts
    segments: list[SegmentFeatures] = field(default_factory=list)
    failure: TrackFailure | None = None


class _Stage:
    """Remembers how far a track came, for the error row."""

    def __init__(self, content: bytes) -> None:
        self.name = "decode"
        self.facts = TrackFacts(content_sha256=hashlib.sha256(content).hexdigest())


def extract_track(
    content: bytes, *, extractors: Sequence[FeatureExtractor], settings: ExtractSettings
) -> TrackOutcome:
    """Decode, normalise, segment and compute every feature of one file.

    Parameters
    ----------
    content : bytes
        The file.
    extractors : sequence of FeatureExtractor
        What to compute per segment.

    Returns
    -------
    TrackOutcome
        With segments, or with the failure that prevented them.
    """
    stage = _Stage(content)
    try:
        segments = _extract(content, stage, extractors, settings)
    except TrackError as exc:
        return TrackOutcome(facts=stage.facts, failure=_failure(exc.code, stage.name, str(exc)))
    except Exception as exc:  # a job of days must not die of one file that nobody has seen before
        return TrackOutcome(
            facts=stage.facts, failure=_failure("internal", stage.name, f"{type(exc).__name__}: {exc}")
        )
    return TrackOutcome(facts=stage.facts, segments=segments)


def failed_track(error: TrackError, *, stage: str) -> TrackOutcome:
    """Outcome of a file of which nothing is known but its error."""
    return TrackOutcome(facts=TrackFacts(), failure=_failure(error.code, stage, str(error)))


def unread_track(size_bytes: int, *, max_bytes: int, problem: str | None = None) -> TrackOutcome:
    """Outcome of a file whose content was never seen: empty, too large, or not to be had for some ``problem``."""
    if problem is not None:
        failure = _failure(AudioUnreadableError.code, "read", problem)
    elif size_bytes == 0:
        failure = _failure(AudioEmptyError.code, "read", "the file has 0 bytes")
    elif size_bytes > max_bytes:
        failure = _failure(AudioTooLargeError.code, "read", f"{size_bytes} bytes; max_bytes is {max_bytes}")
    else:
        failure = _failure(AudioUnreadableError.code, "read", "listed, but the storage did not give its content")
    return TrackOutcome(facts=TrackFacts(), failure=failure)


def _failure(code: str, stage: str, detail: str) -> TrackFailure:
    return TrackFailure(error_code=code, error_stage=stage, error_detail=" ".join(detail.split())[:500])


def _extract(
    content: bytes, stage: _Stage, extractors: Sequence[FeatureExtractor], settings: ExtractSettings
) -> list[SegmentFeatures]:
    audio = decode_audio(content, max_duration_s=settings.max_duration_s, timeout_s=settings.decode_timeout_s)
    stage.facts = replace(
        stage.facts,
        duration_s=audio.duration_s,
        sample_rate_hz=audio.sample_rate_hz,
        n_channels=audio.n_channels,
        container=audio.container,
    )
    stage.name = "signal"
    spans = plan_segments(
        len(audio.waveform),
        sample_rate_hz=audio.sample_rate_hz,
        segment_s=settings.segment_s,
        hop_s=settings.hop_s,
        min_duration_s=settings.min_duration_s,
    )
    loudness = measure_loudness(audio.waveform, silence_dbfs=settings.silence_dbfs)
    stage.facts = replace(stage.facts, peak=loudness.peak, rms_dbfs=loudness.rms_dbfs)
    waveform = normalize_waveform(audio.waveform, mode=settings.normalize)
    stage.name = "features"
    return [_compute_segment(waveform, audio.sample_rate_hz, span, extractors) for span in spans]


def _compute_segment(
    waveform: np.ndarray, sample_rate_hz: int, span: SegmentSpan, extractors: Sequence[FeatureExtractor]
) -> SegmentFeatures:
    samples = cut_segment(waveform, sample_rate_hz=sample_rate_hz, span=span)
    by_rate: dict[int, np.ndarray] = {}
    arrays: dict[str, np.ndarray] = {}
    for extractor in extractors:
        rate_hz = extractor.sample_rate_hz
        if rate_hz not in by_rate:
            by_rate[rate_hz] = fit_to_rate(
                samples, sample_rate_hz=sample_rate_hz, target_rate_hz=rate_hz, duration_s=span.duration_s
            )
        array = extractor.compute(by_rate[rate_hz])
        if not np.isfinite(array).all():
            raise AudioNotFiniteError(f"{extractor.name} of segment {span.segment_index} is not finite")
        arrays[extractor.name] = array
    return SegmentFeatures(span=span, arrays=arrays)
