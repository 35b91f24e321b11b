"""Holding a converted network against the original callable, on a probe."""

import pathlib

import numpy as np

from deepsound.networks.engine import OnnxEngine
from deepsound.networks.tensorflow_engine import TensorflowEngine
from deepsound.networks.vggish_input import SAMPLE_RATE_HZ, compute_vggish_patches

# Relative to the largest output: float32 sums in another order, and TensorFlow's own log-mel front end.
TOLERANCE = 1e-3
_PROBE_S = 3


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
    probe: np.ndarray = np.concatenate([tone, sweep, noise])[: _PROBE_S * SAMPLE_RATE_HZ].astype(np.float32)
    return probe / 2
