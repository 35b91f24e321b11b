import dataclasses
import json

import numpy as np
import pytest
import scipy.special

from deepsound.errors import BundleError, ParameterError
from deepsound.models.bundle import read_bundle, write_bundle
from deepsound.models.head import Head, PackedHead, load_head


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
