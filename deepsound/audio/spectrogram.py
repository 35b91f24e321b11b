"""Spectrograms on the mel scale, frames first, and their cutting into patches."""

import functools
from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.signal
import scipy.sparse

from deepsound.audio.mel import htk_mel_filterbank, slaney_mel_filterbank
from deepsound.errors import ParameterError

# 256 KiB in float32: what comes of it stays in the processor's cache, and takes half the time.
_SAMPLES_AT_ONCE = 1 << 16


def compute_mel_power(
    waveform: np.ndarray, *, sample_rate_hz: int, fft_samples: int, hop_samples: int, n_mels: int
) -> np.ndarray:
    """Power mel spectrogram with librosa's conventions.

    Source: ``librosa.feature.melspectrogram`` (0.10, 0.11): frames centred with zero padding, periodic
    Hann window, power spectrum, Slaney mels.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        At least one sample.

    Returns
    -------
    np.ndarray [shape=(1 + n_samples // hop_samples, n_mels), float32, power]

    Raises
    ------
    ParameterError
        If the waveform is not one-dimensional or empty.
    """
    _check_waveform(waveform, min_samples=1)
    padded = np.pad(waveform.astype(np.float32, copy=False), fft_samples // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_samples)[::hop_samples]
    power = _transform(
        frames, _hann_window(fft_samples).astype(np.float32), fft_samples=fft_samples, measure=_power_of
    )
    filterbank = _sparse(
        slaney_mel_filterbank, sample_rate_hz=sample_rate_hz, fft_samples=fft_samples, n_mels=n_mels
    )
    return _sum_into_bands(power, filterbank)


def compute_htk_mel_magnitude(
    waveform: np.ndarray,
    *,
    sample_rate_hz: int,
    window_samples: int,
    hop_samples: int,
    fft_samples: int,
    n_mels: int,
    fmin_hz: float,
    fmax_hz: float,
) -> np.ndarray:
    """Magnitude mel spectrogram with VGGish's conventions.

    Source: tensorflow/models research/audioset/vggish, mel_features.py: frames start at the first sample, no
    padding but that of the FFT, periodic Hann window, magnitude, HTK mels.

    Parameters
    ----------
    waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
        At least ``window_samples`` long.

    Returns
    -------
    np.ndarray [shape=(1 + (n_samples - window_samples) // hop_samples, n_mels), float32, magnitude]

    Raises
    ------
    ParameterError
        If the waveform is not one-dimensional or shorter than one window.
    """
    _check_waveform(waveform, min_samples=window_samples)
    # In double precision: the rounding of a float32 FFT stands out in the near-empty bands beside a pure tone.
    samples = waveform.astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window_samples)[::hop_samples]
    magnitude = _transform(frames, _hann_window(window_samples), fft_samples=fft_samples, measure=np.abs)
    filterbank = _sparse(
        htk_mel_filterbank,
        sample_rate_hz=sample_rate_hz,
        fft_samples=fft_samples,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
    )
    return _sum_into_bands(magnitude, filterbank).astype(np.float32, copy=False)


def cut_patches(spectrogram: np.ndarray, *, patch_frames: int, hop_frames: int) -> np.ndarray:
    """Stretches of a spectrogram; a partial last one is dropped.

    Returns
    -------
    np.ndarray [shape=(n_patches, patch_frames, n_mels), contiguous]
        ``n_patches = 1 + (n_frames - patch_frames) // hop_frames``, 0 if there are too few frames.
    """
    n_patches = max(0, 1 + (len(spectrogram) - patch_frames) // hop_frames)
    first = hop_frames * np.arange(n_patches)[:, np.newaxis]
    patches: np.ndarray = spectrogram[first + np.arange(patch_frames)]
    return patches


def _check_waveform(waveform: np.ndarray, *, min_samples: int) -> None:
    if waveform.ndim != 1 or len(waveform) < min_samples:
        raise ParameterError(
            f"the waveform has the shape {waveform.shape}; wanted (n_samples,) with at least {min_samples}"
        )


@functools.lru_cache(maxsize=8)
def _sparse(make_filterbank: Callable[..., np.ndarray], **parameters: float) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(make_filterbank(**parameters))


def _transform(
    frames: np.ndarray,
    window: np.ndarray,
    *,
    fft_samples: int,
    measure: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """What ``measure`` makes of the spectrum of each frame: (n_frames, n_bins)."""
    n_at_once = max(1, _SAMPLES_AT_ONCE // fft_samples)
    return np.concatenate(
        [
            measure(scipy.fft.rfft(frames[first : first + n_at_once] * window, n=fft_samples, axis=1))
            for first in range(0, len(frames), n_at_once)
        ]
    )


def _power_of(spectrum: np.ndarray) -> np.ndarray:
    power: np.ndarray = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


def _sum_into_bands(spectrum: np.ndarray, filterbank: scipy.sparse.csr_array) -> np.ndarray:
    """(n_frames, n_bins) to (n_frames, n_mels).

    Sparse, as a bin belongs to two bands at most, and because a dense product would leave the threads of the BLAS
    spinning: the network that runs next would then take twice its time on the same cores.
    """
    bands: np.ndarray = np.ascontiguousarray((filterbank @ spectrum.T).T)
    return bands


@functools.lru_cache(maxsize=4)
def _hann_window(n_samples: int) -> np.ndarray:
    window: np.ndarray = scipy.signal.get_window("hann", n_samples, fftbins=True)
    return window
