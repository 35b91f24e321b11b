"""What is decoded twice is the same to the bit as what is decoded once, or fails."""

import io
import math

import numpy as np
import pytest
import soundfile

from deepsound.audio import limits, stream
from deepsound.audio.decode import decode_audio
from deepsound.audio.limits import DecodeLimits
from deepsound.audio.passes import KEPT_SAMPLES, measure_audio, replay_audio
from deepsound.audio.source import AudioSource
from deepsound.audio.stream import BLOCK_SAMPLES, join_pieces
from deepsound.errors import AudioTimeoutError, AudioTooLongError, AudioUnreadableError
from tests.sounds import encode, make_id3v2, make_tone, with_unknown_length, without_xing, write_pcm, write_samples

# Each of several blocks.
SOUNDS = {
    "wav": lambda: write_pcm("WAV", "PCM_16", 48000, 2, seconds=12),
    "adpcm": lambda: write_pcm("WAV", "IMA_ADPCM", 48000, 1, seconds=12),
    "aiff": lambda: write_pcm("AIFF", "PCM_24", 48000, 1, seconds=12),
    "au": lambda: write_pcm("AU", "FLOAT", 48000, 6, seconds=12),
    "caf": lambda: write_pcm("CAF", "ALAC_16", 48000, 1, seconds=12),
    "flac": lambda: write_pcm("FLAC", "PCM_16", 48000, 2, seconds=12),
    "flac of unknown length": lambda: with_unknown_length(write_pcm("FLAC", "PCM_16", 48000, 1, seconds=12)),
    "vorbis": lambda: write_pcm("OGG", "VORBIS", 48000, 1, seconds=12),
    "opus": lambda: write_pcm("OGG", "OPUS", 48000, 1, seconds=12),
    "mp3": lambda: make_id3v2(99) + write_pcm("MP3", "MPEG_LAYER_III", 48000, 2, seconds=12),
    "mp3 without a count": lambda: without_xing(write_pcm("MP3", "MPEG_LAYER_III", 48000, 1, seconds=12)),
    "m4a": lambda: encode("ipod", "aac", 48000, seconds=12),
    "alac": lambda: encode("ipod", "alac", 48000, "mono", seconds=12),
    "aac": lambda: encode("adts", "aac", 48000, seconds=12),
    "wma": lambda: encode("asf", "wmav2", 48000, seconds=12),
    "webm": lambda: encode("webm", "libopus", 48000, seconds=12),
}


def make_source(file, *, max_duration_s=60.0, timeout_s=math.inf):
    return AudioSource(file, limits=DecodeLimits(max_duration_s=max_duration_s, timeout_s=timeout_s))


@pytest.mark.parametrize("kind", SOUNDS)
def test_two_passes_equal_one(kind):
    content = SOUNDS[kind]()
    held = make_source(io.BytesIO(content))
    once = measure_audio(held)
    again = make_source(io.BytesIO(content))
    twice = measure_audio(again, kept_samples=100_000)
    assert sum(map(len, once.kept)) == once.meter.n_samples > 2 * BLOCK_SAMPLES
    assert twice.kept is None
    assert (once.format, once.meter, once.duration_s) == (twice.format, twice.meter, twice.duration_s)
    blocks = list(replay_audio(again, twice))
    assert [len(block) for block in blocks] == [len(block) for block in once.kept]
    assert {len(block) for block in blocks[:-1]} == {BLOCK_SAMPLES}
    for held_block, block in zip(replay_audio(held, once), blocks, strict=True):
        np.testing.assert_array_equal(held_block, block)
    whole = decode_audio(io.BytesIO(content), max_duration_s=60).waveform
    np.testing.assert_array_equal(whole, np.concatenate(blocks))
    assert twice.meter.read(silence_dbfs=-90).peak == np.abs(whole).max()


def test_what_is_held_is_decided_by_what_was_decoded():
    # The header declares 7 s; 3 s are there.
    content = write_pcm("WAV", "PCM_16", 48000, 1, seconds=7)[: 44 + 2 * 3 * 48000]
    for kept_samples, is_kept in ((3 * 48000 - 1, False), (3 * 48000, True)):
        measured = measure_audio(make_source(io.BytesIO(content)), kept_samples=kept_samples)
        assert measured.meter.n_samples == 3 * 48000
        assert (measured.kept is not None) is is_kept
        if is_kept:
            assert sum(map(len, measured.kept)) == 3 * 48000


def test_a_quarter_of_an_hour_at_48_khz_is_held_and_what_is_held_is_bounded():
    bytes_a_sample = np.dtype(np.float32).itemsize
    assert 15 * 60 * 48000 <= KEPT_SAMPLES <= 200_000_000 / bytes_a_sample


class ChangingFile(io.BytesIO):
    """Gives other bytes from the second pass on: from when ``change`` is called."""

    def change(self, content):
        self.seek(0)
        self.truncate()
        self.write(content)


@pytest.mark.parametrize(
    "other",
    [
        write_pcm("WAV", "PCM_16", 8000, 1, seconds=3),
        write_pcm("WAV", "PCM_16", 8000, 1, seconds=5),
        write_pcm("WAV", "PCM_16", 8000, 2, seconds=4),
        write_pcm("WAV", "FLOAT", 8000, 1, seconds=4),
        write_samples(np.tile(make_tone(8000, 1, seconds=4), (2, 1)).T, "WAV", "PCM_16", 8000),
    ],
)
def test_a_file_that_changes_between_the_passes_is_unreadable(other):
    file = ChangingFile(write_pcm("WAV", "PCM_16", 8000, 1, seconds=4))
    measured = measure_audio(make_source(file), kept_samples=0)
    file.change(other)
    with pytest.raises(
        AudioUnreadableError, match=r"decoded twice, the file gave 32000 samples, then \d+, and not"
    ):
        list(replay_audio(make_source(file), measured))


def test_the_time_of_both_passes_counts_and_that_between_does_not(monkeypatch):
    seconds = 0.0

    def slow_read(self, *args, **options):
        nonlocal seconds
        seconds += 1.0
        return read(self, *args, **options)

    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", slow_read)
    monkeypatch.setattr(limits.time, "monotonic", lambda: seconds)
    content = write_pcm("WAV", "PCM_16", 48000, 1, seconds=12)  # three reads a pass, and one that finds the end
    source = make_source(io.BytesIO(content), timeout_s=7.5)
    measured = measure_audio(source, kept_samples=0)
    seconds += 1000.0
    replayed = replay_audio(source, measured)
    for _ in range(2):
        next(replayed)
        seconds += 1000.0
    with pytest.raises(AudioTimeoutError, match="it came to sample 576000"):
        next(replayed)


def test_longer_than_allowed_is_found_while_decoding():
    content = encode("adts", "aac", 48000)
    with pytest.raises(AudioTooLongError, match="goes on past max_duration_s = 2 s"):
        measure_audio(make_source(io.BytesIO(content), max_duration_s=2))


def test_pieces_of_any_length_become_equal_blocks(monkeypatch):
    monkeypatch.setattr(stream, "BLOCK_SAMPLES", 100)
    samples = np.arange(1234, dtype=np.float32)
    rng = np.random.default_rng(0)
    for _ in range(50):
        cuts = np.sort(rng.integers(0, 1235, size=rng.integers(0, 40)))
        blocks = list(join_pieces(np.split(samples, cuts)))
        assert [len(block) for block in blocks] == [100] * 12 + [34]
        np.testing.assert_array_equal(np.concatenate(blocks), samples)
    assert list(join_pieces([])) == []
    assert [len(block) for block in join_pieces([samples[:200]])] == [100, 100]
