"""The heads: shapes in and out, what the settings change, and the same numbers as ONNX."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from deepsound.config import CNN_FOR_EMBEDDINGS, CNN_FOR_MFCC, CnnSettings, TrainSettings
from deepsound.models.architectures import build_cnn, build_model
from deepsound.models.export import export_onnx

SHAPES = [(431, 13), (1292, 13), (10, 128), (31, 128), (5, 200), (1, 128)]


def kernels(model):
    return [w.shape for layer in model.layers if "conv" in layer.name for w in layer.weights]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("cnn", [CNN_FOR_MFCC, CNN_FOR_EMBEDDINGS], ids=["mfcc", "embedding"])
def test_logits_of_every_genre_and_equal_as_onnx(cnn, shape):
    model = build_cnn(cnn, shape=shape, n_genres=7)
    probe = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    expected = model.predict(probe, verbose=0)
    assert expected.shape == (3, 7)
    session = onnxruntime.InferenceSession(export_onnx(model, probe=probe))
    (got,) = session.run(None, {session.get_inputs()[0].name: probe})
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_a_kernel_of_0_dims_spans_all_of_them():
    assert kernels(build_cnn(CNN_FOR_EMBEDDINGS, shape=(10, 128), n_genres=3)) == [(3, 128, 1, 128)]
    deep = replace(CNN_FOR_EMBEDDINGS, filters=(8, 16), kernel_size=(2, 0))
    assert kernels(build_cnn(deep, shape=(10, 128), n_genres=3)) == [(2, 128, 1, 8), (2, 1, 8, 16)]


def test_kernel_depth_and_width_are_settings():
    asked = CnnSettings(kernel_size=(5, 7), filters=(4, 6))
    model = build_model(TrainSettings(feature="vggish", cnn=asked), shape=(31, 128), n_genres=3)
    assert kernels(model) == [(5, 7, 1, 4), (5, 7, 4, 6)]


def test_the_hidden_layer_and_the_dropouts():
    def dense_and_dropout(cnn):
        layers = build_cnn(cnn, shape=(10, 13), n_genres=3).layers
        dense = [layer.units for layer in layers if "dense" in layer.name or layer.name == "logits"]
        return dense, [layer.rate for layer in layers if "dropout" in layer.name]

    assert dense_and_dropout(CNN_FOR_MFCC) == ([64, 3], [0.0, 0.4, 0.4])
    assert dense_and_dropout(CNN_FOR_EMBEDDINGS) == ([3], [0.3, 0.5])


def test_when_a_pattern_sounds_does_not_matter_but_where_it_stands_does():
    plain = replace(CNN_FOR_EMBEDDINGS, pool_size=(1,))
    model = build_cnn(plain, shape=(12, 16), n_genres=3)
    clip = np.zeros((1, 12, 16), np.float32)
    clip[0, 4, :4] = [1, -2, 3, 1]
    later, elsewhere = np.roll(clip, 3, axis=1), np.roll(clip, 3, axis=2)
    first, second, third = (model.predict(x, verbose=0) for x in (clip, later, elsewhere))
    np.testing.assert_allclose(second, first, atol=1e-5)
    assert np.abs(third - first).max() > 1e-3
