"""Fingerprints: two features with the same one were made by the same definition and may be compared."""

from collections.abc import Sequence
from typing import Any

from deepsound.config import ExtractSettings
from deepsound.features.base import FeatureExtractor
from deepsound.features.registry import FEATURES
from deepsound.settings import compute_fingerprint

# Raised whenever decoding, downmix, normalisation, segmentation or resampling give other numbers.
_SIGNAL_VERSION = 2


def declare_features(
    extractors: Sequence[FeatureExtractor], *, settings: ExtractSettings
) -> dict[str, dict[str, Any]]:
    """The ``features`` entry of ``extract.json``: name to shape, definition and own fingerprint.

    A feature's own fingerprint does not depend on which other features were extracted beside it, so a model
    on ``mfcc`` accepts a folder that holds ``mfcc`` alone as well as one that holds more.
    """
    return {extractor.name: _declare(extractor, settings) for extractor in extractors}


def fingerprint_of(declared: dict[str, dict[str, Any]]) -> str:
    """Fingerprint of a whole extraction: of all its features together."""
    return compute_fingerprint({name: spec["fingerprint"] for name, spec in declared.items()})


def _declare(extractor: FeatureExtractor, settings: ExtractSettings) -> dict[str, Any]:
    # Where the weights came from is for people to read; what they are is in the definition.
    network = {"network": extractor.network.source} if extractor.network else {}
    plugin = FEATURES.find(extractor.name)
    package = {"package": plugin.package} if plugin and plugin.package else {}
    return {
        "shape": list(extractor.shape(settings.segment_s)),
        "sample_rate_hz": extractor.sample_rate_hz,
        **network,
        **package,
        "definition": extractor.definition(),
        "fingerprint": compute_fingerprint(_numbers_behind(extractor, settings)),
    }


def _numbers_behind(extractor: FeatureExtractor, settings: ExtractSettings) -> dict[str, Any]:
    plugin = FEATURES.find(extractor.name)
    # Two packages may have a feature of one name.
    module = {"module": plugin.module} if plugin and plugin.module else {}
    return {
        "feature": extractor.name,
        **module,
        "definition": extractor.definition(),
        "settings": settings.numeric_part(),
        "signal_version": _SIGNAL_VERSION,
    }
