"""One suite over every feature there is: the laws of deepsound.features.base."""

import json

import numpy as np
import pytest

from deepsound.errors import ParameterError
from deepsound.features.registry import _BUILDERS, load_extractors


@pytest.fixture(params=sorted(_BUILDERS))
def extractor(request):
    return load_extractors((request.param,))[0]


@pytest.mark.parametrize("segment_s", [1.0, 2.5, 10.0])
def test_shape_law(extractor, segment_s):
    waveform = np.random.default_rng(0).normal(size=round(segment_s * extractor.sample_rate_hz)).astype(np.float32)
    array = extractor.compute(waveform)
    assert array.shape == extractor.shape(segment_s)
    assert array.dtype == np.float32
    assert np.isfinite(array).all()


@pytest.mark.parametrize("kind", ["silence", "dc", "clipped", "one sample"])
def test_odd_signals_give_finite_numbers(extractor, kind):
    n_samples = extractor.sample_rate_hz
    signals = {
        "silence": np.zeros(n_samples),
        "dc": np.full(n_samples, 0.5),
        "clipped": np.sign(np.sin(np.arange(n_samples) / 20)),
        "one sample": np.eye(1, n_samples)[0],
    }
    assert np.isfinite(extractor.compute(signals[kind].astype(np.float32))).all()


def test_double_precision_input_gives_the_same(extractor):
    waveform = np.random.default_rng(1).normal(size=extractor.sample_rate_hz).astype(np.float32)
    single, double = extractor.compute(waveform), extractor.compute(waveform.astype(np.float64))
    assert double.dtype == np.float32
    np.testing.assert_allclose(single, double, atol=1e-3)


@pytest.mark.parametrize("shape", [(0,), (2, 100)])
def test_not_a_waveform(extractor, shape):
    with pytest.raises(ParameterError, match=r"wanted \(n_samples,\)"):
        extractor.compute(np.zeros(shape, np.float32))


def test_definition_is_json_and_names_a_version(extractor):
    assert json.loads(json.dumps(extractor.definition()))["version"] == extractor.version
