"""A track too long to be held gives the numbers of one that is, in little memory; failures on the way are rows."""

import io
import pathlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from deepsound.audio.signal import fit_to_rate
from deepsound.config import ExtractSettings
from deepsound.features.mfcc import MfccExtractor
from deepsound.features.track import extract_track
from tests.sounds import BrokenFile, encode, without_xing, write_long, write_pcm

RATE_HZ = 16000


def extract(file, *, kept_samples, **settings):
    return extract_track(
        file, extractors=[MfccExtractor()], settings=ExtractSettings(**settings), kept_samples=kept_samples
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: write_pcm("WAV", "PCM_16", RATE_HZ, 2, seconds=17.3),
        lambda: write_pcm("FLAC", "PCM_16", RATE_HZ, 1, seconds=17.3),
        lambda: write_pcm("MP3", "MPEG_LAYER_III", RATE_HZ, 1, seconds=17.3),
        lambda: without_xing(write_pcm("MP3", "MPEG_LAYER_III", 44100, 1, seconds=17.3)),
        lambda: write_pcm("OGG", "VORBIS", RATE_HZ, 1, seconds=17.3),
        lambda: encode("ipod", "aac", RATE_HZ, "mono", seconds=17.3),
        lambda: encode("asf", "wmav2", 44100, seconds=17.3),
    ],
)
@pytest.mark.parametrize(
    "settings",
    [
        {"segment_s": 5.0},  # 17.3 s: a last segment that ends at the track's end
        {"segment_s": 6.0},  # none
        {"segment_s": 5.0, "segment_hop_s": 1.7},  # overlapping
        {"segment_s": 2.0, "segment_hop_s": 7.0},  # gaps between
        {"segment_s": 30.0},  # zero-padded
        {"segment_s": 5.0, "normalize": "rms"},
        {"segment_s": 5.0, "normalize": "none"},
    ],
)
def test_decoded_twice_equals_held_to_the_bit(make, settings):
    content = make()
    held = extract(io.BytesIO(content), kept_samples=1 << 30, **settings)
    twice = extract(io.BytesIO(content), kept_samples=0, **settings)
    assert held.failure is None
    assert (held.facts, held.failure) == (twice.facts, twice.failure)
    assert [segment.span for segment in held.segments] == [segment.span for segment in twice.segments]
    for ours, theirs in zip(held.segments, twice.segments, strict=True):
        np.testing.assert_array_equal(ours.arrays["mfcc"], theirs.arrays["mfcc"])


def test_segments_are_those_of_the_whole_waveform(tmp_path):
    """Against a plain reading of the whole file, cut and scaled by hand."""
    path = write_long(tmp_path / "x.wav", container="WAV", subtype="FLOAT", sample_rate_hz=RATE_HZ, seconds=100)
    waveform, _ = soundfile.read(path, dtype="float32")
    with path.open("rb") as file:
        outcome = extract(file, kept_samples=0, segment_s=15.0)
    starts = [0, 15, 30, 45, 60, 75, 85]
    assert [segment.span.start_s for segment in outcome.segments] == starts
    for start, segment in zip(starts, outcome.segments, strict=True):
        part = waveform[start * RATE_HZ : (start + 15) * RATE_HZ] / np.abs(waveform).max()
        at_22k = fit_to_rate(part, sample_rate_hz=RATE_HZ, target_rate_hz=22050, duration_s=15.0)
        np.testing.assert_array_equal(segment.arrays["mfcc"], MfccExtractor().compute(at_22k))


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = {}
    for minutes in (1, 10):
        path = write_long(
            tmp_path / f"{minutes}.wav",
            container="WAV",
            subtype="PCM_16",
            sample_rate_hz=RATE_HZ,
            seconds=60 * minutes,
        )
        with path.open("rb") as file:
            tracemalloc.start()  # NumPy's arrays are counted, too
            try:
                outcome = extract(file, kept_samples=0)
                features = sum(segment.arrays["mfcc"].nbytes for segment in outcome.segments)
                peaks[minutes] = tracemalloc.get_traced_memory()[1] - features
            finally:
                tracemalloc.stop()
        assert len(outcome.segments) == 6 * minutes
    # Ten minutes are 38 MB of samples.
    assert peaks[10] < peaks[1] + 1_000_000


def test_a_short_track_is_decoded_once(monkeypatch):
    opened = []
    monkeypatch.setattr(
        soundfile, "SoundFile", lambda *args, _make=soundfile.SoundFile: opened.append(args) or _make(*args)
    )
    content = write_pcm("WAV", "PCM_16", RATE_HZ, 1)
    for kept_samples, n_more in ((1 << 20, 1), (0, 2)):
        n_before = len(opened)
        assert extract(io.BytesIO(content), kept_samples=kept_samples).failure is None
        assert len(opened) == n_before + n_more


# For the digest, then for what container it is: the decoder's first read fails.
_OPENING = 3


@pytest.mark.parametrize(("healthy_reads", "has_digest"), [(0, False), (_OPENING, True), (8, True)])
@pytest.mark.parametrize(
    "make",
    [
        lambda: write_pcm("WAV", "PCM_16", 48000, 2),
        lambda: write_pcm("FLAC", "PCM_16", 48000, 2, seconds=30),
        lambda: encode("ipod", "alac", 48000),
        lambda: encode("adts", "aac", 48000, seconds=30),
        lambda: encode("asf", "wmav2", 48000, seconds=30),
    ],
)
def test_a_storage_that_fails_is_told_from_a_damaged_file(healthy_reads, has_digest, make):
    content = make()
    first_bad = 0 if healthy_reads == _OPENING else len(content) // 2
    file = BrokenFile(content, first_bad=first_bad, healthy_reads=healthy_reads)
    outcome = extract(file, kept_samples=1 << 30)
    assert (outcome.failure.error_code, outcome.failure.error_stage) == ("unreadable", "read")
    assert outcome.failure.error_detail == "the storage does not give the bytes: the disk is on fire"
    assert (outcome.facts.content_sha256 is not None) is has_digest
    assert outcome.segments == []


def test_a_storage_that_fails_in_the_second_pass():
    content = write_pcm("WAV", "PCM_16", 48000, 2, seconds=12)
    n_reads = []

    class Counting(io.BytesIO):
        def read(self, n_bytes=-1):
            n_reads.append(n_bytes)
            return super().read(n_bytes)

    assert extract(Counting(content), kept_samples=1 << 30, segment_s=1.0).failure is None
    file = BrokenFile(content, first_bad=len(content) // 2, healthy_reads=len(n_reads) + 20)
    outcome = extract(file, kept_samples=0, segment_s=1.0)
    assert (outcome.failure.error_code, outcome.failure.error_stage) == ("unreadable", "read")
    assert outcome.segments == []
    assert outcome.facts.duration_s == 12


def test_a_file_that_changes_between_the_passes():
    content = write_pcm("WAV", "PCM_16", RATE_HZ, 1, seconds=4)

    class Changing(io.BytesIO):
        n_read = 0

        def read(self, n_bytes=-1):
            data = super().read(n_bytes)
            self.n_read += len(data)
            # Once for the digest, once for the first pass.
            return data[:-2] + b"\x11\x22" if self.n_read > 2.5 * len(content) else data

    outcome = extract(Changing(content), kept_samples=0, segment_s=1.0)
    assert (outcome.failure.error_code, outcome.failure.error_stage) == ("unreadable", "decode")
    assert "did it change?" in outcome.failure.error_detail
    assert outcome.segments == []


def test_a_file_larger_than_allowed_is_not_read():
    outcome = extract(BrokenFile(bytes(2000), first_bad=0), kept_samples=0, max_bytes=1999)
    assert (outcome.failure.error_code, outcome.failure.error_stage) == ("too_large", "read")


_PEAK = """
import pathlib, sys
from deepsound.audio.signal import fit_to_rate
from deepsound.config import ExtractSettings
from deepsound.features.mfcc import MfccExtractor
from deepsound.features.track import extract_track
with open(sys.argv[1], "rb") as file:
    outcome = extract_track(file, extractors=[MfccExtractor()], settings=ExtractSettings())
# Not getrusage: a child's ru_maxrss begins with what its parent had when it forked.
status = pathlib.Path("/proc/self/status").read_text().splitlines()
print(outcome.failure, len(outcome.segments), next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def extract_in_a_process(path):
    """Failure, number of segments, and peak resident memory in MB, of a fresh process."""
    root = pathlib.Path(__file__).resolve().parents[3]
    said = subprocess.run(
        [sys.executable, "-c", _PEAK, path], cwd=root, capture_output=True, check=True, text=True
    )
    failure, n_segments, peak_kib = said.stdout.split()
    return failure, int(n_segments), int(peak_kib) * 1024 / 1e6


@pytest.mark.soak
def test_three_hours_take_the_memory_of_thirty_seconds(tmp_path):
    clip = write_long(tmp_path / "clip.wav", container="WAV", subtype="PCM_16", sample_rate_hz=RATE_HZ, seconds=30)
    failure, n_segments, clip_mb = extract_in_a_process(clip)
    assert (failure, n_segments) == ("None", 3)
    for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")):
        path = write_long(
            tmp_path / container, container=container, subtype=subtype, sample_rate_hz=RATE_HZ, seconds=3 * 3600
        )
        failure, n_segments, mix_mb = extract_in_a_process(path)
        path.unlink()
        assert (failure, n_segments) == ("None", 1080)
        print(f"{container}: {mix_mb:.0f} MB, a clip {clip_mb:.0f} MB")
        assert mix_mb - clip_mb <= 300
