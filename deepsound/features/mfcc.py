"""Mel-frequency cepstral coefficients, as ``librosa.feature.mfcc`` (0.10, 0.11) defines them.

Source: S. Davis and P. Mermelstein, IEEE TASSP 28(4), 1980, with librosa's choices: centred frames with zero
padding, periodic Hann window, power spectrum, Slaney mels, decibels floored 80 dB below the segment's
loudest band, orthonormal DCT-II. Own code, so that an executor needs neither librosa nor numba (whose import
costs seconds in each Python worker); librosa is the independent implementation the tests compare with.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft

from deepsound.audio.spectrogram import compute_mel_power

# Power floor before the logarithm: librosa.power_to_db's amin.
_MIN_POWER = 1e-10


@dataclass(frozen=True, kw_only=True)
class MfccExtractor:
    """13 MFCCs every 23 ms; a :class:`deepsound.features.base.FeatureExtractor`."""

    n_mfcc: int = 13
    sample_rate_hz: int = 22050
    fft_samples: int = 2048
    hop_samples: int = 512
    n_mels: int = 128
    top_db: float = 80.0

    name = "mfcc"
    version = 1
    min_samples = 1
    network = None

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_frames, n_mfcc), ``n_frames = 1 + round(segment_s * sample_rate_hz) // hop_samples``."""
        return 1 + round(segment_s * self.sample_rate_hz) // self.hop_samples, self.n_mfcc

    def definition(self) -> dict[str, Any]:
        """All that changes a number."""
        return {
            "version": self.version,
            "sample_rate_hz": self.sample_rate_hz,
            "n_mfcc": self.n_mfcc,
            "fft_samples": self.fft_samples,
            "hop_samples": self.hop_samples,
            "n_mels": self.n_mels,
            "top_db": self.top_db,
        }

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """MFCCs of a segment.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At ``sample_rate_hz``, at least one sample.

        Returns
        -------
        np.ndarray [shape=(1 + n_samples // hop_samples, n_mfcc), float32]

        Raises
        ------
        ParameterError
            If the waveform is not one-dimensional or empty.
        """
        mel_power = compute_mel_power(
            waveform,
            sample_rate_hz=self.sample_rate_hz,
            fft_samples=self.fft_samples,
            hop_samples=self.hop_samples,
            n_mels=self.n_mels,
        )
        mel_db = 10 * np.log10(np.maximum(mel_power, _MIN_POWER))
        mel_db = np.maximum(mel_db, mel_db.max() - self.top_db)
        cepstrum = scipy.fft.dct(mel_db, type=2, axis=1, norm="ortho")
        return np.ascontiguousarray(cepstrum[:, : self.n_mfcc], dtype=np.float32)
