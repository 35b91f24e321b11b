"""Keras model to ONNX bytes, checked against the original."""

import pathlib
import tempfile
import warnings

import keras
import numpy as np
import onnx

from deepsound.errors import BundleError
from deepsound.models.convolutions import turn_whole_frame_convolutions
from deepsound.models.head import OUTPUT_NAMES
from deepsound.models.vggish import FINETUNED, write_finetuned_onnx
from deepsound.networks.onnx_file import open_network

# Relative to the largest output of the probe: float32 sums in another order differ by a few 1e-7.
_TOLERANCE = 1e-5


def export_onnx(model: keras.Model, *, probe: np.ndarray) -> bytes:
    """The model as ONNX, with the outputs ``logits`` and ``penultimate``; the batch dimension is free.

    Raises BundleError if Keras and ONNX do not agree, to 1e-5 of the largest number of each output, on ``probe``
    [shape=(n, *input shape), float32].
    """
    both = keras.Model(model.input, [model.output, model.get_layer("penultimate").output])
    expected = [np.asarray(output) for output in both(probe, training=False)]
    onnx_bytes = write_finetuned_onnx(model) if model.name == FINETUNED else _convert(both)
    session = open_network(onnx_bytes)
    got = session.run(list(OUTPUT_NAMES), {session.get_inputs()[0].name: probe})
    for name, of_onnx, of_keras in zip(OUTPUT_NAMES, got, expected, strict=True):
        gap = float(np.abs(of_onnx - of_keras).max() / max(1.0, float(np.abs(of_keras).max())))
        if not gap <= _TOLERANCE:
            raise BundleError(
                f"the exported head's {name} differ from Keras by {gap:.2e} on a probe; wanted {_TOLERANCE}"
            )
    return onnx_bytes


def _convert(both: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras imports tf2onnx, which still looks up numpy names that are to be removed.
        warnings.simplefilter("ignore", FutureWarning)
        path = pathlib.Path(folder) / "head.onnx"
        both.export(str(path), format="onnx", verbose=False)
        return _name_outputs(turn_whole_frame_convolutions(onnx.load(str(path))))


def _name_outputs(graph_model: onnx.ModelProto) -> bytes:
    """The same graph with outputs of our names, which the exporter chooses itself."""
    graph = graph_model.graph
    for output, name in zip(graph.output, OUTPUT_NAMES, strict=True):
        graph.node.append(onnx.helper.make_node("Identity", [output.name], [name]))
        output.name = name
    return bytes(graph_model.SerializeToString())
