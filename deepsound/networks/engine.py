"""Running a fixed network: ONNX Runtime, loaded once per process, no TensorFlow.

A prepared network travels as a :class:`NetworkFile`, a few words and a path; what lies at the path is loaded on
first use in each process.
"""

import functools
import pathlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deepsound.errors import NetworkMismatchError, ParameterError
from deepsound.networks.onnx_file import open_network

RANDOM_PREFIX = "random:"


@dataclass(frozen=True, kw_only=True)
class NetworkFile:
    """A network that is ready to run.

    Attributes
    ----------
    digest : str
        sha256 of the weights: equal digests, equal numbers.
    path : str
        An ONNX file, or for the engine ``tensorflow`` (not ``onnx``) a SavedModel folder.
    source : str
        What the weights were asked for as: a handle, a path, ``random:7``.
    """

    feature: str
    digest: str
    path: str
    engine: str
    source: str

    @property
    def is_random(self) -> bool:
        """Whether the weights are untrained, so that the feature is good for tests and benchmarks only."""
        return self.source.startswith(RANDOM_PREFIX)

    def definition(self) -> dict[str, str]:
        """The network's part of a feature's definition: what changes a number, and what a reader must know."""
        random = {"random_seed": self.source.removeprefix(RANDOM_PREFIX)} if self.is_random else {}
        return {"digest": self.digest, "engine": self.engine, **random}


class Engine(Protocol):
    """A loaded network."""

    wants_waveform: bool

    def run(self, values: np.ndarray) -> np.ndarray:
        """Embedding [shape=(n_patches, n_dims), float32] of a batch, or of a waveform if ``wants_waveform``."""
        ...


class OnnxEngine:
    """A network as ONNX, on the CPU.

    It has one input, patches (n, n_frames, n_mels) or a stretch of a spectrogram (n_frames, n_mels), and one
    output (n, n_dims), all float32. ``n_threads`` are those of one :meth:`run`.

    Raises
    ------
    NetworkMismatchError
        If the file is no ONNX model, or one that reads other files.
    """

    wants_waveform = False

    def __init__(self, path: pathlib.Path, *, n_threads: int = 1) -> None:
        try:
            self._session = open_network(path, n_threads=n_threads)
        except NetworkMismatchError as exc:
            raise NetworkMismatchError(f"{path} is refused: {exc}") from exc
        self._input = self._session.get_inputs()[0]

    def run(self, values: np.ndarray) -> np.ndarray:
        """Embedding of what the network takes at once.

        Parameters
        ----------
        values : np.ndarray [shape=(n_patches, n_frames, n_mels) or (n_frames, n_mels), float32]

        Returns
        -------
        np.ndarray [shape=(n_patches, n_dims), float32]

        Raises
        ------
        ParameterError
            If the values are of another shape than the network's.
        """
        wanted = tuple(self._input.shape[1:])
        if values.ndim != len(self._input.shape) or values.shape[1:] != wanted:
            raise ParameterError(f"values of shape {values.shape}; this network wants (n, *{wanted})")
        embedding: np.ndarray = self._session.run(None, {self._input.name: values})[0]
        return embedding


@functools.lru_cache(maxsize=4)
def load_engine(network: NetworkFile, *, n_threads: int = 1) -> Engine:
    """The engine of a network, loaded once per process."""
    if network.engine == "tensorflow":
        # Only where the conversion did not stand its check; the one way in which a worker loads TensorFlow.
        from deepsound.networks.tensorflow_engine import TensorflowEngine

        return TensorflowEngine(pathlib.Path(network.path))
    return OnnxEngine(pathlib.Path(network.path), n_threads=n_threads)
