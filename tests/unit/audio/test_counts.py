"""Headers that count fewer samples than there are, or in other units."""

import io
import struct

import av
import numpy as np
import pytest
import soundfile

from deepsound.audio.decode import decode_audio
from deepsound.errors import AudioEmptyError, AudioUnreadableError
from tests.lies import put, with_checksum
from tests.sounds import encode, make_id3v2, write_flac, write_pcm

RATE_HZ = 16000


def decode(content):
    return decode_audio(io.BytesIO(content), max_duration_s=60)


def count_by_ffmpeg(content, demuxer):
    with av.open(io.BytesIO(content), format=demuxer) as opened:
        return sum(frame.samples for frame in opened.decode(audio=0))


def make_noise(bits, n_samples=10_000):
    return np.random.default_rng(0).integers(-(1 << bits - 1), 1 << bits - 1, n_samples)


@pytest.mark.parametrize("bits", [8, 12, 15, 16, 20, 24, 32])
@pytest.mark.parametrize("n_declared", [None, 0, 5000])
def test_a_flac_of_any_width_is_whole_whatever_its_header_counts(bits, n_declared):
    noise = make_noise(bits)
    flac = write_flac(noise, bits=bits, sample_rate_hz=RATE_HZ, n_declared=n_declared)
    audio = decode(flac)
    assert (audio.format.container, audio.format.sample_rate_hz) == ("flac", RATE_HZ)
    assert len(audio.waveform) == len(noise) == count_by_ffmpeg(flac, "flac")
    np.testing.assert_allclose(audio.waveform, noise / (1 << bits - 1), atol=1e-7)


def test_a_flac_with_damage_or_without_its_end_is_unreadable():
    flac = write_flac(make_noise(16, 60_000), bits=16, sample_rate_hz=RATE_HZ)
    middle = len(flac) // 2
    for damaged in (flac[:middle], flac[:middle] + bytes([flac[middle] ^ 4]) + flac[middle + 1 :]):
        with pytest.raises(AudioUnreadableError, match="damaged"):
            decode(damaged)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_opus_is_of_48_khz_whatever_its_header_names(rate_hz, layout):
    opus = encode("ogg", "libopus", 48000, layout)
    page = opus[: opus.index(b"OggS", 1)]
    renamed = with_checksum(put(page, page.index(b"OpusHead") + 12, "<I", rate_hz)) + opus[len(page) :]
    audio = decode(renamed)
    assert audio.format == decode(opus).format
    assert audio.format.sample_rate_hz == 48000
    np.testing.assert_allclose(audio.waveform, decode(opus).waveform, atol=1e-3)


@pytest.mark.parametrize(("riff_size", "data_size"), [(0, 0), (36, 0), (0xFFFFFFFF, 0xFFFFFFFF)])
@pytest.mark.parametrize("tags", [b"", make_id3v2(100)])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_a_recording_that_was_interrupted(riff_size, data_size, tags, subtype):
    wav = write_pcm("WAV", subtype, RATE_HZ, 2)
    place = wav.index(b"data")
    riff_size = riff_size and max(riff_size, place)
    interrupted = put(put(wav, 4, "<I", riff_size), place + 4, "<I", data_size)
    np.testing.assert_allclose(decode(tags + interrupted).waveform, decode(wav).waveform, atol=1e-7)


def test_a_wav_without_samples_is_empty_whatever_follows():
    wav = write_pcm("WAV", "PCM_16", RATE_HZ, 1)[:40] + bytes(4)
    tags = b"LIST" + struct.pack("<I", 20) + b"INFOIGNR\x08\0\0\0Rock\0\0\0\0"
    for content in (put(wav, 4, "<I", 0), put(wav, 4, "<I", 36), put(wav, 4, "<I", 64) + tags):
        with pytest.raises(AudioEmptyError):
            decode(content)


def test_opus_is_decoded_as_its_reference_decodes_it():
    """By libsndfile, which has libopus; FFmpeg's own decoder is off by a hundred times as much."""
    content = write_pcm("OGG", "OPUS", 48000, 2)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    np.testing.assert_allclose(decode(content).waveform, expected.mean(axis=1), atol=1e-6)
