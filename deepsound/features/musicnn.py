"""The MusiCNN embedding: the penultimate layer of MSD_musicnn, 200 numbers every 1.5 s.

Source: J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking demo. Trained on the Million Song Dataset to predict tags.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deepsound.errors import ParameterError
from deepsound.networks import musicnn_input
from deepsound.networks.engine import NetworkFile, load_engine

_N_DIMS = 200


@dataclass(frozen=True, kw_only=True)
class MusicnnExtractor:
    """MusiCNN on a prepared network; a :class:`deepsound.features.base.FeatureExtractor`."""

    network: NetworkFile
    n_threads: int = 1

    name = "musicnn"
    version = 1
    sample_rate_hz = musicnn_input.SAMPLE_RATE_HZ
    min_samples = musicnn_input.MIN_SAMPLES

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_patches, 200): 5 patches in 10 s."""
        return musicnn_input.count_musicnn_patches(round(segment_s * self.sample_rate_hz)), _N_DIMS

    def definition(self) -> dict[str, Any]:
        """All that changes a number."""
        return {"version": self.version, "network": self.network.definition()}

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Embedding of a segment, after the batch norm of the penultimate layer.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At 16 kHz, at least 47,616 samples.

        Returns
        -------
        np.ndarray [shape=(n_patches, 200), float32]

        Raises
        ------
        ParameterError
            If the waveform is not one-dimensional or shorter than one patch.
        """
        if waveform.ndim != 1 or len(waveform) < self.min_samples:
            raise ParameterError(
                f"musicnn got an array of shape {waveform.shape}; wanted (n_samples,), at least {self.min_samples}"
            )
        engine = load_engine(self.network, n_threads=self.n_threads)
        return engine.run(musicnn_input.compute_musicnn_patches(waveform))
