import librosa
import numpy as np
import pytest

from deepsound.audio.mel import hz_to_mel, mel_to_hz, slaney_mel_filterbank
from deepsound.errors import ParameterError


@pytest.mark.parametrize(("rate_hz", "fft", "n_mels"), [(22050, 2048, 128), (16000, 512, 96)])
def test_filterbank_equals_librosa(rate_hz, fft, n_mels):
    got = slaney_mel_filterbank(sample_rate_hz=rate_hz, fft_samples=fft, n_mels=n_mels)
    expected = librosa.filters.mel(sr=rate_hz, n_fft=fft, n_mels=n_mels)
    np.testing.assert_allclose(got, expected, atol=1e-7)


def test_mels_and_back():
    hz = np.array([0.0, 500.0, 1000.0, 4000.0, 11025.0])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz)
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz))


def test_too_many_bands():
    with pytest.raises(ParameterError, match="a band holds no bin"):
        slaney_mel_filterbank(sample_rate_hz=22050, fft_samples=256, n_mels=128)
