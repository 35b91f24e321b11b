"""Keras model to ONNX bytes, checked against the original."""

import pathlib
import tempfile
import warnings

import keras
import numpy as np
import onnxruntime

from deepsound.errors import BundleError

# Relative to the largest output of the probe: float32 sums in another order differ by a few 1e-6.
_TOLERANCE = 1e-4


def export_onnx(model: keras.Model, *, probe: np.ndarray) -> bytes:
    """The model as ONNX.

    Parameters
    ----------
    model : keras.Model
        One input, one output, batch dimension free.
    probe : np.ndarray [shape=(n, *input shape), float32]
        Inputs on which both must agree to 1e-4 of the largest output.

    Raises
    ------
    BundleError
        If they do not agree.
    """
    expected = np.asarray(model(probe, training=False))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras imports tf2onnx, which still looks up numpy names that are to be removed.
        warnings.simplefilter("ignore", FutureWarning)
        path = pathlib.Path(folder) / "head.onnx"
        model.export(str(path), format="onnx", verbose=False)
        onnx_bytes = path.read_bytes()
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    got = session.run(None, {session.get_inputs()[0].name: probe})[0]
    gap = float(np.abs(got - expected).max() / max(1.0, float(np.abs(expected).max())))
    if not gap <= _TOLERANCE:
        raise BundleError(f"the exported head differs from Keras by {gap:.2e} on a probe; wanted {_TOLERANCE}")
    return onnx_bytes
