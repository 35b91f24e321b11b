"""The ONNX engine against TensorFlow's callable, on a full-size VGGish with random weights."""

import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from tests.bench.measure import BenchLine, measure_alternately
from tests.tiny_vggish import make_variables, write_saved_model

_SEGMENT_S = 10
_CHANNELS = (64, 128, 256, 256, 512, 512)
_DENSE = 4096
# Six 3 x 3 convolutions on 96 x 64, 48 x 32, twice 24 x 16, twice 12 x 8 places, three dense layers.
# Two operations for each weight of a convolution at each place, and for each weight of a dense layer.
_GFLOP_A_PATCH = 1.73
_SIDE = 2048


def run() -> Iterator[BenchLine]:
    """Waveform to embedding, front end included, with all cores and the same weights on both sides."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from deepsound.features.vggish import VggishExtractor
    from deepsound.networks.prepare import prepare_networks
    from deepsound.networks.tensorflow_engine import TensorflowEngine

    waveform = np.random.default_rng(0).uniform(-1, 1, _SEGMENT_S * 16000).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        os.environ["DEEPSOUND_CACHE_DIR"] = scratch
        variables = make_variables(channels=_CHANNELS, dense=_DENSE)
        n_weights = sum(array.size for array in variables.values())
        folder = write_saved_model(pathlib.Path(scratch) / "vggish", variables)
        del variables
        (network,) = prepare_networks(("vggish",), network=str(folder), report=lambda _: None)
        n_threads = os.cpu_count() or 1
        ours = VggishExtractor(network=network, n_threads=n_threads)
        theirs = TensorflowEngine(folder)
        got, expected = ours.compute(waveform), theirs.run(waveform)  # also warms both up
        gap = np.abs(got - expected).max() / np.abs(expected).max()
        multiply = _make_product(n_threads)
        *seconds, product_s = measure_alternately(
            lambda: ours.compute(waveform), lambda: theirs.run(waveform), multiply, n_rounds=6, n_in_a_row=6
        )
    ms = [1000 * s / len(got) for s in seconds]
    ratio = ms[1] / ms[0]
    yield BenchLine(
        name=f"VGGish, {n_weights / 1e6:.1f} M weights, {n_threads} threads, a patch",
        figure=f"ONNX {ms[0]:.1f} ms, TensorFlow {ms[1]:.1f} ms: {ratio:.2f} x",
        target=">= 2.5 x",
        is_met=ratio >= 2.5,
    )
    speeds = [_GFLOP_A_PATCH / m * 1000 for m in ms]
    peak = 2 * _SIDE**3 / product_s / 1e9
    yield BenchLine(
        name=f"  GFLOP in a second, beside a {_SIDE} x {_SIDE} matrix product's {peak:.0f}",
        figure=f"ONNX {speeds[0]:.0f}, TensorFlow {speeds[1]:.0f}",
    )
    yield BenchLine(
        name="  largest difference of the two, relative",
        figure=f"{gap:.1e}",
        target="<= 1e-3",
        is_met=bool(gap <= 1e-3),
    )


def _make_product(n_threads: int) -> Callable[[], object]:
    """A large matrix product in ONNX Runtime: as fast as this machine multiplies."""
    shape = ["n", _SIDE]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "ab"],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    matrix = np.random.default_rng(0).normal(size=(_SIDE, _SIDE)).astype(np.float32)
    return lambda: session.run(None, {"a": matrix, "b": matrix})
