"""The original callable of a SavedModel: the yardstick of the conversion, and what runs where that fails."""

import pathlib

import numpy as np
import tensorflow as tf

from deepsound.errors import NetworkMismatchError, first_line
from deepsound.networks.engine import OnnxEngine
from deepsound.networks.vggish import N_DIMS
from deepsound.networks.vggish_input import SAMPLE_RATE_HZ, compute_vggish_patches

# Relative to the largest output: float32 sums in another order, and TensorFlow's own log-mel front end.
TOLERANCE = 1e-3


class TensorflowEngine:
    """A SavedModel that maps a waveform (n_samples,) at 16 kHz to (n_patches, 128), as VGGish on TF-Hub does.

    Raises
    ------
    NetworkMismatchError
        If the SavedModel cannot be loaded, called, or gives something else.
    """

    wants_waveform = True

    def __init__(self, folder: pathlib.Path) -> None:
        try:
            # Kept whole: the callable does not keep the variables alive that it uses.
            self._model = tf.saved_model.load(str(folder))
        except Exception as exc:  # TensorFlow raises half a dozen unrelated classes here
            raise NetworkMismatchError(f"the SavedModel {folder} cannot be loaded: {first_line(exc)}") from exc
        if not callable(self._model):
            raise NetworkMismatchError(f"the SavedModel {folder} is not VGGish: it takes no waveform")

    def run(self, values: np.ndarray) -> np.ndarray:
        """Embedding [shape=(n_patches, 128), float32] of a waveform [shape=(n_samples,), full scale = 1]."""
        try:
            embedding = np.asarray(self._model(tf.constant(values, tf.float32)), np.float32)
        except (ValueError, TypeError, tf.errors.OpError) as exc:
            raise NetworkMismatchError(
                f"the SavedModel is not VGGish: it does not take a waveform ({first_line(exc)})"
            ) from exc
        if embedding.ndim != 2 or embedding.shape[1] != N_DIMS:
            raise NetworkMismatchError(
                f"the SavedModel is not VGGish: it gives shape {embedding.shape}, wanted (n_patches, {N_DIMS})"
            )
        return embedding


def measure_gap(engine: OnnxEngine, *, saved_model: pathlib.Path) -> float:
    """Largest difference of a converted VGGish from its SavedModel on a probe, relative to the largest output.

    A SavedModel that ends in the ReLU which the embedding stands before is compared through a ReLU.

    Raises
    ------
    NetworkMismatchError
        If the SavedModel cannot be called, or gives no embedding.
    """
    waveform = _make_probe()
    expected = TensorflowEngine(saved_model).run(waveform)
    got = engine.run(compute_vggish_patches(waveform))
    if got.shape != expected.shape:
        return float("inf")
    if not (expected < 0).any():
        got = np.maximum(got, 0)
    return float(np.abs(got - expected).max() / max(float(np.abs(expected).max()), 1e-12))


def _make_probe() -> np.ndarray:
    """A tone, a sweep and noise, one after the other: patches that differ."""
    rng = np.random.default_rng(0)
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * 1000 * time_s)
    sweep = np.sin(2 * np.pi * (100 + 3000 * time_s) * time_s)
    noise = rng.normal(size=len(time_s)) / 4
    probe: np.ndarray = np.concatenate([tone, sweep, noise]).astype(np.float32)
    return probe / 2
