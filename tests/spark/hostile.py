"""A corpus of hostile files, the same for the same seed: what a folder that nobody checked may hold."""

import pathlib
import struct

import numpy as np

from tests.lies import make_beheaded, make_liars
from tests.sounds import encode, write_pcm

_RATE_HZ = 8000


def make_seeds() -> dict[str, bytes]:
    """One sound file of every kind, to be damaged."""
    return {
        "wav": write_pcm("WAV", "PCM_16", _RATE_HZ, 2),
        "wavex": write_pcm("WAVEX", "PCM_24", _RATE_HZ, 6),
        "aiff": write_pcm("AIFF", "PCM_16", _RATE_HZ, 1),
        "au": write_pcm("AU", "PCM_16", _RATE_HZ, 1),
        "flac": write_pcm("FLAC", "PCM_16", _RATE_HZ, 2),
        "ogg": write_pcm("OGG", "VORBIS", _RATE_HZ, 1),
        "opus": write_pcm("OGG", "OPUS", 48000, 1),
        "mp3": write_pcm("MP3", "MPEG_LAYER_III", 16000, 1),
        "m4a": encode("ipod", "aac", 16000, "mono"),
        "aac": encode("adts", "aac", 16000, "mono"),
        "wma": encode("asf", "wmav2", 16000, "mono"),
        "webm": encode("webm", "libopus", 48000, "mono"),
        "mka": encode("matroska", "flac", 16000, "mono"),
        "mp4": encode("mp4", "alac", 16000, "mono"),
        "oga": encode("ogg", "flac", 16000, "mono"),
        "wv": encode("wv", "wavpack", 16000, "mono"),
        "tta": encode("tta", "tta", 16000, "mono"),
        "ac3": encode("ac3", "ac3", 32000, "mono"),
        "eac3": encode("eac3", "eac3", 32000, "mono"),
        "amr": encode("amr", "libopencore_amrnb", 8000, "mono"),
        "w64": write_pcm("W64", "PCM_16", _RATE_HZ, 1),
        "caf": write_pcm("CAF", "PCM_16", _RATE_HZ, 1),
    }


def write_corpus(root: pathlib.Path, *, seed: int, n_damaged_each: int) -> int:
    """Write it; the number of files."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True)
    seeds = make_seeds()
    files: dict[str, bytes] = {}
    for kind, content in seeds.items():
        extension = "wav" if kind == "wavex" else kind
        for place in (1, 4, 8, 12, 20, 36, 44, 60, 100, len(content) // 2, len(content) - 1):
            files[f"cut-{kind}-{place:06d}.{extension}"] = content[:place]
        for number in range(n_damaged_each):
            files[f"flip-{kind}-{number:03d}.{extension}"] = _flip(content, rng)
            files[f"splice-{kind}-{number:03d}.{extension}"] = _splice(content, rng)
        other = seeds[rng.choice([name for name in seeds if name != kind])]
        files[f"wrong-header-{kind}.{extension}"] = other[:64] + content[64:]
        files[f"wrong-name-{kind}.txt.wav"] = content
        files[f"tail-{kind}.{extension}"] = content + rng.bytes(1000)
    files |= _oddities(rng) | make_beheaded() | {name: content for name, (content, _) in make_liars().items()}
    for name, content in files.items():
        (root / name).write_bytes(content)
    return len(files)


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    """A few bits turned over, most of them near the front, where the header is."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 12)):
        reach = min(len(damaged), 200) if rng.random() < 0.6 else len(damaged)
        damaged[rng.integers(reach)] ^= 1 << rng.integers(8)
    return bytes(damaged)


def _splice(content: bytes, rng: np.random.Generator) -> bytes:
    """A piece taken out, doubled, or put in from elsewhere."""
    first, last = sorted(rng.integers(0, len(content), size=2))
    piece = (b"", content[first:last] * 2, rng.bytes(int(rng.integers(1, 500))))[rng.integers(3)]
    return content[:first] + piece + content[last:]


def _oddities(rng: np.random.Generator) -> dict[str, bytes]:
    def wav(
        samples: np.ndarray, *, data_bytes: int | None = None, rate_hz: int = _RATE_HZ, channels: int = 1
    ) -> bytes:
        data = samples.astype("<f4").tobytes()
        size = len(data) if data_bytes is None else data_bytes
        form = struct.pack(
            "<HHIIHH", 3, channels, rate_hz, (rate_hz * 4 * channels) % 2**32, 4 * channels % 65536, 32
        )
        body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data
        return b"RIFF" + struct.pack("<I", (4 + len(body)) % 2**32) + body

    noise = rng.normal(size=2 * _RATE_HZ) / 8
    with_nan, with_inf = noise.copy(), noise.copy()
    with_nan[100], with_inf[200] = np.nan, np.inf
    return {
        "nothing.wav": b"",
        "text.mp3": b"It was a dark and stormy night.\n" * 100,
        "page.flac": b"<!DOCTYPE html><html><body>404</body></html>",
        "zeros.ogg": bytes(5000),
        "noise.m4a": rng.bytes(5000),
        "one-sample.wav": wav(noise[:1]),
        "no-sample.wav": wav(noise[:0]),
        "silence.wav": wav(np.zeros(2 * _RATE_HZ)),
        "dc.wav": wav(np.full(2 * _RATE_HZ, 0.5)),
        "nan.wav": wav(with_nan),
        "inf.wav": wav(with_inf),
        "huge-values.wav": wav(noise * 1e38),
        "tiny-values.wav": wav(noise * 1e-40),
        "lying-length.wav": wav(noise, data_bytes=2**32 - 10),
        "lying-short.wav": wav(noise, data_bytes=400),
        "rate-0.wav": wav(noise, rate_hz=0),
        "rate-1.wav": wav(noise, rate_hz=1),
        "rate-2-billion.wav": wav(noise, rate_hz=2**31 - 1),
        "channels-0.wav": wav(noise, channels=0),
        "channels-1000.wav": wav(noise, channels=1000),
        f"{'long' * 60}.wav": wav(noise),
        "ünïcödé ♫ 音楽 \u202e.wav": wav(noise),
        "sp ace%20per+cent#hash?.wav": wav(noise),
    }
