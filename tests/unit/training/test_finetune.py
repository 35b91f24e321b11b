"""Fine-tuning of a scaled-down VGGish: the network it starts from, the two stages, the head that comes out."""

import pathlib

import keras
import numpy as np
import onnxruntime
import pytest

from deepsound.config import FinetuneSettings, TrainSettings
from deepsound.errors import ConfigError, NetworkMismatchError, NetworkUnavailableError, ParameterError
from deepsound.models.export import export_onnx
from deepsound.models.vggish import build_pooled_head, build_vggish, count_patches, unfreeze
from deepsound.networks.engine import load_engine
from deepsound.networks.vggish import VggishWidths, build_vggish_onnx, make_random_weights, read_vggish_onnx
from deepsound.training.epochs import EpochRecorder
from deepsound.training.finetune import finetune, prepare_pretrained
from tests.tiny_vggish import make_variables, write_saved_model

N_PATCHES, N_GENRES = 2, 3


def log_mel(rng, *shape):
    """Numbers as log-mel has them: between ln 0.01 and some 3."""
    return rng.uniform(-4.6, 3, size=shape).astype(np.float32)


def make_labelled(seed, n_segments):
    """Segments whose genre is told by the band that is loud."""
    rng = np.random.default_rng(seed)
    genres = np.arange(n_segments) % N_GENRES
    values = log_mel(rng, n_segments, N_PATCHES * 96, 64) / 4 - 3
    for segment, genre in zip(values, genres, strict=True):
        segment[:, 20 * genre : 20 * genre + 15] += 4
    return values, genres


def make_settings(**asked):
    settings = {"network": "random:3", "epochs": 3, "learning_rate": 1e-3, **asked}
    return TrainSettings(
        feature="vggish_log_mel",
        architecture="vggish_finetune",
        epochs=2,
        learning_rate=0.003,
        batch_size=8,
        finetune=FinetuneSettings(**settings),
    )


def run(settings):
    keras.utils.set_random_seed(0)
    recorder = EpochRecorder(lambda *_: None)
    train, validation = make_labelled(0, 24), make_labelled(1, 12)
    model = finetune(train, validation, n_genres=N_GENRES, settings=settings, recorder=recorder)
    return model, recorder, validation


def loss_of(model, labelled):
    values, genres = labelled
    logits = np.asarray(model.predict(values, verbose=0), np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(genres)), genres]))


def vggish_weights(model):
    return {layer.name: layer.get_weights() for layer in model.get_layer("vggish").layers if layer.weights}


def moved_layers(model, seed=3):
    widths = VggishWidths(conv1=4, conv2=6, conv3=8, conv4=10, dense=24)
    before = make_random_weights(seed, widths=widths)
    pairs = zip(vggish_weights(model).items(), before.kernels, strict=True)
    return [name for (name, (kernel, _)), former in pairs if not np.array_equal(kernel, former)]


# ---- the network


def test_keras_network_equals_the_engine_that_extracts(networks):
    network = next(n for n in networks if n.feature == "vggish")
    patches = log_mel(np.random.default_rng(0), 5, 96, 64)
    model = build_vggish(read_vggish_onnx(pathlib.Path(network.path)))
    got, expected = model.predict(patches, verbose=0), load_engine(network).run(patches)
    assert (expected < 0).any(), "before the last ReLU"
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_weights_come_back_from_onnx_as_they_were(tmp_path):
    weights = make_random_weights(5, widths=VggishWidths(conv1=3, conv2=4, conv3=5, conv4=7, dense=9))
    (tmp_path / "v.onnx").write_bytes(build_vggish_onnx(weights))
    again = read_vggish_onnx(tmp_path / "v.onnx")
    for got, expected in zip((*again.kernels, *again.biases), (*weights.kernels, *weights.biases), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_head_standardises_and_averages():
    rng = np.random.default_rng(0)
    mean, std, values = rng.normal(size=128), rng.uniform(0.1, 2, size=128), rng.normal(size=(4, N_PATCHES, 128))
    head = build_pooled_head(mean, std, n_patches=N_PATCHES, n_genres=N_GENRES, dropout=0.5)
    kernel, bias = head.get_layer("logits").get_weights()
    expected = ((values - mean) / std).mean(axis=1) @ kernel + bias
    np.testing.assert_allclose(head(values.astype(np.float32)), expected, rtol=1e-3, atol=1e-4)
    assert [tuple(weight.shape) for weight in head.trainable_variables] == [(128, N_GENRES), (N_GENRES,)]


def test_another_network_is_not_read_as_vggish(networks, tmp_path):
    musicnn = next(n for n in networks if n.feature == "musicnn")
    (tmp_path / "text.onnx").write_text("no network")
    for path in (pathlib.Path(musicnn.path), tmp_path / "text.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(NetworkMismatchError, match=r"is no converted VGGish|no ONNX model"):
            read_vggish_onnx(path)


@pytest.mark.parametrize(("shape", "n"), [((96, 64), 1), ((960, 64), 10)])
def test_patches_of_a_feature(shape, n):
    assert count_patches(shape) == n


@pytest.mark.parametrize("shape", [(95, 64), (0, 64), (100, 64), (96, 128)])
def test_a_feature_of_something_else(shape):
    with pytest.raises(ParameterError, match="log-mel patches"):
        count_patches(shape)


# ---- training


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_upper_blocks_learn_and_the_lower_ones_stay(tmp_path):
    model, recorder, validation = run(make_settings())
    assert moved_layers(model) == ["conv4_1", "conv4_2", "fc_1", "fc_2", "fc_3"]
    assert len(recorder.history) == 2 + 3
    assert recorder.best_epoch >= 2, "going through the network pays here"
    assert loss_of(model, validation) == pytest.approx(recorder.history[recorder.best_epoch]["val_loss"], rel=1e-4)
    assert loss_of(model, validation) < 0.5 * min(epoch["val_loss"] for epoch in recorder.history[:2])

    probe = validation[0]
    session = onnxruntime.InferenceSession(export_onnx(model, probe=probe[:2]))
    got, penultimate = session.run(["logits", "penultimate"], {session.get_inputs()[0].name: probe})
    expected = model.predict(probe, verbose=0)
    assert got.shape == (12, N_GENRES)
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max())
    weights, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(penultimate @ weights + bias, expected, atol=1e-4 * np.abs(expected).max())

    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again.predict(probe, verbose=0), expected)


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_the_second_stage_goes_on_where_the_first_ended():
    model, recorder, _ = run(make_settings(epochs=1, learning_rate=1e-12, unfreeze=["fc"]))
    first = min(epoch["val_loss"] for epoch in recorder.history[:2])
    assert recorder.history[2]["val_loss"] == pytest.approx(first, rel=1e-4)
    assert set(moved_layers(model)) <= {"fc_1", "fc_2", "fc_3"}


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_a_second_stage_that_harms_is_not_kept():
    model, recorder, validation = run(make_settings(learning_rate=1.0))
    assert recorder.best_epoch < 2
    assert moved_layers(model) == []
    best = recorder.history[recorder.best_epoch]["val_loss"]
    assert loss_of(model, validation) == pytest.approx(best, rel=1e-4)


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_without_blocks_only_the_head_learns():
    model, recorder, _ = run(make_settings(unfreeze=[]))
    assert moved_layers(model) == []
    assert len(recorder.history) == 2


# ---- refusals


def test_no_weights_no_training():
    with pytest.raises(NetworkUnavailableError, match=r"/nowhere/vggish.*--set finetune\.network="):
        prepare_pretrained("/nowhere/vggish", shape=(96, 64), report=print)


def test_a_network_that_computes_something_else(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(tmp_path / "cache"))
    folder = write_saved_model(tmp_path / "louder", make_variables(), finish=lambda x: 1.01 * x)
    with pytest.raises(NetworkMismatchError, match="computes something else"):
        prepare_pretrained(str(folder), shape=(96, 64), report=lambda _: None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"unfreeze": ["conv4"]}, "without a gap"),
        ({"unfreeze": ["fc", "conv3"]}, "without a gap"),
        ({"unfreeze": ["fc", "fc"]}, "without a gap"),
        ({"unfreeze": ["dense"]}, "without a gap"),
        ({"network": " "}, "finetune.network"),
        ({"epochs": 0}, "finetune.epochs"),
        ({"batch_size": 0}, "finetune.batch_size"),
        ({"learning_rate": 0.0}, "finetune.learning_rate"),
        ({"dropout": 1.0}, "finetune.dropout"),
    ],
)
def test_settings_refused(asked, message):
    with pytest.raises(ConfigError, match=message):
        FinetuneSettings(**asked)


def test_the_feature_must_be_log_mel():
    with pytest.raises(ConfigError, match=r"'feature' is 'mfcc'; wanted vggish_log_mel"):
        TrainSettings(architecture="vggish_finetune")
    assert TrainSettings().pretrained is None
    assert make_settings().pretrained == "random:3"


def test_unknown_blocks_are_named(networks):
    network = next(n for n in networks if n.feature == "vggish")
    model = build_vggish(read_vggish_onnx(pathlib.Path(network.path)))
    with pytest.raises(ParameterError, match="VGGish has no conv9"):
        unfreeze(model, ["conv9"])
