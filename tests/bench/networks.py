"""VGGish as ONNX against TensorFlow's callable, with random weights, and MusiCNN against itself layer by layer."""

import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from tests.bench.measure import BenchLine, measure_alternately
from tests.plain_musicnn import open_plain_musicnn
from tests.tiny_vggish import make_variables, write_saved_model

_SEGMENT_S = 10
_CHANNELS = (64, 128, 256, 256, 512, 512)
_DENSE = 4096
# Six 3 x 3 convolutions on 96 x 64, 48 x 32, twice 24 x 16, twice 12 x 8 places, three dense layers.
# Two operations for each weight of a convolution at each place, and for each weight of a dense layer.
_GFLOP_A_PATCH = 1.73
_SIDE = 2048


def run() -> Iterator[BenchLine]:
    """Both networks, each with the same weights on both sides."""
    yield from _run_vggish()
    yield from _run_musicnn()


def _run_vggish() -> Iterator[BenchLine]:
    """Waveform to embedding, front end included, with all cores."""
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


def _run_musicnn() -> Iterator[BenchLine]:
    """Segment to embedding on one core: a stretch at once, and the published graph patch by patch."""
    from deepsound.networks.musicnn import build_musicnn_onnx, pick_musicnn_weights
    from deepsound.networks.musicnn_input import HOP_FRAMES, PATCH_FRAMES, compute_musicnn_log_mel, cut_stretches
    from deepsound.networks.onnx_file import open_network
    from deepsound.networks.source import locate_musicnn
    from deepsound.networks.variables import read_variables

    weights = pick_musicnn_weights(read_variables(locate_musicnn().prefix))
    ours, plain = open_network(build_musicnn_onnx(weights)), open_plain_musicnn(weights)
    waveform = np.random.default_rng(0).uniform(-1, 1, _SEGMENT_S * 16000).astype(np.float32)
    (stretch,) = cut_stretches(compute_musicnn_log_mel(waveform))
    firsts = range(0, len(stretch) - PATCH_FRAMES + 1, HOP_FRAMES)
    patches = np.stack([stretch[first : first + PATCH_FRAMES] for first in firsts])
    runs = [lambda: ours.run(None, {"log_mel": stretch}), lambda: plain.run(None, {"patches": patches})]
    got, expected = (run()[0] for run in runs)
    gap = np.abs(got - expected).max() / np.abs(expected).max()
    ms = [1000 * s for s in measure_alternately(*runs, n_rounds=6, n_in_a_row=3)]
    ratio = ms[1] / ms[0]
    yield BenchLine(
        name=f"MusiCNN, one thread, a segment of {_SEGMENT_S} s",
        figure=f"ours {ms[0]:.0f} ms, layer by layer {ms[1]:.0f} ms: {ratio:.2f} x",
        target=">= 1.8 x",
        is_met=ratio >= 1.8,
    )
    yield BenchLine(
        name="  largest difference of the two, relative",
        figure=f"{gap:.1e}",
        target="<= 1e-5",
        is_met=bool(gap <= 1e-5),
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
