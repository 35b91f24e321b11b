"""What MusiCNN listens to: stretches of a log-mel spectrogram, which it takes in patches that overlap.

Source: the package musicnn 0.1.0, configuration.py and extractor.py: batch_data. The package rounds the
spectrogram to half precision on the way; here it stays in float32.
"""

import numpy as np

from deepsound.audio.spectrogram import compute_mel_power

SAMPLE_RATE_HZ = 16000
PATCH_FRAMES = 187
# Half a patch: each moment but the first and last is heard twice.
HOP_FRAMES = 93
N_MELS = 96
FFT_SAMPLES = 512
HOP_SAMPLES = 256
# So that what a stretch takes inside the network stays below 100 MB, whatever the length of a segment.
_MAX_PATCHES = 16
MIN_SAMPLES = (PATCH_FRAMES - 1) * HOP_SAMPLES


def count_musicnn_patches(n_samples: int) -> int:
    """How many patches there are in so many samples at 16 kHz."""
    return _count_patches(1 + n_samples // HOP_SAMPLES)


def compute_musicnn_log_mel(waveform: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram of a waveform at 16 kHz, of which the patches are cut.

    Returns
    -------
    np.ndarray [shape=(1 + n_samples // 256, 96), float32, log10(1 + 10000 power)]

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
    log_mel: np.ndarray = np.log10(1 + 10000 * mel_power).astype(np.float32, copy=False)
    return log_mel


def cut_stretches(log_mel: np.ndarray, *, max_patches: int = _MAX_PATCHES) -> list[np.ndarray]:
    """Stretches of ``max_patches`` whole patches, the last of fewer; the frames behind the last patch are dropped.

    Returns
    -------
    list of np.ndarray [shape=(187 + 93 * (n_patches - 1), 96), float32]
    """
    n_patches = _count_patches(len(log_mel))
    stretches = []
    for first in range(0, n_patches, max_patches):
        last = min(first + max_patches, n_patches) - 1
        stretches.append(log_mel[first * HOP_FRAMES : last * HOP_FRAMES + PATCH_FRAMES])
    return stretches


def _count_patches(n_frames: int) -> int:
    return max(0, 1 + (n_frames - PATCH_FRAMES) // HOP_FRAMES)
