import numpy as np
import pytest

from deepsound.audio import spectrogram
from deepsound.audio.spectrogram import compute_htk_mel_magnitude, compute_mel_power


@pytest.mark.parametrize("n_samples", [1, 2048, 40 * 512, 220_500])
def test_the_blocks_of_a_spectrogram_do_not_show(n_samples, monkeypatch):
    waveform = np.random.default_rng(0).normal(size=n_samples).astype(np.float32)

    def compute():
        power = compute_mel_power(waveform, sample_rate_hz=22050, fft_samples=2048, hop_samples=512, n_mels=128)
        if n_samples < 400:
            return power, power
        return power, compute_htk_mel_magnitude(
            waveform, sample_rate_hz=16000, window_samples=400, hop_samples=160, fft_samples=512, n_mels=64,
            fmin_hz=125.0, fmax_hz=7500.0,
        )  # fmt: skip

    in_blocks = compute()
    monkeypatch.setattr(spectrogram, "_SAMPLES_AT_ONCE", 1 << 40)
    for got, expected in zip(in_blocks, compute(), strict=True):
        np.testing.assert_array_equal(got, expected)
