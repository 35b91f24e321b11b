"""What VGGish listens to: patches of a log-mel spectrogram.

Source: tensorflow/models research/audioset/vggish, vggish_params.py and vggish_input.py. Not librosa's defaults
(Slaney mels, power, centred frames): those are up to 3.4 nats apart on a sine, and a frame more or less.
"""

import numpy as np

from deepsound.audio.spectrogram import compute_htk_mel_magnitude, cut_patches

SAMPLE_RATE_HZ = 16000
PATCH_FRAMES = 96
N_MELS = 64
# 25 ms windows every 10 ms; the FFT is the next power of two.
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
FMIN_HZ = 125.0
FMAX_HZ = 7500.0
LOG_OFFSET = 0.01
# So that what a batch takes inside the network stays below 100 MB, whatever the length of a segment.
_MAX_PATCHES = 16
# 96 frames and what the last window reaches beyond its hop.
MIN_SAMPLES = WINDOW_SAMPLES + (PATCH_FRAMES - 1) * HOP_SAMPLES


def count_vggish_patches(n_samples: int) -> int:
    """How many whole patches there are in so many samples at 16 kHz."""
    n_frames = 1 + (n_samples - WINDOW_SAMPLES) // HOP_SAMPLES
    return max(0, n_frames // PATCH_FRAMES)


def compute_vggish_patches(waveform: np.ndarray) -> np.ndarray:
    """Log-mel patches of 0.96 s, without overlap.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        At 16 kHz; a patch needs 15,600 samples.

    Returns
    -------
    np.ndarray [shape=(n_patches, 96, 64), float32, natural log of magnitude + 0.01]

    Raises
    ------
    ParameterError
        If the waveform is not one-dimensional or shorter than one window.
    """
    mel = compute_htk_mel_magnitude(
        waveform,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_samples=WINDOW_SAMPLES,
        hop_samples=HOP_SAMPLES,
        fft_samples=FFT_SAMPLES,
        n_mels=N_MELS,
        fmin_hz=FMIN_HZ,
        fmax_hz=FMAX_HZ,
    )
    return cut_patches(np.log(mel + np.float32(LOG_OFFSET)), patch_frames=PATCH_FRAMES, hop_frames=PATCH_FRAMES)


def cut_batches(patches: np.ndarray, *, max_patches: int = _MAX_PATCHES) -> list[np.ndarray]:
    """Patches in batches of so many at most."""
    return [patches[first : first + max_patches] for first in range(0, len(patches), max_patches)]
