"""The ONNX engine against TensorFlow's callable, on a full-size VGGish with random weights."""

import os
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np

from tests.bench.measure import BenchLine, measure_alternately
from tests.tiny_vggish import make_variables, write_saved_model

_SEGMENT_S = 10
_CHANNELS = (64, 128, 256, 256, 512, 512)
_DENSE = 4096
# Six 3 x 3 convolutions on 96 x 64, 48 x 32, twice 24 x 16, twice 12 x 8 places, three dense layers.
_GFLOP_A_PATCH = 1.73


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
        seconds = measure_alternately(
            lambda: ours.compute(waveform), lambda: theirs.run(waveform), n_rounds=6, n_in_a_row=6
        )
    ms = [1000 * s / len(got) for s in seconds]
    ratio = ms[1] / ms[0]
    yield BenchLine(
        name=f"VGGish, {n_weights / 1e6:.1f} M weights, {n_threads} threads, a patch",
        figure=f"ONNX {ms[0]:.1f} ms, TensorFlow {ms[1]:.1f} ms: {ratio:.2f} x",
        target=">= 2.5 x",
        is_met=ratio >= 2.5,
    )
    # Two operations for each weight of a convolution at each place, and for each weight of a dense layer.
    yield BenchLine(
        name="  so much arithmetic in a second",
        figure=f"ONNX {_GFLOP_A_PATCH / ms[0] * 1000:.0f}, TensorFlow {_GFLOP_A_PATCH / ms[1] * 1000:.0f} GFLOP",
    )
    yield BenchLine(
        name="  largest difference of the two, relative",
        figure=f"{gap:.1e}",
        target="<= 1e-3",
        is_met=bool(gap <= 1e-3),
    )
