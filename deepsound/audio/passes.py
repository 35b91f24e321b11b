"""Two passes over a file that is too long to be held: one that measures it, one that gives its samples again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deepsound.audio.decode import open_audio
from deepsound.audio.signal import LoudnessMeter
from deepsound.audio.source import AudioSource
from deepsound.audio.stream import AudioFormat
from deepsound.errors import AudioUnreadableError

# 173 MB, fifteen minutes at 48 kHz: nearly all music is decoded once and held.
KEPT_SAMPLES = 15 * 60 * 48000


@dataclass(frozen=True, kw_only=True)
class MeasuredAudio:
    """What the first pass learned.

    Attributes
    ----------
    meter : LoudnessMeter
        Of all samples, which it also counts.
    channel_peak : float
        The largest sample of any channel before they were mixed down; 0 of a single channel.
    kept : tuple of np.ndarray, or None
        The blocks of a short file; None where there are too many samples to hold.
    """

    format: AudioFormat
    meter: LoudnessMeter
    channel_peak: float
    kept: tuple[np.ndarray, ...] | None

    @property
    def duration_s(self) -> float:
        """Length of what was decoded."""
        return self.meter.n_samples / self.format.sample_rate_hz


def measure_audio(source: AudioSource, *, kept_samples: int = KEPT_SAMPLES) -> MeasuredAudio:
    """Decode a file to its end, in blocks; one of more than ``kept_samples`` is not held.

    Raises
    ------
    TrackError
        As :func:`deepsound.audio.decode.open_audio` does.
    """
    stream = open_audio(source)
    meter = LoudnessMeter()
    kept: list[np.ndarray] = []
    for block in stream.blocks:
        meter.add(block)
        if meter.n_samples <= kept_samples:
            kept.append(block)
    is_kept = meter.n_samples <= kept_samples
    return MeasuredAudio(
        format=stream.format,
        meter=meter,
        channel_peak=stream.downmix.channel_peak,
        kept=tuple(kept) if is_kept else None,
    )


def replay_audio(source: AudioSource, measured: MeasuredAudio) -> Iterator[np.ndarray]:
    """The blocks once more, held or decoded again.

    Raises
    ------
    AudioUnreadableError
        At the end, if the second decoding gave other samples than the first.
    TrackError
        As :func:`deepsound.audio.decode.open_audio` does.
    """
    if measured.kept is not None:
        yield from measured.kept
        return
    stream = open_audio(source)
    meter = LoudnessMeter()
    for block in stream.blocks:
        meter.add(block)
        yield block
    if stream.format != measured.format or meter != measured.meter:
        raise AudioUnreadableError(
            f"decoded twice, the file gave {measured.meter.n_samples} samples, then {meter.n_samples}, and not "
            "the same ones: did it change?"
        )
