"""What all embeddings share: a segment in batches through a prepared network."""

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from deepsound.errors import ParameterError
from deepsound.networks.engine import NetworkFile, load_engine


@dataclass(frozen=True, kw_only=True)
class EmbeddingExtractor(abc.ABC):
    """A feature that a pretrained network computes; a :class:`deepsound.features.base.FeatureExtractor`.

    A subclass names the network's input: its rate, how many patches there are in so many samples, and how a
    waveform becomes batches, each of what the network takes at once.
    """

    network: NetworkFile
    n_threads: int = 1

    name: ClassVar[str]
    version: ClassVar[int]
    sample_rate_hz: ClassVar[int]
    min_samples: ClassVar[int]
    n_dims: ClassVar[int]
    count_patches: ClassVar["staticmethod[[int], int]"]

    @abc.abstractmethod
    def compute_batches(self, waveform: np.ndarray) -> list[np.ndarray]:
        """What the network runs on, in order; their embeddings are joined."""

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_patches, n_dims)."""
        return self.count_patches(round(segment_s * self.sample_rate_hz)), self.n_dims

    def definition(self) -> dict[str, Any]:
        """All that changes a number."""
        return {"version": self.version, "network": self.network.definition()}

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Embedding of a segment.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At ``sample_rate_hz``, at least ``min_samples`` long: one patch.

        Returns
        -------
        np.ndarray [shape=(n_patches, n_dims), float32]

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
        engine = load_engine(self.network, n_threads=self.n_threads)
        if engine.wants_waveform:
            return engine.run(waveform)
        return np.concatenate([engine.run(batch) for batch in self.compute_batches(waveform)])
