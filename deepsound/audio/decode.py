"""Bytes to waveform, by :mod:`deepsound.audio.sndfile` or :mod:`deepsound.audio.ffmpeg`.

Sizes that the header declares are checked before a sample is decoded; what arrives is counted, never what was
declared.
"""

import contextlib
import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from deepsound.audio.containers import SNDFILE_MAGIC, Container, identify_container
from deepsound.audio.limits import DecodeLimits
from deepsound.audio.sndfile import open_sndfile
from deepsound.audio.source import AudioSource
from deepsound.audio.stream import AudioFormat, AudioStream
from deepsound.errors import AudioEmptyError, AudioUnreadableError, AudioUnsupportedError

_OF_BOTH = ("mp3", *SNDFILE_MAGIC.values())


@dataclass(frozen=True, kw_only=True)
class DecodedAudio:
    """A decoded file.

    Attributes
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        Mean of the channels, at the file's own rate.
    format : AudioFormat
    """

    waveform: np.ndarray
    format: AudioFormat

    @property
    def sample_rate_hz(self) -> int:
        """As the file has it."""
        return self.format.sample_rate_hz

    @property
    def duration_s(self) -> float:
        """Length of what was decoded."""
        return len(self.waveform) / self.format.sample_rate_hz


def open_audio(source: AudioSource) -> AudioStream:
    """Begin to decode a file, whose container is told by content; may be called again for another pass.

    Raises
    ------
    AudioEmptyError
        No bytes, or no samples in a sound container. This and the following also while blocks are taken.
    AudioUnsupportedError
        Not the content of a known container.
    AudioUnreadableError
        A known container whose content is damaged, or the storage does not give it.
    AudioTooLongError
        Longer than the limits allow, by its header where that tells, else while decoding.
    AudioTimeoutError
        Not decoded in the time of the limits.
    """
    if not source.n_bytes:
        raise AudioEmptyError("the file has 0 bytes")
    container = identify_container(source)
    first, second = (open_sndfile, _open_ffmpeg) if container.by_sndfile else (_open_ffmpeg, open_sndfile)
    try:
        return first(source, container)
    except (AudioUnreadableError, AudioUnsupportedError):
        # What they do not open of a container, such as Speex in Ogg, the other may; else the first knows best why.
        if container.demuxer in _OF_BOTH:
            with contextlib.suppress(AudioEmptyError, AudioUnreadableError):
                return second(source, container)
        raise


def _open_ffmpeg(source: AudioSource, container: Container) -> AudioStream:
    # Only here: most collections never need FFmpeg, and its libraries take a while to load.
    from deepsound.audio.ffmpeg import open_ffmpeg

    return open_ffmpeg(source, container)


def decode_audio(file: BinaryIO, *, max_duration_s: float, timeout_s: float = math.inf) -> DecodedAudio:
    """Decode a whole file, seekable, into memory.

    Raises
    ------
    TrackError
        As :func:`open_audio` does.
    """
    limits = DecodeLimits(max_duration_s=max_duration_s, timeout_s=timeout_s)
    stream = open_audio(AudioSource(file, limits=limits))
    return DecodedAudio(waveform=np.concatenate(list(stream.blocks)), format=stream.format)
