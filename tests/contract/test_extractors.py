"""One suite over every feature there is: the laws of deepsound.features.base."""

import json

import numpy as np
import pytest

from deepsound.config import ExtractSettings
from deepsound.errors import ConfigError, ParameterError
from deepsound.features.registry import FEATURES, check_segment_length, find_features, load_extractors


@pytest.fixture(params=FEATURES.own_names())
def extractor(request, networks):
    return load_extractors(find_features([request.param]), networks=networks)[0]


@pytest.fixture
def n_samples(extractor):
    """A second, or the shortest that the feature takes."""
    return max(extractor.sample_rate_hz, extractor.min_samples)


@pytest.mark.parametrize("segment_s", [3.0, 4.1, 10.0, 30.0])
def test_shape_law(extractor, segment_s):
    waveform = np.random.default_rng(0).normal(size=round(segment_s * extractor.sample_rate_hz)).astype(np.float32)
    array = extractor.compute(waveform)
    assert array.shape == extractor.shape(segment_s)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()


@pytest.mark.parametrize("kind", ["silence", "dc", "clipped", "one sample"])
def test_odd_signals_give_finite_numbers(extractor, n_samples, kind):
    signals = {
        "silence": np.zeros(n_samples),
        "dc": np.full(n_samples, 0.5),
        "clipped": np.sign(np.sin(np.arange(n_samples) / 20)),
        "one sample": np.eye(1, n_samples)[0],
    }
    assert np.isfinite(extractor.compute(signals[kind].astype(np.float32))).all()


def test_shortest_waveform_gives_one_frame_or_more(extractor):
    assert len(extractor.compute(np.zeros(extractor.min_samples, np.float32))) >= 1
    with pytest.raises(ParameterError, match=r"wanted \(n_samples,\)"):
        extractor.compute(np.zeros(extractor.min_samples - 1, np.float32))


def test_shortest_segment_is_told_before_any_work(extractor):
    shortest_s = extractor.min_samples / extractor.sample_rate_hz
    fits = ExtractSettings(segment_s=shortest_s)
    check_segment_length([extractor], settings=fits)
    assert extractor.shape(shortest_s)[0] >= 1
    if extractor.min_samples > 1:
        with pytest.raises(ConfigError, match=f"one patch of '{extractor.name}' takes"):
            check_segment_length([extractor], settings=ExtractSettings(segment_s=shortest_s * 0.99))


def test_double_precision_input_gives_the_same(extractor, n_samples):
    waveform = np.random.default_rng(1).normal(size=n_samples).astype(np.float32)
    single, double = extractor.compute(waveform), extractor.compute(waveform.astype(np.float64))
    assert double.dtype == np.float32
    np.testing.assert_allclose(single, double, atol=1e-3)


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
def test_not_a_waveform(extractor, shape):
    with pytest.raises(ParameterError, match=r"wanted \(n_samples,\)"):
        extractor.compute(np.zeros(shape, np.float32))


def test_definition_is_json_and_names_a_version(extractor):
    assert json.loads(json.dumps(extractor.definition()))["version"] == extractor.version


def test_an_embedding_is_defined_by_its_weights(extractor):
    network = extractor.definition().get("network")
    assert network == (
        None if extractor.network is None else {"digest": extractor.network.digest, "engine": "onnx"}
    )
