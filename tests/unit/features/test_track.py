import io
import re

import numpy as np
import pytest
import soundfile

from deepsound.config import ExtractSettings
from deepsound.errors import AudioTimeoutError
from deepsound.features.fingerprint import declare_features, fingerprint_of
from deepsound.features.mfcc import MfccExtractor
from deepsound.features.track import TrackFacts, TrackFailure, extract_track, failed_track, unread_track
from tests import sounds

SETTINGS = ExtractSettings(segment_s=1.0, max_duration_s=5.0)


def wav(samples, rate_hz=16000, subtype="FLOAT"):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format="WAV", subtype=subtype)
    return stream.getvalue()


def extract(content, *, extractor=None, settings=SETTINGS):
    return extract_track(io.BytesIO(content), extractors=[extractor or MfccExtractor()], settings=settings)


def noise(n):
    return np.random.default_rng(0).uniform(-0.3, 0.3, n).astype(np.float32)


@pytest.mark.parametrize(
    ("content", "stage", "code"),
    [
        (b"", "decode", "empty"),
        (b"just words", "decode", "unsupported_format"),
        (b"RIFF\x00\x00\x00\x00WAVEjunk", "decode", "unreadable"),
        (wav(np.zeros(0, np.float32)), "decode", "empty"),
        (wav(noise(16000 * 6)), "decode", "too_long"),
        (wav(noise(1600)), "signal", "too_short"),
        (wav(np.zeros(16000, np.float32)), "signal", "silent"),
        (wav(np.r_[noise(16000), np.float32("nan")]), "signal", "not_finite"),
    ],
    # Not the content, in which a time may stand: tests that run side by side must agree on what they are called.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_bad_file_is_a_failure_with_stage_and_code(content, stage, code):
    outcome = extract(content)
    assert (outcome.failure.error_stage, outcome.failure.error_code) == (stage, code)
    assert outcome.failure.error_detail
    assert outcome.segments == []
    assert len(outcome.facts.content_sha256) == 64


def test_a_good_file():
    outcome = extract(wav(noise(16000 * 2 + 8000)))
    assert outcome.failure is None
    assert [s.span.start_s for s in outcome.segments] == [0.0, 1.0, 1.5]
    assert all(s.arrays["mfcc"].shape == (44, 13) for s in outcome.segments)
    assert (outcome.facts.sample_rate_hz, outcome.facts.container) == (16000, "wav")


def test_stereo_is_the_mean_of_its_channels():
    left, right = noise(20000), np.roll(noise(20000), 77)
    both = extract(wav(np.stack([left, right], 1)))
    mono = extract(wav((left + right) / 2))
    np.testing.assert_allclose(both.segments[0].arrays["mfcc"], mono.segments[0].arrays["mfcc"], atol=1e-3)
    assert both.facts.n_channels == 2


def cancelling(*_, **__):
    return np.stack([noise(3 * 44100), -noise(3 * 44100)])


@pytest.mark.parametrize("container", ["wav", "mp4"])
def test_channels_that_cancel_out_are_not_called_silent(container, monkeypatch):
    if container == "wav":
        content = wav(cancelling().T, 44100)
    else:  # through FFmpeg
        monkeypatch.setattr(sounds, "make_tone", cancelling)
        content = sounds.encode("mp4", "alac")
    failure = extract(content).failure
    assert (failure.error_stage, failure.error_code) == ("signal", "silent")
    told = (
        r"the channels cancel out: the largest sample of one is 0.3 of full scale, of their mean [\d.e-]+; is the"
    )
    assert re.match(told, failure.error_detail)
    quiet = extract(wav(np.zeros((16000, 2), np.float32))).failure
    assert quiet.error_detail.startswith("the largest sample is 0")


def test_an_unforeseen_error_is_internal_and_named():
    class Broken(MfccExtractor):
        def compute(self, waveform):  # noqa: ARG002
            raise ZeroDivisionError("oops")

    outcome = extract(wav(noise(16000)), extractor=Broken())
    assert outcome.failure.error_code == "internal"
    assert outcome.failure.error_stage == "features"
    assert "ZeroDivisionError: oops" in outcome.failure.error_detail


@pytest.mark.parametrize(("size", "code"), [(0, "empty"), (11, "too_large"), (10, "unreadable")])
def test_unread(size, code):
    assert unread_track(size, max_bytes=10).failure.error_code == code


def test_a_failure_that_a_trial_found():
    outcome = failed_track(AudioTimeoutError("the decoder\nhung"), stage="decode")
    assert outcome.failure == TrackFailure(
        error_code="timeout", error_stage="decode", error_detail="the decoder hung"
    )
    assert outcome.segments == []
    assert outcome.facts == TrackFacts()


def test_fingerprint_changes_with_what_changes_numbers():
    def fingerprint(**changes):
        settings = ExtractSettings(**changes)
        return fingerprint_of(declare_features([MfccExtractor()], settings=settings))

    base = fingerprint()
    for change in ({"segment_s": 5.0}, {"segment_hop_s": 5.0}, {"normalize": "rms"}, {"min_duration_s": 2.0}):
        assert fingerprint(**change) != base
    assert fingerprint(max_bytes=7) == base
    other = fingerprint_of(declare_features([MfccExtractor(n_mfcc=20)], settings=ExtractSettings()))
    assert other != base
