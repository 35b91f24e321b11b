"""A header that lies neither makes a decoder work nor makes it take memory."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from deepsound.audio.decode import decode_audio
from deepsound.config import ExtractSettings
from deepsound.features.mfcc import MfccExtractor
from deepsound.features.track import extract_track
from tests.lies import make_beheaded, make_liars
from tests.sounds import write_samples

LIARS = make_liars()
SETTINGS = ExtractSettings(segment_s=1.0, max_duration_s=14400.0)


def extract(content):
    return extract_track(io.BytesIO(content), extractors=[MfccExtractor()], settings=SETTINGS)


@pytest.mark.parametrize("name", LIARS)
def test_a_lying_header(name, monkeypatch):
    content, code = LIARS[name]
    if code == "too_long":
        monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("a sample was decoded"))
    extract(content)  # what stays: imports, filter banks
    tracemalloc.start()
    try:
        outcome = extract(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (outcome.failure and outcome.failure.error_code) == code, outcome.failure
    # Three seconds, all channels, as decoded, and their features.
    assert peak < 12_000_000
    if code == "too_long":
        assert "the header declares" in outcome.failure.error_detail
        assert peak < 1_000_000
        assert outcome.facts.duration_s is None
    if code is None:
        assert outcome.facts.duration_s == pytest.approx(3, abs=0.1)


def test_a_thousand_channels_are_decoded_in_small_pieces():
    content = write_samples(np.zeros((16000, 1024), np.float32), "WAV", "PCM_U8", 8000)
    file = io.BytesIO(content)
    tracemalloc.start()
    try:
        assert decode_audio(file, max_duration_s=60).duration_s == 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # At once, they would be 66 MB.
    assert peak < 20_000_000


@pytest.mark.parametrize("name", make_beheaded())
def test_a_wav_behind_a_header_of_garbage_is_unreadable(name):
    outcome = extract(make_beheaded()[name])
    assert (outcome.failure.error_code, outcome.failure.error_stage) == ("unreadable", "decode")
    assert "its content is damaged" in outcome.failure.error_detail
