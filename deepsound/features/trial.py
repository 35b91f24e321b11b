"""An extractor of another package against what it says of itself, before a job of days relies on it."""

import json

import numpy as np

from deepsound.errors import PluginError, first_line
from deepsound.features.base import FeatureExtractor
from deepsound.plugins import Plugin


def try_extractor(extractor: FeatureExtractor, *, feature: Plugin) -> None:
    """Compute the feature of a second of noise, or of its shortest segment.

    Raises
    ------
    PluginError
        It fails, or it is not finite float32 of the shape that it should be, or its definition names no version.
    """
    try:
        n_samples = max(extractor.sample_rate_hz, extractor.min_samples)
        noise = np.random.default_rng(0).uniform(-1, 1, n_samples).astype(np.float32)
        wanted = tuple(extractor.shape(n_samples / extractor.sample_rate_hz))
        got = extractor.compute(noise)
        version = json.loads(json.dumps(extractor.definition()))["version"]
    except Exception as exc:  # whatever a stranger's code does
        raise PluginError(f"{feature}, fails on noise: {type(exc).__name__}: {first_line(exc)}") from exc
    if version != extractor.version or extractor.network is not None:
        raise PluginError(
            f"{feature}, has the version {extractor.version}, {version} in its definition and the network "
            f"{extractor.network!r:.50}; wanted one version and None"
        )
    if not isinstance(got, np.ndarray) or got.shape != wanted or got.dtype != np.float32:
        told = f"{got.dtype} of {got.shape}" if isinstance(got, np.ndarray) else type(got).__name__
        raise PluginError(f"{feature}, makes {told} of noise; wanted float32 of {wanted}")
    if not np.isfinite(got).all():
        raise PluginError(f"{feature}, makes numbers of noise that are not finite")
