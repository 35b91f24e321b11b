"""The VGGish embedding: 128 numbers for every 0.96 s, without the PCA and quantisation of AudioSet's own features.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.
"""

import numpy as np

from deepsound.features.embedding import EmbeddingExtractor
from deepsound.networks import vggish_input


class VggishExtractor(EmbeddingExtractor):
    """VGGish, before its last ReLU: 10 patches of 0.96 s in 10 s, 31 in 30 s; a patch takes 15,600 samples."""

    name = "vggish"
    version = 1
    sample_rate_hz = vggish_input.SAMPLE_RATE_HZ
    min_samples = vggish_input.MIN_SAMPLES
    n_dims = 128
    count_patches = staticmethod(vggish_input.count_vggish_patches)

    def compute_batches(self, waveform: np.ndarray) -> list[np.ndarray]:
        """Patches, 16 at a time."""
        return vggish_input.cut_batches(vggish_input.compute_vggish_patches(waveform))
