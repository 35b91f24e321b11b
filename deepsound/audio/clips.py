"""Ten seconds of tracks as MP3, for a page: cut in a process of its own, as a file may take its decoder down.

``python -m deepsound.audio.clips`` reads a request in JSON from its standard input and writes a line of JSON for
each file. A decoder that hangs is ended with its process; the rest is cut by the next one. MP3 because every
browser plays it; Safari before 18.4 does not play Opus in Ogg.
"""

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
import soxr

from deepsound.audio.decode import open_audio
from deepsound.audio.limits import DecodeLimits
from deepsound.audio.source import AudioSource
from deepsound.audio.spectrogram import compute_mel_power
from deepsound.audio.storage import open_file
from deepsound.audio.watchdog import watchdog
from deepsound.children import child_command, child_environment
from deepsound.errors import AudioEmptyError, TrackError

CLIP_S = 10.0
RATE_HZ = 44100
_BIT_RATE = 64_000
_N_MELS, _N_COLUMNS, _FFT_SAMPLES = 64, 320, 2048
# Decibels below the loudest that a picture shows.
_RANGE_DB = 70.0
# Decoders that may die before the rest is left alone.
_MAX_DEATHS = 3


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """A file by its URI, as ``tracks/`` has it, and from where on it is to be heard."""

    uri: str
    start_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ClipLimits:
    """What one file may cost."""

    max_bytes: int
    max_duration_s: float
    timeout_s: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A part of a track.

    Attributes
    ----------
    mp3 : bytes
        Mono, 44.1 kHz, 64 kbit/s.
    picture : np.ndarray [shape=(n_frames, 64), uint8]
        Mel spectrogram in decibels, 255 the loudest, 0 at 70 dB below it.
    """

    mp3: bytes
    picture: np.ndarray
    start_s: float
    duration_s: float


def cut_clips(requests: Sequence[ClipRequest], *, limits: ClipLimits) -> list[Clip | str]:
    """Clips of files, or in words why there is none; never an exception for what a file holds."""
    outcomes: list[Clip | str] = []
    n_deaths = 0
    while len(outcomes) < len(requests):
        if n_deaths == _MAX_DEATHS:
            return outcomes + ["not read, as decoders had died of others"] * (len(requests) - len(outcomes))
        outcomes += _cut_until_death(requests[len(outcomes) :], limits)
        if len(outcomes) < len(requests):
            n_deaths += 1
            outcomes.append("its decoder or storage hung, or died")
    return outcomes


def _cut_until_death(requests: Sequence[ClipRequest], limits: ClipLimits) -> list[Clip | str]:
    document = json.dumps({"files": [asdict(request) for request in requests], "limits": asdict(limits)})
    try:
        child = subprocess.run(
            child_command("deepsound.audio.clips"),
            input=document.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            check=False,
        )
    except OSError:  # no memory for another process, say
        return []
    # A line that was cut off has no end.
    return [_from_plain(json.loads(line)) for line in child.stdout.split(b"\n")[:-1]]


def _from_plain(plain: dict[str, Any]) -> Clip | str:
    if "reason" in plain:
        return str(plain["reason"])
    picture = np.frombuffer(base64.b64decode(plain["picture"]), np.uint8).reshape(-1, _N_MELS)
    mp3 = base64.b64decode(plain["mp3"])
    return Clip(mp3=mp3, picture=picture, start_s=plain["start_s"], duration_s=plain["duration_s"])


def main() -> int:
    """Cut what the standard input asks for."""
    document = json.load(sys.stdin)
    limits = ClipLimits(**document["limits"])
    for file in document["files"]:
        sys.stdout.write(json.dumps(_cut(ClipRequest(**file), limits)) + "\n")
        sys.stdout.flush()
    return 0


def _cut(request: ClipRequest, limits: ClipLimits) -> dict[str, Any]:
    try:
        # A storage that does not answer is ended as a decoder is.
        with watchdog(limits.timeout_s):
            opened = open_file(request.uri, max_bytes=limits.max_bytes)
        with opened as file:
            samples, start_s = _decode_part(file, request.start_s, limits)
        return {
            "mp3": base64.b64encode(encode_mp3(samples)).decode(),
            "picture": base64.b64encode(draw_spectrogram(samples).tobytes()).decode(),
            "start_s": start_s,
            "duration_s": len(samples) / RATE_HZ,
        }
    except OSError as exc:
        return {"reason": f"the file is not to be had: {exc.strerror or exc}"}
    except TrackError as exc:
        return {"reason": f"it cannot be decoded: {exc}"[:200]}
    except Exception as exc:  # one of a hundred formats may fail in a way of its own
        return {"reason": f"it cannot be decoded: {type(exc).__name__}"}


def _decode_part(file: BinaryIO, start_s: float, limits: ClipLimits) -> tuple[np.ndarray, float]:
    """Ten seconds at 44.1 kHz, fewer of a short track, and where they start: as late as the track allows."""
    decoding = DecodeLimits(max_duration_s=limits.max_duration_s, timeout_s=limits.timeout_s, ends_process=True)
    source = AudioSource(file, limits=decoding)
    if source.n_bytes > limits.max_bytes:
        raise OSError(f"{source.n_bytes} bytes are more than max_bytes = {limits.max_bytes}")
    stream = open_audio(source)
    rate_hz = stream.format.sample_rate_hz
    n_wanted, n_to_end = round(CLIP_S * rate_hz), round((max(start_s, 0.0) + CLIP_S) * rate_hz)
    held, n_read = np.zeros(0, np.float32), 0
    for block in _until(stream.blocks, n_to_end):
        held = np.concatenate([held, block])[-n_wanted:]
        n_read += len(block)
    if not len(held):
        raise AudioEmptyError("no samples")
    if rate_hz != RATE_HZ:
        first_s = (n_read - len(held)) / rate_hz
        return soxr.resample(held, rate_hz, RATE_HZ, quality="HQ"), first_s
    return held, (n_read - len(held)) / rate_hz


def _until(blocks: Iterator[np.ndarray], n_samples: int) -> Iterator[np.ndarray]:
    """The first samples of a stream, which is not decoded farther."""
    n_left = n_samples
    for block in blocks:
        yield block[:n_left]
        n_left -= len(block)
        if n_left <= 0:
            return


def encode_mp3(samples: np.ndarray) -> bytes:
    """Mono samples [shape=(n_samples,), float32, full scale = 1] at 44.1 kHz as an MP3 of 64 kbit/s."""
    # Only here: most that import this module never encode.
    import av

    finite = np.nan_to_num(np.clip(samples, -1, 1), copy=False)
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="mono")
        stream.bit_rate = _BIT_RATE
        frame = av.AudioFrame.from_ndarray(finite[np.newaxis].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def draw_spectrogram(samples: np.ndarray) -> np.ndarray:
    """Mel spectrogram of a clip as :attr:`Clip.picture` has it."""
    hop = max(1, -(-len(samples) // _N_COLUMNS))
    power = compute_mel_power(
        samples, sample_rate_hz=RATE_HZ, fft_samples=_FFT_SAMPLES, hop_samples=hop, n_mels=_N_MELS
    )
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    scaled = 255 * (decibels - decibels.max() + _RANGE_DB) / _RANGE_DB
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
