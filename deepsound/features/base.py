"""The protocol that every feature follows."""

from typing import Any, Protocol

import numpy as np

from deepsound.networks.engine import NetworkFile


class FeatureExtractor(Protocol):
    """Turns one segment's waveform into a matrix, time first."""

    @property
    def name(self) -> str:
        """The column in ``segments/``."""
        ...

    @property
    def version(self) -> int:
        """Raised by one whenever the numbers change."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """The rate that :meth:`compute` wants."""
        ...

    @property
    def min_samples(self) -> int:
        """The shortest waveform that :meth:`compute` takes."""
        ...

    @property
    def network(self) -> NetworkFile | None:
        """The pretrained network behind the feature, if there is one."""
        ...

    def shape(self, segment_s: float) -> tuple[int, int]:
        """(n_frames, n_dims) of a segment of ``segment_s`` seconds; no frames if it is too short."""
        ...

    def definition(self) -> dict[str, Any]:
        """All that changes a number, JSON-able: the feature's part of the fingerprint."""
        ...

    def compute(self, waveform: np.ndarray) -> np.ndarray:
        """Feature of a segment.

        Parameters
        ----------
        waveform : np.ndarray [shape=(n_samples,), float32, full scale = 1]
            At ``sample_rate_hz``.

        Returns
        -------
        np.ndarray [shape=(n_frames, n_dims), float32, finite]

        Raises
        ------
        ParameterError
            If the waveform is not one-dimensional or shorter than ``min_samples``.
        """
        ...
