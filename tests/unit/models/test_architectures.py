"""The heads: shapes in and out, what the settings change, and the same numbers as ONNX."""

from dataclasses import replace

import keras
import numpy as np
import onnxruntime
import pytest

from deepsound.config import (
    ARCHITECTURES,
    CNN_FOR_EMBEDDINGS,
    CNN_FOR_MFCC,
    SUITED_TO_EMBEDDINGS,
    SUITED_TO_MFCC,
    CnnSettings,
    LstmSettings,
    MlpSettings,
    TrainSettings,
    TransformerSettings,
)
from deepsound.data.layout import Layout
from deepsound.errors import BundleError, ConfigError
from deepsound.models.architectures import build_model
from deepsound.models.export import export_onnx
from deepsound.models.head import Head, HeadSpec

CASES = [
    ("cnn", (1292, 13)),
    ("cnn", (10, 128)),
    ("cnn", (1, 128)),
    ("lstm", (431, 13)),
    ("lstm", (5, 200)),
    ("transformer", (431, 13)),
    ("transformer", (31, 128)),
    ("mlp", (431, 13)),
    ("mlp", (5, 200)),
    ("mlp", (1, 128)),
    ("lda", (431, 13)),
    ("lda", (1, 128)),
    ("logistic", (5, 200)),
]


def kernels(model):
    return [w.shape for layer in model.layers if "conv" in layer.name for w in layer.weights]


def build(architecture, shape, seed=0, **asked):
    """A head of 7 genres whose batch norms have seen something, as after training."""
    feature = "mfcc" if shape[1] == 13 else "embedding"
    keras.utils.set_random_seed(seed)
    settings = TrainSettings(feature=feature, architecture=architecture, **asked)
    model = build_model(settings.networks, layout=Layout((shape,)), n_genres=7)
    model(3 * np.random.default_rng(1).normal(size=(16, *shape)).astype(np.float32), training=True)
    return model


@pytest.mark.parametrize(("architecture", "shape"), CASES, ids=str)
def test_the_same_numbers_as_onnx_at_any_batch_size(architecture, shape):
    model = build(architecture, shape)
    rng = np.random.default_rng(0)
    onnx_bytes = export_onnx(model, probe=rng.normal(size=(3, *shape)).astype(np.float32))
    session = onnxruntime.InferenceSession(onnx_bytes)
    assert [output.name for output in session.get_outputs()] == ["logits", "penultimate"]
    weights, bias = model.get_layer("logits").get_weights()
    for n_segments in (1, 2, 7):
        segments = rng.normal(size=(n_segments, *shape)).astype(np.float32)
        logits, penultimate = session.run(None, {session.get_inputs()[0].name: segments})
        expected = np.asarray(model(segments, training=False))
        assert logits.shape == (n_segments, 7)
        scale = max(1, np.abs(expected).max())
        np.testing.assert_allclose(logits, expected, atol=1e-5 * scale, rtol=0)
        np.testing.assert_allclose(penultimate @ weights + bias, expected, atol=1e-4 * scale, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_several_features_have_a_branch_each_and_one_graph(architecture):
    layout, rng = Layout(((31, 13), (5, 20))), np.random.default_rng(0)
    networks = TrainSettings(feature="mfcc+musicnn", architecture=architecture).networks
    assert networks == (SUITED_TO_MFCC[architecture], SUITED_TO_EMBEDDINGS[architecture])
    keras.utils.set_random_seed(0)
    model = build_model(networks, layout=layout, n_genres=3)
    parts = [rng.normal(size=(4, *shape)).astype(np.float32) for shape in layout.shapes]
    values = layout.join(parts)
    model(3 * values, training=True)
    session = onnxruntime.InferenceSession(export_onnx(model, probe=values))
    logits, penultimate = session.run(None, {session.get_inputs()[0].name: values})
    expected = np.asarray(model(values, training=False))
    np.testing.assert_allclose(logits, expected, atol=1e-5 * max(1, np.abs(expected).max()), rtol=0)
    # What the last layer sees of one feature, the other has no part in; only an MLP's hidden layers join them.
    for changed in range(2):
        other = [part + (number == changed) for number, part in enumerate(parts)]
        seen = session.run(None, {session.get_inputs()[0].name: layout.join(other)})[1]
        is_moved = np.abs(seen - penultimate).max(axis=0) > 1e-5
        n_of_first = branch_width(networks[0], layout.shapes[0])
        if architecture == "mlp":
            assert is_moved.any()
        else:
            assert is_moved[:n_of_first].any() == (changed == 0)
            assert is_moved[n_of_first:].any() == (changed == 1)


def branch_width(network, shape):
    model = build_model([network], layout=Layout((shape,)), n_genres=3)
    return model.get_layer("penultimate").output.shape[1]


def test_export_refuses_another_network(monkeypatch):
    """What keeps a wrong conversion out: here the exporter is given the weights of another seed."""
    model, other = build("mlp", (5, 200)), build("mlp", (5, 200), seed=1)
    export = keras.Model.export

    def export_other(both, *args, **kwargs):
        both.set_weights(other.get_weights())
        export(both, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "export", export_other)
    with pytest.raises(BundleError, match="exported head's logits differ from Keras by"):
        export_onnx(model, probe=np.ones((2, 5, 200), np.float32))


def test_a_head_gives_its_penultimate_numbers_and_an_old_one_none(tiny_bundle):
    model = build("mlp", (4, 3))
    segments = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    mean, std = (1.0, 0.0, 2.0), (2.0, 1.0, 3.0)
    spec = HeadSpec(
        genres=tuple("abcdefg"),
        layout=Layout(((4, 3),)),
        mean=mean,
        std=std,
        temperature=1.0,
        transforms=("none",),
    )
    head = Head(spec, export_onnx(model, probe=segments))
    before_last = keras.Model(model.input, model.get_layer("penultimate").output)
    expected = before_last((segments - np.float32(mean)) / np.float32(std), training=False)
    np.testing.assert_allclose(head.score(segments).penultimate, expected, atol=1e-5)
    assert head.compute_logits(segments).shape == (5, 7)
    old = Head(tiny_bundle.head.spec, tiny_bundle.head.onnx_bytes)
    assert old.compute_logits(segments).shape == (5, 3)
    assert old.score(segments).penultimate is None


@pytest.mark.parametrize("architecture", ["cnn", "lstm", "transformer", "mlp"])
def test_the_saved_model_is_the_same_and_holds_no_code(architecture, tmp_path):
    model = build(architecture, (6, 8))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    segments = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
    np.testing.assert_allclose(again(segments), model(segments), atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "feature", "n_frames"),
    [("lstm", "vggish", 1), ("transformer", "mfcc", 8), ("lstm", "mfcc", 4)],
)
def test_one_step_in_time_is_no_sequence(architecture, feature, n_frames):
    settings = TrainSettings(feature=feature, architecture=architecture)
    with pytest.raises(ConfigError, match=rf"'{architecture}' works on a sequence; .* {n_frames} frames"):
        build_model(settings.networks, layout=Layout(((n_frames, 13),)), n_genres=3)
    longer = build_model(settings.networks, layout=Layout(((n_frames + 1, 13),)), n_genres=3)
    assert longer.output_shape == (None, 3)


def test_a_kernel_of_0_dims_spans_all_of_them():
    layout = Layout(((10, 128),))
    assert kernels(build_model([CNN_FOR_EMBEDDINGS], layout=layout, n_genres=3)) == [(1, 128, 1, 128)]
    deep = replace(CNN_FOR_EMBEDDINGS, filters=(8, 16), kernel_size=(2, 0))
    assert kernels(build_model([deep], layout=layout, n_genres=3)) == [(2, 128, 1, 8), (2, 1, 8, 16)]


def test_batch_norm_comes_after_pooling_where_there_is_less_to_do():
    layers = build_model([CNN_FOR_MFCC], layout=Layout(((431, 13),)), n_genres=3).layers
    norms = [layer.input.shape[1:] for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms == [(144, 7, 32), (48, 4, 64), (16, 2, 96)]


def test_kernel_depth_and_width_are_settings():
    asked = CnnSettings(kernel_size=(5, 7), filters=(4, 6))
    networks = TrainSettings(feature="vggish", cnn=asked).networks
    model = build_model(networks, layout=Layout(((31, 128),)), n_genres=3)
    assert kernels(model) == [(5, 7, 1, 4), (5, 7, 4, 6)]


def test_the_hidden_layer_and_the_dropouts():
    def dense_and_dropout(cnn):
        layers = build_model([cnn], layout=Layout(((10, 13),)), n_genres=3).layers
        dense = [layer.units for layer in layers if "dense" in layer.name or layer.name == "logits"]
        return dense, [layer.rate for layer in layers if "dropout" in layer.name]

    assert dense_and_dropout(CNN_FOR_MFCC) == ([64, 3], [0.0, 0.4, 0.4])
    assert dense_and_dropout(CNN_FOR_EMBEDDINGS) == ([3], [0.3, 0.5])


def test_when_a_pattern_sounds_does_not_matter_but_where_it_stands_does():
    plain = replace(CNN_FOR_EMBEDDINGS, pool_size=(1,))
    model = build_model([plain], layout=Layout(((12, 16),)), n_genres=3)
    clip = np.zeros((1, 12, 16), np.float32)
    clip[0, 4, :4] = [1, -2, 3, 1]
    later, elsewhere = np.roll(clip, 3, axis=1), np.roll(clip, 3, axis=2)
    first, second, third = (model.predict(x, verbose=0) for x in (clip, later, elsewhere))
    np.testing.assert_allclose(second, first, atol=1e-5)
    assert np.abs(third - first).max() > 1e-3


def test_time_may_be_summed_up_by_any_statistic():
    segments = np.random.default_rng(0).normal(size=(3, 6, 4)).astype(np.float32)
    expected = {
        "mean": segments.mean(axis=1),
        "std": segments.std(axis=1),
        "min": segments.min(axis=1),
        "max": segments.max(axis=1),
    }
    for names in (("mean", "std", "min", "max"), ("max", "mean"), ("std",)):
        mlp = replace(SUITED_TO_MFCC["mlp"], statistics=names, units=())
        model = build_model([mlp], layout=Layout(((6, 4),)), n_genres=2)
        penultimate = keras.Model(model.input, model.get_layer("penultimate").output)(segments)
        wanted = np.concatenate([expected[name] for name in names], axis=1)
        # A fresh batch norm divides by sqrt(1 + 0.001).
        np.testing.assert_allclose(penultimate * np.sqrt(1.001), wanted, atol=1e-4)


def test_a_standard_deviation_of_nothing_has_a_gradient():
    """A constant feature, or one frame: sqrt has no finite slope at 0, and one NaN would end all learning."""
    import tensorflow as tf

    mlp = replace(SUITED_TO_MFCC["mlp"], statistics=("std",), units=())
    model = build_model([mlp], layout=Layout(((5, 3),)), n_genres=2)
    segments = tf.ones((2, 5, 3))
    with tf.GradientTape() as tape:
        tape.watch(segments)
        loss = tf.reduce_sum(model(segments)[:, 0])
    assert np.isfinite(tape.gradient(loss, segments)).all()


def test_frames_are_averaged_into_steps_and_the_rest_counts_too():
    lstm = replace(SUITED_TO_EMBEDDINGS["lstm"], frames_per_step=4)
    model = build_model([lstm], layout=Layout(((9, 2),)), n_genres=2)
    (pooling,) = (layer for layer in model.layers if layer.name.startswith("average_pooling1d"))
    steps = np.asarray(pooling(np.arange(18, dtype=np.float32).reshape(1, 9, 2)))[0, :, 0]
    # Nine frames in three steps: the three that are short of twelve are taken from both ends, not counted as 0.
    np.testing.assert_allclose(steps, [np.mean([0, 2, 4]), np.mean([6, 8, 10, 12]), np.mean([14, 16])])


def test_settings_of_each_architecture_change_the_network():
    def count(**asked):
        return build_model(
            TrainSettings(feature="x", **asked).networks, layout=Layout(((8, 6),)), n_genres=3
        ).count_params()

    # Four gates, each with weights from the input, from itself, and a bias.
    assert (
        count(architecture="lstm", lstm=LstmSettings(units=(5,), bidirectional=False)) == 4 * 5 * (6 + 5 + 1) + 18
    )
    assert count(architecture="lstm", lstm=LstmSettings(units=(5,))) == 2 * 4 * 5 * (6 + 5 + 1) + 33
    deep = LstmSettings(units=(5, 4), bidirectional=False, dense_units=2)
    assert count(architecture="lstm", lstm=deep) == 4 * 5 * 12 + 4 * 4 * (5 + 4 + 1) + (4 + 1) * 2 + (2 + 1) * 3
    # Statistics with four numbers of batch norm each, then the dense layers.
    assert count(architecture="mlp", mlp=MlpSettings(statistics=("mean", "max"), units=(7, 5))) == (
        12 * 4 + 13 * 7 + 8 * 5 + 6 * 3
    )
    assert count(architecture="mlp", mlp=MlpSettings(units=())) == 12 * 4 + 13 * 3
    block = 2 * 16 + 4 * (8 * 8 + 8) + (8 + 1) * 10 + (10 + 1) * 8
    small = TransformerSettings(width=8, n_heads=2, feedforward_units=10, n_blocks=3)
    assert count(architecture="transformer", transformer=small) == (3 * 6 + 1) * 8 + 3 * block + 16 + 27


def test_what_follows_on_what_matters_to_the_sequence_networks_and_not_to_the_mlp():
    segments = np.random.default_rng(0).normal(size=(2, 12, 16)).astype(np.float32)
    shuffled = segments[:, ::-1]
    for architecture, is_sequence in (("lstm", True), ("transformer", True), ("mlp", False)):
        model = build(architecture, (12, 16))
        gap = np.abs(np.asarray(model(segments)) - np.asarray(model(shuffled))).max()
        assert (gap > 1e-3) == is_sequence, architecture


def test_attention_reaches_from_one_end_to_the_other():
    model = build("transformer", (30, 16))
    after_attention = keras.Model(
        model.input, next(layer.output for layer in model.layers if "multi_head" in layer.name)
    )
    segment = np.random.default_rng(0).normal(size=(1, 30, 16)).astype(np.float32)
    other = segment.copy()
    other[0, 0] += 3
    gap = np.abs(np.asarray(after_attention(segment)) - np.asarray(after_attention(other)))[0, -1].max()
    assert gap > 1e-4
