import keras
import numpy as np
import pytest

from deepsound.config import TrainSettings
from deepsound.data.layout import Layout
from deepsound.errors import ParameterError
from deepsound.models.architectures import build_model
from deepsound.models.ensemble import average_heads
from deepsound.models.export import export_onnx
from deepsound.models.head import Head, HeadSpec


def build_members(architecture, n):
    settings, members = TrainSettings(feature="x", architecture=architecture), []
    for seed in range(n):
        keras.utils.set_random_seed(seed)
        member = build_model(settings.networks, layout=Layout(((6, 8),)), n_genres=3)
        kernel, bias = member.get_layer("logits").get_weights()
        member.get_layer("logits").set_weights([kernel, bias + seed + np.arange(3) / 3])
        members.append(member)
    return members


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_one_head_one_file_one_session(architecture, tmp_path):
    members = build_members(architecture, 3)
    together = average_heads(members)
    segments = np.random.default_rng(0).normal(size=(7, 6, 8)).astype(np.float32)
    expected = np.mean([member(segments, training=False) for member in members], axis=0)
    np.testing.assert_allclose(together(segments, training=False), expected, atol=1e-6)
    spec = HeadSpec(
        genres=("a", "b", "c"),
        layout=Layout(((6, 8),)),
        mean=(0.0,) * 8,
        std=(1.0,) * 8,
        temperature=1.0,
        transforms=("none",),
    )
    head = Head(spec, export_onnx(together, probe=segments))
    np.testing.assert_allclose(head.compute_logits(segments), expected, atol=1e-5)
    own = [keras.Model(m.input, m.get_layer("penultimate").output)(segments, training=False) for m in members]
    np.testing.assert_allclose(head.score(segments).penultimate, np.concatenate(own, axis=1), atol=1e-5)
    together.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again(segments, training=False), expected, atol=1e-6)


def test_members_of_different_kinds_are_divided_by_their_temperatures():
    members = [*build_members("cnn", 2), *build_members("lda", 1)]
    together = average_heads(members, temperatures=[1.0, 0.5, 4.0])
    segments = np.random.default_rng(0).normal(size=(7, 6, 8)).astype(np.float32)
    first, second, third = (member(segments, training=False) for member in members)
    expected = (first + second / 0.5 + third / 4) / 3
    np.testing.assert_allclose(together(segments, training=False), expected, atol=1e-5)
    export_onnx(together, probe=segments)  # raises where they differ


def test_one_member_is_itself_and_none_is_refused():
    (member,) = build_members("mlp", 1)
    assert average_heads([member]) is member
    with pytest.raises(ParameterError, match="at least one"):
        average_heads([])
