"""The rewritten MusiCNN gives what the network gives as it is published: patch by patch, layer by layer."""

import numpy as np
import pytest
import scipy.signal

from deepsound.networks.engine import OnnxEngine
from deepsound.networks.graph import GraphWriter
from deepsound.networks.musicnn import build_musicnn_onnx
from deepsound.networks.musicnn_input import cut_stretches
from deepsound.networks.onnx_file import open_network
from deepsound.networks.tall_convolution import TallConvolution, add_neighbourhoods, add_spectra
from tests.plain_musicnn import make_weights, open_plain_musicnn


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    weights = make_weights()
    path = tmp_path_factory.mktemp("musicnn") / "musicnn.onnx"
    path.write_bytes(build_musicnn_onnx(weights))
    return OnnxEngine(path), open_plain_musicnn(weights)


@pytest.mark.parametrize("n_patches", [1, 2, 5])
def test_a_stretch_gives_what_its_patches_give(sessions, n_patches):
    rng = np.random.default_rng(n_patches)
    log_mel = rng.uniform(0, 4, size=(187 + 93 * (n_patches - 1), 96)).astype(np.float32)
    patches = np.stack([log_mel[93 * i : 93 * i + 187] for i in range(n_patches)])
    engine, plain = sessions
    got, expected = engine.run(log_mel), plain.run(None, {"patches": patches})[0]
    assert got.shape == expected.shape == (n_patches, 200)
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


def test_stretches_of_any_number_of_patches_give_the_same(sessions):
    log_mel = np.random.default_rng(0).uniform(0, 4, size=(187 + 6 * 93 + 92, 96)).astype(np.float32)
    engine, _ = sessions
    expected = engine.run(log_mel[:-92])
    for max_patches in (1, 3, 7):
        stretches = cut_stretches(log_mel, max_patches=max_patches)
        assert len(stretches) == -(-7 // max_patches)
        got = np.concatenate([engine.run(stretch) for stretch in stretches])
        np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("n_bands", [1, 38, 67, 96])
def test_the_maximum_of_a_tall_convolution(n_bands):
    """For an odd number of places, an even one, and a single one."""
    rng = np.random.default_rng(n_bands)
    kernel, frames = rng.normal(size=(7, n_bands, 102)), rng.normal(size=(20, 96)).astype(np.float32)
    writer = GraphWriter("tall")
    spectra = writer.add("Unsqueeze", add_spectra(writer, "frames"), writer.weight(np.array([0])))
    maxima = TallConvolution(writer, kernel).add_maximum(add_neighbourhoods(writer, spectra))
    onnx = writer.to_bytes(input_name="frames", input_shape=(96,), outputs={maxima: (102,)}, input_length="m")
    (got,) = open_network(onnx).run(None, {"frames": frames})
    expected = [scipy.signal.correlate(frames, kernel[..., i], mode="valid").max(axis=1) for i in range(102)]
    np.testing.assert_allclose(got, np.transpose(expected), atol=1e-5 * np.abs(expected).max())
