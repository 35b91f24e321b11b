import dataclasses
import json

import numpy as np
import pytest
import scipy.special

from deepsound.errors import ParameterError
from deepsound.models.bundle import read_bundle, write_bundle
from deepsound.models.head import Head, PackedHead
from deepsound.models.transform import apply_transform, choose_transform


def test_logit_is_scipys_but_for_the_ends():
    p = np.linspace(0.001, 0.999, 50).reshape(2, 5, 5).astype(np.float32)
    transformed = apply_transform(p, "logit")
    assert transformed.dtype == np.float32
    np.testing.assert_allclose(transformed, scipy.special.logit(p), atol=1e-4)
    ends = apply_transform(np.array([0, 1, 1e-9], np.float32), "logit")
    np.testing.assert_allclose(ends, scipy.special.logit(np.array([1e-4, 1 - 1e-4, 1e-4])), rtol=1e-3)


def test_none_leaves_the_numbers():
    values = np.array([-3.5, 7], np.float32)
    assert apply_transform(values, "none") is values
    with pytest.raises(ParameterError, match="no transform is called 'sqrt'"):
        apply_transform(values, "sqrt")


def test_auto_takes_logit_for_probabilities_only():
    probabilities, others = np.array([0.0, 0.3, 1.0]), [np.array([0.0, 1.1]), np.array([-0.1, 0.5])]
    assert choose_transform("auto", values=probabilities) == "logit"
    assert choose_transform("none", values=probabilities) == "none"
    for values in others:
        assert choose_transform("auto", values=values) == "none"
        with pytest.raises(ParameterError, match="logit is for probabilities, 0 to 1"):
            choose_transform("logit", values=values)


def test_a_head_transforms_before_it_standardises_and_its_bundle_keeps_that(tiny_bundle, head_weights, tmp_path):
    spec = dataclasses.replace(tiny_bundle.head.spec, transforms=("logit",))
    bundle = dataclasses.replace(tiny_bundle, head=PackedHead(spec, tiny_bundle.head.onnx_bytes))
    features = np.random.default_rng(0).uniform(0.01, 0.99, size=(5, 4, 3)).astype(np.float32)
    expected = ((scipy.special.logit(features) - [0, 1, -1]) / [1, 2, 0.5]).reshape(5, -1) @ head_weights
    np.testing.assert_allclose(Head(spec, bundle.head.onnx_bytes).compute_logits(features), expected, rtol=1e-3)
    (tmp_path / "w.keras").write_bytes(b"weights")
    write_bundle(bundle, folder=tmp_path / "bundle", keras_weights=tmp_path / "w.keras")
    assert read_bundle(tmp_path / "bundle").head == bundle.head
    manifest = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    manifest |= {"format_version": 2, "feature": manifest.pop("features")[0]}
    del manifest["standardization"]["transforms"]
    (tmp_path / "bundle" / "bundle.json").write_text(json.dumps(manifest))
    assert read_bundle(tmp_path / "bundle").head.spec.transforms == ("none",)
