"""What VGGish listens to, without the network: log-mel patches, for training that goes through the network itself.

Source: as :mod:`deepsound.networks.vggish_input`, whose numbers these are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deepsound.errors import ParameterError
from deepsound.networks import vggish_input


@dataclass(frozen=True, kw_only=True)
class VggishLogMelExtractor:
    """64 bands every 10 ms in whole patches of 96 frames; a :class:`deepsound.features.base.FeatureExtractor`.

    960 frames in 10 s: 0.25 MB a segment, 48 times what the embedding takes.
    """

    name = "vggish_log_mel"
    version = 1
    sample_rate_hz = vggish_input.SAMPLE_RATE_HZ
    min_samples = vggish_input.MIN_SAMPLES
    network = None

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_frames, 64), ``n_frames = 96 * n_patches``: what is left after the last whole patch is dropped."""
        n_patches = vggish_input.count_vggish_patches(round(segment_s * self.sample_rate_hz))
        return n_patches * vggish_input.PATCH_FRAMES, vggish_input.N_MELS

    def definition(self) -> dict[str, Any]:
        """All that changes a number."""
        return {
            "version": self.version,
            "sample_rate_hz": self.sample_rate_hz,
            "window_samples": vggish_input.WINDOW_SAMPLES,
            "hop_samples": vggish_input.HOP_SAMPLES,
            "fft_samples": vggish_input.FFT_SAMPLES,
            "n_mels": vggish_input.N_MELS,
            "fmin_hz": vggish_input.FMIN_HZ,
            "fmax_hz": vggish_input.FMAX_HZ,
            "log_offset": vggish_input.LOG_OFFSET,
            "patch_frames": vggish_input.PATCH_FRAMES,
        }

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Patches of a segment, one after the other.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At ``sample_rate_hz``, at least ``min_samples`` long: one patch.

        Returns
        -------
        np.ndarray [shape=(96 * n_patches, 64), float32, natural log of magnitude + 0.01]

        Raises
        ------
        ParameterError
            If the waveform is not one-dimensional or shorter than one patch.
        """
        if waveform.ndim != 1 or len(waveform) < self.min_samples:
            raise ParameterError(
                f"{self.name} got an array of shape {waveform.shape}; wanted (n_samples,), at least "
                f"{self.min_samples}"
            )
        return vggish_input.compute_vggish_patches(waveform).reshape(-1, vggish_input.N_MELS)
