"""Tiny sounds, made in memory and decoded again: whether this Python has the decoders that collections need."""

import io

import numpy as np

from deepsound.config import ExtractSettings
from deepsound.doctor.track import extract_bytes
from deepsound.features.registry import load_extractors

FORMATS = ("wav", "flac", "ogg", "mp3", "m4a")
_RATE_HZ = 22050
_SECONDS = 1.2
# What AAC and MP3 add at both ends.
_SLACK_S = 0.2


def try_decoding(container: str) -> str | None:
    """Why a sound of this format cannot be decoded; None if it can.

    Parameters
    ----------
    container : str
        One of ``FORMATS``.
    """
    try:
        content = make_sound(container)
    except Exception as exc:  # the encoders of two libraries, each with its own errors
        return f"no sound could be made to try it with ({type(exc).__name__}: {str(exc)[:100]})"
    settings = ExtractSettings(features=("mfcc",), segment_s=1.0, min_duration_s=0.5)
    outcome = extract_bytes(content, extractors=load_extractors(settings.features), settings=settings)
    if outcome.failure is not None:
        return outcome.failure.error_detail
    decoded_s = outcome.facts.duration_s or 0.0
    return None if abs(decoded_s - _SECONDS) < _SLACK_S else f"{decoded_s:.2f} s came out of {_SECONDS:g} s"


def make_sound(container: str) -> bytes:
    """A second of a 440 Hz tone as a file."""
    time_s = np.arange(round(_SECONDS * _RATE_HZ)) / _RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    output = io.BytesIO()
    if container == "m4a":
        _encode_aac(tone, output)
    else:
        import soundfile

        soundfile.write(output, tone, _RATE_HZ, format=container.upper())
    return output.getvalue()


def _encode_aac(tone: np.ndarray, output: io.BytesIO) -> None:
    import av

    with av.open(output, "w", format="ipod") as opened:
        stream = opened.add_stream("aac", rate=_RATE_HZ, layout="mono")
        for start in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = _RATE_HZ, start
            opened.mux(stream.encode(frame))
        opened.mux(stream.encode(None))
