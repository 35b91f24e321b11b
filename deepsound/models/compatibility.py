"""The features that a model is trained on, and whether others are the same."""

import json
from collections.abc import Mapping

from deepsound.data.contract import FeatureSummary
from deepsound.errors import FingerprintMismatchError
from deepsound.models.bundle import Bundle, ModelFeature


def take_feature(summary: FeatureSummary, name: str, *, network: str | None) -> ModelFeature:
    """A declared feature as one of a model, which may have a ``network`` of its own to run on it."""
    return ModelFeature(
        name=name,
        fingerprint=summary.fingerprint_of(name),
        network=network or summary.network_of(name),
        package=summary.package_of(name),
    )


def check_features(bundle: Bundle, summary: FeatureSummary) -> None:
    """Refuse a FEATURES folder whose features are of another shape or definition than the model's.

    Raises UnknownFeatureError if the folder declares no feature of such a name; FingerprintMismatchError if it is
    another.
    """
    found = summary.layout_of(*bundle.columns)
    for name, shape, wanted in zip(bundle.columns, found.shapes, bundle.head.spec.layout.shapes, strict=True):
        if shape != wanted:
            raise FingerprintMismatchError(
                f"the model wants {name} of {wanted}, the features hold {shape}; was another segment_s used?"
            )
    check_fingerprints(
        bundle, {name: summary.fingerprint_of(name) for name in bundle.columns}, where="the features"
    )


def check_fingerprints(bundle: Bundle, found: Mapping[str, str], *, where: str) -> None:
    """Refuse features, given as fingerprints by name, of other definitions than the model's."""
    for feature in bundle.features:
        if found[feature.name] != feature.fingerprint:
            raise FingerprintMismatchError(
                f"the model was trained on {feature.name} with the fingerprint {feature.fingerprint[:12]}, "
                f"{where} gives {found[feature.name][:12]}: other settings or another definition. Extract again "
                f"with the model's settings: {json.dumps(bundle.extract_settings)}"
            )
