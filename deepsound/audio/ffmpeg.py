"""The containers that libsndfile does not open, through PyAV, whose wheels carry FFmpeg: MP4, ASF, ADTS, Matroska.

FFmpeg is held to the one demuxer that the first bytes ask for: left to guess, it also opens playlists that name
other files.
"""

import io
from collections.abc import Iterator

import av
import numpy as np

from deepsound.audio.deadline import Deadline
from deepsound.errors import AudioEmptyError, AudioTooLongError, AudioUnreadableError


def decode_mono(
    content: bytes, *, container: str, max_duration_s: float, deadline: Deadline
) -> tuple[np.ndarray, int, int]:
    """Decode the first audio stream.

    Parameters
    ----------
    content : bytes
        The file, of a container that :func:`deepsound.audio.containers.detect_container` knows.
    container : str
        Its name.
    max_duration_s : float
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
        Longer than ``max_duration_s``.
    AudioTimeoutError
        Past the deadline.
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
            declared_s = 0.0 if container == "aac" else _declared_duration_s(opened, stream)
            if declared_s > max_duration_s:
                raise AudioTooLongError(
                    f"the header declares {declared_s:.0f} s; max_duration_s is {max_duration_s:g}"
                )
            max_samples = int(max_duration_s * rate_hz)
            blocks = list(_mono_blocks(opened, stream, max_samples=max_samples, deadline=deadline))
    except (av.FFmpegError, ValueError, EOFError, OverflowError) as exc:
        detail = " ".join(str(exc).split())[:200]
        raise AudioUnreadableError(
            f"a known container ({container}), but its content is damaged: {detail}"
        ) from exc
    waveform = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(waveform):
        raise AudioEmptyError(f"the {container} container holds no samples")
    return waveform, rate_hz, n_channels


def _declared_duration_s(opened: "av.container.InputContainer", stream: "av.AudioStream") -> float:
    """The stream's own length, or the container's where the stream has none; 0 where neither declares one."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return opened.duration / av.time_base if opened.duration else 0.0


def _mono_blocks(
    opened: "av.container.InputContainer", stream: "av.AudioStream", *, max_samples: int, deadline: Deadline
) -> Iterator[np.ndarray]:
    """Frames as float32, mixed down at once."""
    to_float = av.AudioResampler(format="fltp")
    n_read = 0
    for frame in opened.decode(stream):
        for planar in to_float.resample(frame):
            block = planar.to_ndarray().mean(axis=0, dtype=np.float32)
            n_read += len(block)
            deadline.check(n_samples=n_read)
            if n_read > max_samples:
                raise AudioTooLongError(f"more than {max_samples} samples, whatever the header declared")
            yield block
