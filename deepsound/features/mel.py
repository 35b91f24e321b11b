"""The Slaney mel filterbank, as MFCC and MusiCNN use it.

Source: M. Slaney, "Auditory Toolbox", Interval Research TR 1998-010: linear below 1 kHz (200/3 Hz a mel),
logarithmic above (6.4 = 27 steps), triangles scaled to constant energy per band. librosa.filters.mel is the
independent implementation that the tests hold this against.
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
