"""Every container and codec that people have, against the waveform that was encoded."""

import io

import av
import numpy as np
import pytest

from deepsound.audio import limits
from deepsound.audio.containers import detect_container
from deepsound.audio.decode import decode_audio
from deepsound.errors import (
    AudioEmptyError,
    AudioTimeoutError,
    AudioTooLongError,
    AudioUnreadableError,
    TrackError,
)
from tests.sounds import SECONDS, encode, write_pcm


def check_tone(content, *, container, sample_rate_hz, n_channels, tolerance, slack_s=0.1):
    audio = decode_audio(content, max_duration_s=60)
    assert (audio.container, audio.sample_rate_hz, audio.n_channels) == (container, sample_rate_hz, n_channels)
    assert audio.waveform.dtype == np.float32
    assert audio.duration_s == pytest.approx(SECONDS, abs=slack_s)
    # A second from the middle: its pitch, and the level of the mean of the channels.
    middle = audio.waveform[sample_rate_hz : 2 * sample_rate_hz].astype(np.float64)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440
    level = 0.5 * np.mean([1 / (i + 1) for i in range(n_channels)])
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(level, rel=tolerance)


@pytest.mark.parametrize(
    ("container", "codec", "name", "sample_rate_hz", "layout"),
    [
        ("ipod", "aac", "mp4", 44100, "stereo"),
        ("ipod", "aac", "mp4", 8000, "mono"),
        ("mp4", "aac", "mp4", 48000, "5.1"),
        ("ipod", "alac", "mp4", 96000, "stereo"),
        ("adts", "aac", "aac", 48000, "mono"),
        ("asf", "wmav2", "asf", 44100, "stereo"),
        ("webm", "libopus", "matroska", 48000, "stereo"),
        ("matroska", "aac", "matroska", 44100, "5.1"),
    ],
)
def test_what_ffmpeg_opens(container, codec, name, sample_rate_hz, layout):
    content = encode(container, codec, sample_rate_hz, layout)
    n_channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    # AAC keeps only the lowest octaves of the sixth channel, and 440 Hz is not among them.
    tolerance = 0.12 if n_channels == 6 else 0.05
    check_tone(content, container=name, sample_rate_hz=sample_rate_hz, n_channels=n_channels, tolerance=tolerance)


@pytest.mark.parametrize(
    ("container", "subtype", "sample_rate_hz", "n_channels"),
    [
        ("WAV", "PCM_U8", 8000, 1),
        ("WAV", "PCM_16", 44100, 2),
        ("WAV", "PCM_24", 96000, 6),
        ("WAV", "PCM_32", 48000, 2),
        ("WAV", "FLOAT", 192000, 1),
        ("WAVEX", "PCM_24", 48000, 6),
        ("AIFF", "PCM_24", 44100, 2),
        ("AU", "PCM_16", 22050, 1),
        ("FLAC", "PCM_24", 96000, 2),
        ("OGG", "VORBIS", 44100, 2),
        ("OGG", "OPUS", 48000, 2),
        ("MP3", "MPEG_LAYER_III", 44100, 2),
        ("CAF", "PCM_16", 44100, 2),
    ],
)
def test_what_libsndfile_opens(container, subtype, sample_rate_hz, n_channels):
    content = write_pcm(container, subtype, sample_rate_hz, n_channels)
    check_tone(
        content,
        container=container.lower(),
        sample_rate_hz=sample_rate_hz,
        n_channels=n_channels,
        tolerance=0.05 if subtype in ("VORBIS", "OPUS", "MPEG_LAYER_III") else 0.01,
    )


def test_an_id3_tag_before_adts_is_passed_over():
    adts = encode("adts", "aac", 48000, "mono")
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 2, 0]) + bytes(256)
    assert detect_container(tag + adts) == "aac"
    check_tone(tag + adts, container="aac", sample_rate_hz=48000, n_channels=1, tolerance=0.05)
    assert detect_container(tag + b"\xff\xfb\x90\x00" + bytes(20)) is None  # MP3


@pytest.mark.parametrize("content", [b"", b"RIFF", b"fLaC" + bytes(40), b"ID3" + bytes(3), b"\xff\xf1", b"text"])
def test_other_content_is_not_ffmpegs(content):
    assert detect_container(content) is None


@pytest.mark.parametrize("format_and_codec", [("ipod", "aac"), ("webm", "libopus"), ("asf", "wmav2")])
def test_longer_than_allowed_by_the_header(format_and_codec):
    with pytest.raises(AudioTooLongError, match=r"the header declares 3 s; max_duration_s is 2"):
        decode_audio(encode(*format_and_codec, sample_rate_hz=48000), max_duration_s=2)


def test_longer_than_allowed_without_a_header():
    with pytest.raises(AudioTooLongError, match="more than 96000 samples"):
        decode_audio(encode("adts", "aac", 48000), max_duration_s=2)


@pytest.mark.parametrize("content", [write_pcm("FLAC", "PCM_16", 44100, 1), encode("ipod", "aac")])
def test_a_decode_that_takes_too_long_is_given_up(content, monkeypatch):
    assert decode_audio(content, max_duration_s=60, timeout_s=60).duration_s > 2
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(limits.time, "monotonic", lambda: next(clock))
    with pytest.raises(AudioTimeoutError, match=r"more than decode_timeout_s = 4 s; it came to sample \d+"):
        decode_audio(content, max_duration_s=60, timeout_s=4)


def test_a_film_without_sound():
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as opened:
        stream = opened.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        opened.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        opened.mux(stream.encode(None))
    with pytest.raises(AudioEmptyError, match="holds no audio stream"):
        decode_audio(output.getvalue(), max_duration_s=60)


def test_a_header_and_nothing_behind_it():
    with pytest.raises(AudioUnreadableError, match=r"a known container \(mp4\)"):
        decode_audio(b"\0\0\0\x20ftypM4A " + bytes(200), max_duration_s=60)


@pytest.mark.parametrize(
    "format_and_codec", [("ipod", "aac"), ("adts", "aac"), ("asf", "wmav2"), ("webm", "libopus")]
)
def test_damage_is_a_track_error_or_music_never_anything_else(format_and_codec):
    content = encode(*format_and_codec, sample_rate_hz=48000)
    rng = np.random.default_rng(0)
    n_failed = 0
    for _ in range(40):
        damaged = bytearray(content[: rng.integers(1, len(content))] if rng.random() < 0.5 else content)
        for place in rng.integers(0, len(damaged), size=rng.integers(0, 30)):
            damaged[place] ^= 1 << rng.integers(8)
        try:
            audio = decode_audio(bytes(damaged), max_duration_s=60)
        except TrackError:
            n_failed += 1
        else:
            assert 0 < audio.duration_s <= 60
    assert n_failed > 0
