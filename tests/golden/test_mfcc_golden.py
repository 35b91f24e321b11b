"""MFCCs against librosa: stored numbers, and live on decoded and segmented audio."""

import io
import pathlib

import librosa
import numpy as np
import pytest
import soundfile

from deepsound.config import ExtractSettings
from deepsound.features.mfcc import MfccExtractor
from deepsound.features.track import extract_track

GOLDEN = np.load(pathlib.Path(__file__).parent / "mfcc.npz", allow_pickle=False)


@pytest.mark.parametrize("name", ["sine", "noise", "chirp", "quiet", "clicks"])
def test_mfcc_equals_the_stored_numbers(name):
    got = MfccExtractor().compute(GOLDEN[f"{name}__waveform"])
    np.testing.assert_allclose(got, GOLDEN[f"{name}__mfcc"], atol=1e-3)


def test_mfcc_of_segments_equals_librosa():
    rng = np.random.default_rng(4)
    samples = np.cumsum(rng.normal(size=22050 * 3)) * 1e-3 + 0.1 * rng.normal(size=22050 * 3)
    content = io.BytesIO()
    soundfile.write(content, np.clip(samples, -1, 1), 22050, format="WAV", subtype="FLOAT")
    outcome = extract_track(content, extractors=[MfccExtractor()], settings=ExtractSettings(segment_s=1.25))
    y = np.clip(samples, -1, 1).astype(np.float32)
    y = y / np.abs(y).max()
    assert len(outcome.segments) == 2
    for segment in outcome.segments:
        first = round(segment.span.start_s * 22050)
        part = y[first : first + round(1.25 * 22050)]
        expected = librosa.feature.mfcc(y=part, sr=22050, n_mfcc=13).T
        np.testing.assert_allclose(segment.arrays["mfcc"], expected, atol=1e-3)
