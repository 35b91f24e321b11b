"""The containers that libsndfile does not open, through PyAV, whose wheels carry FFmpeg: MP4, ASF, ADTS, Matroska.

FFmpeg is held to the one demuxer that the first bytes ask for: left to guess, it also opens playlists that name
other files.
"""

import io
from collections.abc import Iterator

import av
import numpy as np

from deepsound.errors import AudioEmptyError, AudioTooLongError, AudioUnreadableError


def decode_mono(content: bytes, *, container: str, max_duration_s: float) -> tuple[np.ndarray, int, int]:
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
    """
    try:
        with av.open(io.BytesIO(content), format=container) as opened:
            if not opened.streams.audio:
                raise AudioEmptyError(f"the {container} container holds no audio stream")
            stream = opened.streams.audio[0]
            # The container's own estimate covers a stream that declares nothing.
            declared = opened.duration / av.time_base if opened.duration else 0.0
            if stream.duration and stream.time_base and container != "aac":
                declared = float(stream.duration * stream.time_base)
            # ADTS declares nothing; FFmpeg guesses from its bit rate, which says little.
            if container != "aac" and declared > max_duration_s:
                raise AudioTooLongError(
                    f"the header declares {declared:.0f} s; max_duration_s is {max_duration_s:g}"
                )
            n_channels = int(stream.codec_context.channels)
            rate_hz = int(stream.codec_context.sample_rate)
            if rate_hz < 1 or n_channels < 1:
                raise AudioUnreadableError(f"the stream declares {rate_hz} Hz and {n_channels} channels")
            blocks = list(_mono_blocks(opened, stream, max_samples=int(max_duration_s * rate_hz)))
    except (av.FFmpegError, ValueError, EOFError, OverflowError) as exc:
        detail = " ".join(str(exc).split())[:200]
        raise AudioUnreadableError(
            f"a known container ({container}), but its content is damaged: {detail}"
        ) from exc
    waveform = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not len(waveform):
        raise AudioEmptyError(f"the {container} container holds no samples")
    return waveform, rate_hz, n_channels


def _mono_blocks(
    opened: "av.container.InputContainer", stream: "av.AudioStream", *, max_samples: int
) -> Iterator[np.ndarray]:
    """Frames as float32, mixed down at once."""
    to_float = av.AudioResampler(format="fltp")
    n_read = 0
    for frame in opened.decode(stream):
        for planar in to_float.resample(frame):
            block = planar.to_ndarray().mean(axis=0, dtype=np.float32)
            n_read += len(block)
            if n_read > max_samples:
                raise AudioTooLongError(f"more than {max_samples} samples, whatever the header declared")
            yield block
