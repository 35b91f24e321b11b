"""Convolutions over whole frames before and after they are turned, by ONNX Runtime."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from deepsound.config import CnnSettings, TrainSettings
from deepsound.data.layout import Layout
from deepsound.models.architectures import build_model
from deepsound.models.convolutions import turn_whole_frame_convolutions
from deepsound.models.export import export_onnx

SPANNING = {"n_frames": 9, "n_dims": 6, "kernel": (3, 6), "pads": [1, 0, 1, 0]}


def make_model(*, n_frames, n_dims, kernel, pads, n_channels=1, **attributes):
    """One convolution with a bias, on (n, n_channels, n_frames, n_dims)."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, n_channels, *kernel)).astype(np.float32)
    tensors = {"w": weights, "b": rng.normal(size=5).astype(np.float32)}
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=kernel, pads=pads, **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", n_channels, n_frames, n_dims])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5, "frames", "dims"])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model, values):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def names_of(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pads": [0, 0, 0, 0]},
        {"pads": [2, 0, 1, 0], "kernel": (4, 6), "strides": [2, 1]},
        {"strides": [1, 3], "dilations": [2, 1]},
    ],
)
def test_a_convolution_over_whole_frames_is_turned_and_gives_the_same(changes):
    model = make_model(**{**SPANNING, **changes})
    before = model.SerializeToString()
    turned = turn_whole_frame_convolutions(model)
    onnx.checker.check_model(turned)
    assert names_of(turned) == ["Reshape", "Transpose", "Conv"]
    assert {tensor.name: list(tensor.dims) for tensor in turned.graph.initializer}["y/kernel"][1] == 6
    assert "w" not in {tensor.name for tensor in turned.graph.initializer}
    assert model.SerializeToString() == before
    values = np.random.default_rng(1).normal(size=(7, 1, 9, 6)).astype(np.float32)
    np.testing.assert_allclose(run(turned, values), run(model, values), atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": (3, 3)},
        {"pads": [1, 1, 1, 0]},
        {"pads": [1, 0, 1, 1]},
        {"n_channels": 2},
        {"n_dims": 1, "kernel": (3, 1)},
        {"n_frames": "any"},
    ],
)
def test_any_other_stays_as_it_is(changes):
    model = make_model(**{**SPANNING, **changes})
    assert names_of(turn_whole_frame_convolutions(model)) == ["Conv"]


@pytest.mark.parametrize(("kernel", "n_dims"), [((3, 0), 32), ((3, 3), 1)])
def test_a_head_over_all_dimensions_is_exported_turned(kernel, n_dims):
    keras.utils.set_random_seed(0)
    settings = TrainSettings(feature="vggish", cnn=CnnSettings(kernel_size=kernel, filters=(8,)))
    probe = np.random.default_rng(0).normal(size=(5, 10, 32)).astype(np.float32)
    exported = onnx.load_from_string(
        export_onnx(build_model(settings.networks, layout=Layout(((10, 32),)), n_genres=3), probe=probe)
    )
    (convolution,) = (node for node in exported.graph.node if node.op_type == "Conv")
    kernels = {tensor.name: list(tensor.dims) for tensor in exported.graph.initializer}
    assert kernels[convolution.input[1]][:2] == [8, n_dims]
