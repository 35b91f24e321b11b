"""Every container and codec that people have, against the waveform that was encoded."""

import contextlib
import io

import av
import numpy as np
import pytest

from deepsound.audio import limits
from deepsound.audio.containers import identify_container
from deepsound.audio.decode import decode_audio
from deepsound.audio.source import AudioSource
from deepsound.errors import (
    AudioEmptyError,
    AudioTimeoutError,
    AudioTooLongError,
    AudioUnreadableError,
    TrackError,
)
from tests.sounds import SECONDS, encode, make_id3v2, write_dsf, write_pcm


def decode(content, *, max_duration_s=60.0, **limits):
    return decode_audio(io.BytesIO(content), max_duration_s=max_duration_s, **limits)


def check_tone(content, *, container, sample_rate_hz, n_channels, tolerance, slack_s=0.1):
    audio = decode(content)
    found = audio.format
    assert (found.container, found.sample_rate_hz, found.n_channels) == (container, sample_rate_hz, n_channels)
    assert audio.waveform.dtype == np.float32
    assert audio.duration_s == pytest.approx(SECONDS, abs=slack_s)
    # A second from the middle: its pitch, and the level of the mean of the channels.
    middle = audio.waveform[sample_rate_hz : 2 * sample_rate_hz].astype(np.float64)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440
    level = 0.5 * np.mean([1 / (i + 1) for i in range(n_channels)])
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(level, rel=tolerance)


@pytest.mark.parametrize(
    ("container", "codec", "name", "sample_rate_hz", "layout", "more"),
    [
        ("ipod", "aac", "mp4", 44100, "stereo", {}),
        ("ipod", "aac", "mp4", 8000, "mono", {}),
        ("ipod", "aac", "mp4", 44100, "quad", {}),
        # Where the index stands: behind the sound (as above), before it, or in pieces between.
        ("ipod", "aac", "mp4", 44100, "stereo", {"options": {"movflags": "faststart"}}),
        ("mp4", "aac", "mp4", 44100, "stereo", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("mp4", "aac", "mp4", 44100, "stereo", {"picture_first": True}),
        ("mp4", "aac", "mp4", 48000, "5.1", {}),
        ("ipod", "alac", "mp4", 96000, "stereo", {}),
        ("adts", "aac", "aac", 48000, "mono", {}),
        ("asf", "wmav2", "asf", 44100, "stereo", {}),
        ("asf", "wmav1", "asf", 22050, "mono", {}),
        ("webm", "libopus", "matroska", 48000, "stereo", {}),
        ("matroska", "aac", "matroska", 44100, "5.1", {}),
        ("matroska", "flac", "matroska", 44100, "stereo", {"picture_first": True}),
        *(("mp4", codec, "mp4", 48000, "stereo", {}) for codec in ("flac", "ac3", "eac3", "libopus")),
        *(("matroska", codec, "matroska", 48000, "stereo", {}) for codec in ("tta", "alac", "ac3", "libmp3lame")),
        # What libsndfile refuses of its own containers.
        *(("wav", codec, "wav", 44100, "stereo", {}) for codec in ("adpcm_yamaha", "flac", "ac3", "wmav2")),
        *((name, codec, name, 44100, "stereo", {}) for name, codec in (("caf", "alac"), ("w64", "ac3"))),
        ("mov", "pcm_s16le", "mp4", 48000, "stereo", {}),
        *(("wv", "wavpack", "wv", rate_hz, "stereo", {}) for rate_hz in (8000, 44100, 192000)),
        ("wv", "wavpack", "wv", 44100, "hexadecagonal", {}),
        ("tta", "tta", "tta", 44100, "5.1", {}),
        *(("ac3", "ac3", "ac3", 48000, layout, {}) for layout in ("mono", "stereo", "5.1")),
        *(("eac3", "eac3", "eac3", 48000, layout, {}) for layout in ("stereo", "5.1")),
        ("ipod", "aac", "mp4", 48000, "7.1", {}),
        ("webm", "libopus", "matroska", 48000, "7.1", {}),
        *(("matroska", "pcm_s16le", "matroska", 48000, f"{n} channels", {}) for n in (7, 8, 9, 12, 16)),
        *(("matroska", "wavpack", "matroska", 48000, name, {}) for name in ("7.1", "7.1.4", "hexadecagonal")),
    ],
)
def test_what_ffmpeg_opens(container, codec, name, sample_rate_hz, layout, more):
    content = encode(container, codec, sample_rate_hz, layout, **more)
    n_channels = av.AudioLayout(layout).nb_channels
    # AAC keeps only the lowest octaves of the sixth channel, and 440 Hz is not among them.
    tolerance = 0.12 if n_channels >= 6 else 0.05
    check_tone(content, container=name, sample_rate_hz=sample_rate_hz, n_channels=n_channels, tolerance=tolerance)


def test_where_the_index_of_an_mp4_stands():
    behind = encode("ipod", "aac")
    before = encode("ipod", "aac", options={"movflags": "faststart"})
    assert behind.index(b"mdat") < behind.index(b"moov")
    assert before.index(b"moov") < before.index(b"mdat")
    np.testing.assert_array_equal(decode(behind).waveform, decode(before).waveform)


def test_amr():
    # A codec for speech: its level of a tone is not that of the tone.
    audio = decode(encode("amr", "libopencore_amrnb", 8000, "mono"))
    assert (audio.format.container, audio.format.sample_rate_hz, audio.format.n_channels) == ("amr", 8000, 1)
    assert audio.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert np.argmax(np.abs(np.fft.rfft(audio.waveform[8000:16000]))) == 440


@pytest.mark.parametrize("n_channels", [1, 2])
def test_dsd(n_channels):
    # One bit at 2.8 MHz, which FFmpeg filters to an eighth of that rate.
    content = write_dsf(n_channels)
    check_tone(content, container="dsf", sample_rate_hz=352800, n_channels=n_channels, tolerance=0.05)


@pytest.mark.parametrize(
    ("magic", "demuxer"),
    [
        *((b"MAC \x96\x0f", "ape"), (b"MP+\x07", "mpc"), (b"MPCKSH", "mpc8"), (b"tBaK", "tak")),
        *((b"FRM8", "iff"), (b"\x7f\xfe\x80\x01", "dts"), (b"#!AMR-WB\n", "amr")),
    ],
)
@pytest.mark.parametrize("tags", [b"", make_id3v2(50)])
def test_what_nothing_here_encodes_is_given_to_its_decoder(magic, demuxer, tags):
    assert demuxer in av.formats_available
    content = tags + magic.ljust(500, b"\1")
    source = AudioSource(io.BytesIO(content), limits=limits.DecodeLimits(max_duration_s=60, timeout_s=60))
    found = identify_container(source)
    assert (found.demuxer, found.by_sndfile, found.first_byte) == (demuxer, False, len(tags))
    with contextlib.suppress(TrackError):
        decode(content)


_RATES_HZ = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000)


@pytest.mark.parametrize(
    ("container", "subtype", "sample_rate_hz", "n_channels"),
    [
        *(("WAV", "PCM_16", rate_hz, 1 + i % 6) for i, rate_hz in enumerate(_RATES_HZ)),
        *(("WAV", subtype, 16000, 2) for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        *(("WAVEX", subtype, 48000, 6) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        *(("WAV", subtype, 8000, 1) for subtype in ("ULAW", "ALAW", "MS_ADPCM", "IMA_ADPCM")),
        *((container, "PCM_16", 44100, 2) for container in ("RF64", "W64", "CAF")),
        *(("AIFF", subtype, 44100, 2) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        *(("AU", subtype, 22050, 1) for subtype in ("PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW")),
        *(("FLAC", subtype, 96000, n) for subtype, n in (("PCM_S8", 1), ("PCM_16", 6), ("PCM_24", 2))),
        *(("OGG", "VORBIS", rate_hz, n) for rate_hz, n in ((8000, 1), (44100, 2), (48000, 6), (192000, 1))),
        *(("OGG", "OPUS", rate_hz, n) for rate_hz, n in ((48000, 1), (48000, 2), (48000, 6))),
        *(("MP3", "MPEG_LAYER_III", rate_hz, n) for rate_hz, n in ((8000, 1), (22050, 2), (44100, 1), (48000, 2))),
    ],
)
def test_what_libsndfile_opens(container, subtype, sample_rate_hz, n_channels):
    content = write_pcm(container, subtype, sample_rate_hz, n_channels)
    is_lossy = subtype in ("VORBIS", "OPUS", "MPEG_LAYER_III", "MS_ADPCM", "IMA_ADPCM")
    # Vorbis and Opus, too, keep only the lowest octaves of the sixth channel.
    lossy_tolerance = 0.12 if n_channels >= 6 else 0.05
    check_tone(
        content,
        container=container.lower(),
        sample_rate_hz=sample_rate_hz,
        n_channels=n_channels,
        tolerance=lossy_tolerance if is_lossy else 0.02,
    )


def test_an_id3_tag_before_adts_is_passed_over():
    adts = encode("adts", "aac", 48000, "mono")
    check_tone(make_id3v2(256) + adts, container="aac", sample_rate_hz=48000, n_channels=1, tolerance=0.05)


@pytest.mark.parametrize(
    "format_and_codec",
    [("ipod", "aac"), ("webm", "libopus"), ("asf", "wmav2"), ("wav", "flac"), ("flac", "flac"), ("tta", "tta")],
)
def test_longer_than_allowed_by_the_header(format_and_codec):
    with pytest.raises(AudioTooLongError, match=r"the header declares 3 s; max_duration_s is 2"):
        decode(encode(*format_and_codec, sample_rate_hz=48000), max_duration_s=2)


def test_longer_than_allowed_without_a_header():
    with pytest.raises(AudioTooLongError, match="goes on past max_duration_s = 2 s"):
        decode(encode("adts", "aac", 48000), max_duration_s=2)


@pytest.mark.parametrize("content", [write_pcm("FLAC", "PCM_16", 44100, 1), encode("ipod", "aac")])
def test_a_decode_that_takes_too_long_is_given_up(content, monkeypatch):
    assert decode(content, timeout_s=60).duration_s > 2
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(limits.time, "monotonic", lambda: next(clock))
    with pytest.raises(AudioTimeoutError, match=r"more than decode_timeout_s = 4 s; it came to sample \d+"):
        decode(content, timeout_s=4)


def test_a_film_without_sound():
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as opened:
        stream = opened.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        opened.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        opened.mux(stream.encode(None))
    with pytest.raises(AudioEmptyError, match="holds no audio stream"):
        decode(output.getvalue())


def test_a_header_and_nothing_behind_it():
    with pytest.raises(AudioUnreadableError, match=r"a known container \(mp4\)"):
        decode(b"\0\0\0\x20ftypM4A " + bytes(200))


@pytest.mark.parametrize(
    "format_and_codec",
    [
        *(("ipod", "aac"), ("adts", "aac"), ("asf", "wmav2"), ("webm", "libopus"), ("flac", "flac")),
        *(("ogg", "flac"), ("wv", "wavpack"), ("tta", "tta"), ("ac3", "ac3")),
    ],
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
            audio = decode(bytes(damaged))
        except TrackError:
            n_failed += 1
        else:
            assert 0 < audio.duration_s <= 60
    assert n_failed > 0
