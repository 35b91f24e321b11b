"""The containers that libsndfile does not open, through PyAV, whose wheels carry FFmpeg: MP4, ASF, ADTS, Matroska.

FFmpeg is held to the one demuxer that the first bytes ask for: left to guess, it also opens playlists that name
other files.
"""

import io
from collections.abc import Iterator

import av
import numpy as np

from deepsound.audio.limits import DecodeLimits
from deepsound.errors import AudioEmptyError, AudioUnreadableError


def decode_mono(content: bytes, *, container: str, limits: DecodeLimits) -> tuple[np.ndarray, int, int]:
    """Decode the first audio stream.

    Parameters
    ----------
    content : bytes
        The file, of a container that :func:`deepsound.audio.containers.detect_container` knows.
    container : str
        Its name.
    limits : DecodeLimits
        Longer audio is refused, by its header where that tells, else while decoding.

    Returns
    -------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        Mean of the channels.
    sample_rate_hz, n_channels : int

    Raises
    ------
    AudioEmptyError
        No audio stream, or one without samples.
    AudioUnreadableError
        The content is damaged, or of a codec that FFmpeg does not have.
    AudioTooLongError
        Longer than allowed.
    AudioTimeoutError
        Not decoded in time.
    """
    try:
        with av.open(io.BytesIO(content), format=container) as opened:
            if not opened.streams.audio:
                raise AudioEmptyError(f"the {container} container holds no audio stream")
            stream = opened.streams.audio[0]
            rate_hz, n_channels = int(stream.codec_context.sample_rate), int(stream.codec_context.channels)
            if rate_hz < 1 or n_channels < 1:
                raise AudioUnreadableError(f"the stream declares {rate_hz} Hz and {n_channels} channels")
            # ADTS declares no length; what FFmpeg makes up for it from the bit rate says little.
            if container != "aac":
                limits.check_declared(_declared_duration_s(opened, stream))
            waveform = limits.join(_mono_blocks(opened, stream), sample_rate_hz=rate_hz)
    except (av.FFmpegError, ValueError, EOFError, OverflowError) as exc:
        detail = " ".join(str(exc).split())[:200]
        raise AudioUnreadableError(
            f"a known container ({container}), but its content is damaged: {detail}"
        ) from exc
    if not len(waveform):
        raise AudioEmptyError(f"the {container} container holds no samples")
    return waveform, rate_hz, n_channels


def _declared_duration_s(opened: "av.container.InputContainer", stream: "av.AudioStream") -> float:
    """The stream's own length, or the container's where the stream has none; 0 where neither declares one."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return opened.duration / av.time_base if opened.duration else 0.0


def _mono_blocks(opened: "av.container.InputContainer", stream: "av.AudioStream") -> Iterator[np.ndarray]:
    """Frames as float32, mixed down at once."""
    to_float = av.AudioResampler(format="fltp")
    for frame in opened.decode(stream):
        for planar in to_float.resample(frame):
            yield planar.to_ndarray().mean(axis=0, dtype=np.float32)
