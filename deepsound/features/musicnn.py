"""The MusiCNN embedding: the penultimate layer of MSD_musicnn, 200 numbers every 1.5 s.

Source: J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking demo. Trained on the Million Song Dataset to predict tags.
"""

import numpy as np

from deepsound.features.embedding import EmbeddingExtractor
from deepsound.networks import musicnn_input


class MusicnnExtractor(EmbeddingExtractor):
    """MSD_musicnn, after the batch norm of its penultimate layer: 5 patches in 10 s; one takes 47,616 samples."""

    name = "musicnn"
    version = 1
    sample_rate_hz = musicnn_input.SAMPLE_RATE_HZ
    min_samples = musicnn_input.MIN_SAMPLES
    n_dims = 200
    count_patches = staticmethod(musicnn_input.count_musicnn_patches)

    def compute_batches(self, waveform: np.ndarray) -> list[np.ndarray]:
        """Stretches of 16 patches."""
        return musicnn_input.cut_stretches(musicnn_input.compute_musicnn_log_mel(waveform))
