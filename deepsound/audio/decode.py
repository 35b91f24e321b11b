"""Bytes to waveform: by libsndfile, through soundfile, or for a few containers by :mod:`deepsound.audio.ffmpeg`.

Convention: a waveform is mono float32, the mean of its channels, full scale = 1. Sizes that the header
declares are checked before a sample is decoded; what arrives is counted, never what was declared.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

from deepsound.audio.containers import detect_container
from deepsound.audio.limits import DecodeLimits
from deepsound.errors import (
    AudioEmptyError,
    AudioUnreadableError,
    AudioUnsupportedError,
)

# First bytes of the containers libsndfile opens here: told apart so that a damaged WAV is reported as
# unreadable and a renamed text file as unsupported. Sources: RFC 3533 (Ogg), RFC 9639 (FLAC), the RIFF, AIFF
# and AU specifications, ISO 11172-3 (MPEG audio frame sync 0xFFE) and ID3v2.
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b".snd", b"dns.", b"ID3", b"RIFX")
_BLOCK_FRAMES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class DecodedAudio:
    """A decoded file.

    Attributes
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        Mean of the channels, at the file's own rate.
    sample_rate_hz, n_channels : int
        As the file has them.
    container : str
        The container by its content, lower case (``wav``, ``flac``, ``ogg``, ``mp3``, ``mp4``, ...).
    """

    waveform: np.ndarray
    sample_rate_hz: int
    n_channels: int
    container: str

    @property
    def duration_s(self) -> float:
        """Length of what was decoded."""
        return len(self.waveform) / self.sample_rate_hz


def decode_audio(content: bytes, *, max_duration_s: float, timeout_s: float = math.inf) -> DecodedAudio:
    """Decode a whole file held in memory.

    Parameters
    ----------
    content : bytes
        The file. The container is told by content, not by name.
    max_duration_s : float
        Longer audio is refused, by its header where that tells, else while decoding.
    timeout_s : float
        Decoding that takes longer is given up.

    Raises
    ------
    AudioEmptyError
        No bytes, or no samples in a sound container.
    AudioUnsupportedError
        Not the content of a known container.
    AudioUnreadableError
        A known container whose content is damaged.
    AudioTooLongError
        Longer than ``max_duration_s``.
    AudioTimeoutError
        Not decoded within ``timeout_s``.
    """
    limits = DecodeLimits(max_duration_s=max_duration_s, timeout_s=timeout_s)
    if not content:
        raise AudioEmptyError("the file has 0 bytes")
    container = detect_container(content)
    if container is not None:
        # Only here: most collections never need FFmpeg, and its libraries take a while to load.
        from deepsound.audio.ffmpeg import decode_mono

        waveform, rate_hz, n_channels = decode_mono(content, container=container, limits=limits)
        return DecodedAudio(waveform=waveform, sample_rate_hz=rate_hz, n_channels=n_channels, container=container)
    with _open(content) as sound:
        limits.check_declared(sound.frames / sound.samplerate)
        waveform = limits.join(_mono_blocks(sound), sample_rate_hz=sound.samplerate)
        if not len(waveform):
            raise AudioEmptyError(f"the {sound.format} container holds no samples")
        return DecodedAudio(
            waveform=waveform,
            sample_rate_hz=int(sound.samplerate),
            n_channels=int(sound.channels),
            container=str(sound.format).lower(),
        )


def _open(content: bytes) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(io.BytesIO(content))
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError) as exc:
        detail = _detail_of(exc)
        if content.startswith(_MAGIC) or _is_mpeg_audio(content):
            raise AudioUnreadableError(f"a known container, but its content is damaged: {detail}") from exc
        raise AudioUnsupportedError(f"not a sound file the decoder knows: {detail}") from exc


def _is_mpeg_audio(content: bytes) -> bool:
    return len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0


def _mono_blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Samples in blocks, mixed down at once, so that no more than one block is ever held with all channels."""
    n_read = 0
    while True:
        try:
            block = sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError) as exc:
            raise AudioUnreadableError(f"decoding stopped after {n_read} samples: {_detail_of(exc)}") from exc
        if not len(block):
            return
        n_read += len(block)
        yield block.mean(axis=1, dtype=np.float32)


def _detail_of(exc: BaseException) -> str:
    # libsndfile's own words; soundfile puts the repr of our BytesIO before them, which tells nobody anything.
    text = getattr(exc, "error_string", None) or str(exc)
    return " ".join(str(text).split())[:200]
