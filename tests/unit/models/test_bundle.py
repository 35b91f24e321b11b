import dataclasses
import json

import numpy as np
import pytest
import scipy.special

from deepsound.errors import BundleError, ParameterError
from deepsound.models import head as head_module
from deepsound.models.bundle import read_bundle, write_bundle
from deepsound.models.head import Head, PackedHead, load_head, open_head


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    (tmp_path / "w.keras").write_bytes(b"weights")
    write_bundle(tiny_bundle, folder=tmp_path / "bundle", keras_weights=tmp_path / "w.keras")
    return tmp_path / "bundle"


def test_round_trip(folder, tiny_bundle):
    again = read_bundle(folder)
    assert again.head == tiny_bundle.head
    assert again.split.equals(tiny_bundle.split)
    assert (again.ood, again.feature_fingerprint) == (tiny_bundle.ood, tiny_bundle.feature_fingerprint)


def test_damage_is_noticed(folder):
    head = (folder / "head.onnx").read_bytes()
    (folder / "head.onnx").write_bytes(head[:-1] + b"x")
    with pytest.raises(BundleError, match="not the file the bundle was written with"):
        read_bundle(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**manifest, "format_version": 99}))
    with pytest.raises(BundleError, match="bundle format 99; deepsound"):
        read_bundle(folder)
    (folder / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="is not JSON"):
        read_bundle(folder)
    (folder / "bundle.json").unlink()
    with pytest.raises(BundleError, match="is no model bundle"):
        read_bundle(folder)


def test_head_equals_numpy(tiny_bundle, head_weights):
    features = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    scores = Head(tiny_bundle.head.spec, tiny_bundle.head.onnx_bytes).score(features)
    logits = ((features - [0, 1, -1]) / [1, 2, 0.5]).reshape(6, -1) @ head_weights
    np.testing.assert_allclose(scores.probabilities, scipy.special.softmax(logits / 2, axis=1), atol=1e-5)
    np.testing.assert_allclose(scores.ood["energy"], -scipy.special.logsumexp(logits, axis=1), atol=1e-4)


def test_many_segments_go_through_the_network_in_parts(tiny_bundle, monkeypatch):
    head = Head(tiny_bundle.head.spec, tiny_bundle.head.onnx_bytes)
    features = np.random.default_rng(0).normal(size=(7, 4, 3)).astype(np.float32)
    together = head.compute_logits(features)
    monkeypatch.setattr(head_module, "_MAX_VALUES", 30)
    run, n_at_a_time = head._run_at_once, []
    monkeypatch.setattr(head, "_run_at_once", lambda part, name: n_at_a_time.append(len(part)) or run(part, name))
    np.testing.assert_array_equal(head.compute_logits(features), together)
    assert n_at_a_time == [2, 2, 2, 1]
    assert head.compute_logits(features[:0]).shape == (0, 3)


def test_a_head_is_opened_from_a_file_as_from_its_bytes(tiny_bundle, tmp_path):
    (tmp_path / "head.onnx").write_bytes(tiny_bundle.head.onnx_bytes)
    features = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    opened = open_head(tiny_bundle.head.spec, str(tmp_path / "head.onnx"))
    np.testing.assert_array_equal(
        opened.compute_logits(features), load_head(tiny_bundle.head).compute_logits(features)
    )
    with pytest.raises(BundleError, match="no ONNX model"):
        open_head(tiny_bundle.head.spec, str(tmp_path / "absent.onnx"))


def test_head_is_cached_by_content(tiny_bundle):
    packed = tiny_bundle.head
    copy = PackedHead(dataclasses.replace(packed.spec), bytes(bytearray(packed.onnx_bytes)))
    assert load_head(packed) is load_head(copy)
    hotter = PackedHead(dataclasses.replace(packed.spec, temperature=9.0), packed.onnx_bytes)
    assert load_head(hotter) is not load_head(packed)
    assert hotter.digest != packed.digest == copy.digest


def test_head_refuses(tiny_bundle):
    spec = tiny_bundle.head.spec
    with pytest.raises(ParameterError, match="wants"):
        Head(spec, tiny_bundle.head.onnx_bytes).compute_logits(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(BundleError, match="no ONNX model"):
        Head(spec, b"not onnx")
    with pytest.raises(BundleError, match="its bundle says"):
        Head(dataclasses.replace(spec, genres=("a", "b")), tiny_bundle.head.onnx_bytes)
