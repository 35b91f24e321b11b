"""What MusiCNN listens to: overlapping patches of a log-mel spectrogram.

Source: the package musicnn 0.1.0, configuration.py and extractor.py: batch_data. The package rounds the
spectrogram to half precision on the way; here it stays in float32.
"""

import numpy as np

from deepsound.audio.spectrogram import compute_mel_power, cut_patches

SAMPLE_RATE_HZ = 16000
PATCH_FRAMES = 187
# Half a patch: each moment but the first and last is heard twice.
HOP_FRAMES = 93
N_MELS = 96
FFT_SAMPLES = 512
HOP_SAMPLES = 256
MIN_SAMPLES = (PATCH_FRAMES - 1) * HOP_SAMPLES


def count_musicnn_patches(n_samples: int) -> int:
    """How many patches there are in so many samples at 16 kHz."""
    n_frames = 1 + n_samples // HOP_SAMPLES
    return max(0, 1 + (n_frames - PATCH_FRAMES) // HOP_FRAMES)


def compute_musicnn_patches(waveform: np.ndarray) -> np.ndarray:
    """Log-mel patches of 3 s, every 1.5 s.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        At 16 kHz; a patch needs 47,616 samples.

    Returns
    -------
    np.ndarray [shape=(n_patches, 187, 96), float32, log10(1 + 10000 power)]

    Raises
    ------
    ParameterError
        If the waveform is not one-dimensional or empty.
    """
    mel_power = compute_mel_power(
        waveform,
        sample_rate_hz=SAMPLE_RATE_HZ,
        fft_samples=FFT_SAMPLES,
        hop_samples=HOP_SAMPLES,
        n_mels=N_MELS,
    )
    log_mel = np.log10(1 + 10000 * mel_power).astype(np.float32, copy=False)
    return cut_patches(log_mel, patch_frames=PATCH_FRAMES, hop_frames=HOP_FRAMES)
