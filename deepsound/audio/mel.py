"""Mel filterbanks, the two of them: Slaney's (MFCC, MusiCNN) and HTK's as VGGish uses it.

Slaney: M. Slaney, "Auditory Toolbox", Interval Research TR 1998-010: linear below 1 kHz (200/3 Hz a mel),
logarithmic above (6.4 = 27 steps), triangles straight in Hz, scaled to constant energy per band. Equals
librosa.filters.mel.

HTK: S. Young et al., "The HTK Book": 1127 ln(1 + f / 700) mels. VGGish (tensorflow/models
research/audioset/vggish, mel_features.py: spectrogram_to_mel_matrix) draws its triangles straight in mels, with
height 1. It also zeroes the bin at 0 Hz, which no triangle here reaches: the lowest one begins there at 0.
"""

import functools

import numpy as np

from deepsound.errors import ParameterError

_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency_hz: np.ndarray) -> np.ndarray:
    """Slaney mels of frequencies in Hz; same shape, float64."""
    frequency_hz = np.asarray(frequency_hz, dtype=np.float64)
    above = _BREAK_MEL + np.log(np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequency_hz < _BREAK_HZ, frequency_hz / _HZ_PER_MEL, above)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, above)


@functools.lru_cache(maxsize=8)
def slaney_mel_filterbank(*, sample_rate_hz: int, fft_samples: int, n_mels: int) -> np.ndarray:
    """Weights from power-spectrum bins to mel bands between 0 Hz and half the rate.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + fft_samples // 2), float32, read-only]

    Raises
    ------
    ParameterError
        If a band holds no bin: the FFT is too short for so many bands.
    """
    nyquist_hz = sample_rate_hz / 2
    bins_hz = np.linspace(0, nyquist_hz, 1 + fft_samples // 2)
    edges_hz = mel_to_hz(np.linspace(0, hz_to_mel(np.asarray(nyquist_hz)), n_mels + 2))
    widths_hz = np.diff(edges_hz)[:, np.newaxis]
    distance_hz = edges_hz[:, np.newaxis] - bins_hz
    rising = -distance_hz[:-2] / widths_hz[:-1]
    falling = distance_hz[2:] / widths_hz[1:]
    weights = np.maximum(0, np.minimum(rising, falling))
    weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, np.newaxis]
    if not weights.any(axis=1).all():
        raise ParameterError(
            f"{n_mels} mel bands at {sample_rate_hz} Hz with an FFT of {fft_samples}: a band holds no bin"
        )
    filterbank = weights.astype(np.float32)
    filterbank.flags.writeable = False
    return filterbank


def htk_hz_to_mel(frequency_hz: np.ndarray) -> np.ndarray:
    """HTK mels of frequencies in Hz; same shape, float64."""
    mel: np.ndarray = 1127.0 * np.log1p(np.asarray(frequency_hz, dtype=np.float64) / 700.0)
    return mel


@functools.lru_cache(maxsize=8)
def htk_mel_filterbank(
    *, sample_rate_hz: int, fft_samples: int, n_mels: int, fmin_hz: float, fmax_hz: float
) -> np.ndarray:
    """Weights from magnitude-spectrum bins to mel bands between ``fmin_hz`` and ``fmax_hz``.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + fft_samples // 2), float64, 0..1, read-only]
    """
    bins_mel = htk_hz_to_mel(np.linspace(0, sample_rate_hz / 2, 1 + fft_samples // 2))
    lowest_mel, highest_mel = htk_hz_to_mel(np.array([fmin_hz, fmax_hz])).tolist()
    edges_mel = np.linspace(lowest_mel, highest_mel, n_mels + 2)[:, np.newaxis]
    rising = (bins_mel - edges_mel[:-2]) / (edges_mel[1:-1] - edges_mel[:-2])
    falling = (edges_mel[2:] - bins_mel) / (edges_mel[2:] - edges_mel[1:-1])
    weights: np.ndarray = np.maximum(0, np.minimum(rising, falling))
    weights.flags.writeable = False
    return weights
