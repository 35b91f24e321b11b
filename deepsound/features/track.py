"""One file to its segments' features: the pure function that an extraction job maps over a collection.

Knows nothing of Spark: an open file in, outcome out. A file that cannot be used gives an outcome with an error,
never an exception; a failed track has no segments. However long a file is, only stretches of it are in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import BinaryIO

import numpy as np

from deepsound.audio.limits import DecodeLimits
from deepsound.audio.passes import KEPT_SAMPLES, MeasuredAudio, measure_audio, replay_audio
from deepsound.audio.signal import (
    SegmentSpan,
    cut_segments,
    fit_to_rate,
    normalize_waveform,
    plan_segments,
)
from deepsound.audio.source import AudioSource
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


class _Progress:
    """Remembers how far a track came, for the error row."""

    def __init__(self) -> None:
        self.stage = "read"
        self.source: AudioSource | None = None
        self.facts = TrackFacts()

    def failed(self, code: str, detail: str) -> TrackOutcome:
        is_unread = self.source is not None and self.source.has_failed
        failure = _failure(code, "read" if is_unread else self.stage, detail)
        return TrackOutcome(facts=self.facts, failure=failure)


def extract_track(
    file: BinaryIO,
    *,
    extractors: Sequence[FeatureExtractor],
    settings: ExtractSettings,
    kept_samples: int = KEPT_SAMPLES,
    ends_process: bool = False,
) -> TrackOutcome:
    """Decode, normalise, segment and compute every feature of one file.

    Parameters
    ----------
    file : BinaryIO
        Open and seekable: ``io.BytesIO``, ``path.open("rb")``. Read in blocks; stays open.
    extractors : sequence of FeatureExtractor
        What to compute per segment.
    kept_samples : int
        A track of more samples is decoded twice instead of being held; the numbers are the same to the bit.
    ends_process : bool
        Whether a decoder that hangs in C ends this process; there is nothing else that ends it.

    Returns
    -------
    TrackOutcome
        With segments, or with the failure that prevented them.
    """
    progress = _Progress()
    try:
        limits = DecodeLimits(
            max_duration_s=settings.max_duration_s,
            timeout_s=settings.decode_timeout_s,
            ends_process=ends_process,
        )
        source = progress.source = AudioSource(file, limits=limits)
        segments = _extract(source, progress, extractors, settings, kept_samples)
    except TrackError as exc:
        return progress.failed(exc.code, str(exc))
    except Exception as exc:  # a job of days must not die of one file that nobody has seen before
        return progress.failed("internal", f"{type(exc).__name__}: {exc}")
    return TrackOutcome(facts=progress.facts, segments=segments)


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


def failed_track(error: TrackError, *, stage: str) -> TrackOutcome:
    """Outcome of a file that was not decoded here, as :func:`deepsound.audio.trial.try_decoding` advised."""
    return TrackOutcome(facts=TrackFacts(), failure=_failure(error.code, stage, str(error)))


def _failure(code: str, stage: str, detail: str) -> TrackFailure:
    return TrackFailure(error_code=code, error_stage=stage, error_detail=" ".join(detail.split())[:500])


def _extract(
    source: AudioSource,
    progress: _Progress,
    extractors: Sequence[FeatureExtractor],
    settings: ExtractSettings,
    kept_samples: int,
) -> list[SegmentFeatures]:
    progress.facts = TrackFacts(content_sha256=source.compute_sha256(max_bytes=settings.max_bytes))
    progress.stage = "decode"
    measured = measure_audio(source, kept_samples=kept_samples)
    progress.facts = replace(progress.facts, duration_s=measured.duration_s, **asdict(measured.format))
    progress.stage = "signal"
    spans = plan_segments(
        measured.meter.n_samples,
        sample_rate_hz=measured.format.sample_rate_hz,
        segment_s=settings.segment_s,
        hop_s=settings.hop_s,
        min_duration_s=settings.min_duration_s,
    )
    loudness = measured.meter.read(silence_dbfs=settings.silence_dbfs, channel_peak=measured.channel_peak)
    progress.facts = replace(progress.facts, peak=loudness.peak, rms_dbfs=loudness.rms_dbfs)
    segments = []
    cuts = cut_segments(
        _replay(source, measured, progress), sample_rate_hz=measured.format.sample_rate_hz, spans=spans
    )
    for span, samples in cuts:
        normalized = normalize_waveform(samples, mode=settings.normalize, loudness=loudness)
        segments.append(_compute_segment(normalized, measured.format.sample_rate_hz, span, extractors))
    return segments


def _replay(source: AudioSource, measured: MeasuredAudio, progress: _Progress) -> Iterator[np.ndarray]:
    """The second pass, whose errors are the decoder's, in between those of the features."""
    blocks = replay_audio(source, measured)
    while True:
        progress.stage = "decode"
        block = next(blocks, None)
        progress.stage = "features"
        if block is None:
            return
        yield block


def _compute_segment(
    samples: np.ndarray, sample_rate_hz: int, span: SegmentSpan, extractors: Sequence[FeatureExtractor]
) -> SegmentFeatures:
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
