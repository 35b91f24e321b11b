"""The VGGish embedding: 128 numbers for every 0.96 s, without the PCA and quantisation of AudioSet's own features.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deepsound.errors import ParameterError
from deepsound.networks import vggish_input
from deepsound.networks.engine import NetworkFile, load_engine

_N_DIMS = 128


@dataclass(frozen=True, kw_only=True)
class VggishExtractor:
    """VGGish on a prepared network; a :class:`deepsound.features.base.FeatureExtractor`."""

    network: NetworkFile
    n_threads: int = 1

    name = "vggish"
    version = 1
    sample_rate_hz = vggish_input.SAMPLE_RATE_HZ
    min_samples = vggish_input.MIN_SAMPLES

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_patches, 128): 10 patches in 10 s, 31 in 30 s."""
        return vggish_input.count_vggish_patches(round(segment_s * self.sample_rate_hz)), _N_DIMS

    def definition(self) -> dict[str, Any]:
        """All that changes a number."""
        return {"version": self.version, "network": self.network.definition()}

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Embedding of a segment, before the network's last ReLU.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At 16 kHz, at least 15,600 samples.

        Returns
        -------
        np.ndarray [shape=(n_patches, 128), float32]

        Raises
        ------
        ParameterError
            If the waveform is not one-dimensional or shorter than one patch.
        """
        if waveform.ndim != 1 or len(waveform) < self.min_samples:
            raise ParameterError(
                f"vggish got an array of shape {waveform.shape}; wanted (n_samples,), at least {self.min_samples}"
            )
        engine = load_engine(self.network, n_threads=self.n_threads)
        return engine.run(waveform if engine.wants_waveform else vggish_input.compute_vggish_patches(waveform))
