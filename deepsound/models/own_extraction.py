"""How models want new audio to be extracted: as their own features were."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.errors import ConfigError, UnknownFeatureError
from deepsound.features.registry import FEATURES
from deepsound.models.bundle import Bundle
from deepsound.settings import flatten, from_plain, to_plain

# Settings of a model's extraction that are not those of the numbers in its feature.
_NOT_COMPARED = ("features", "network", "source", "labels", "duplicates", "shard_files", "max_failure_fraction")


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A model: ``uri`` is how the user named it, ``name`` how its results are called."""

    name: str
    uri: str
    bundle: Bundle


def name_models(bundles: Sequence[tuple[str, Bundle]]) -> tuple[NamedModel, ...]:
    """Models, from pairs of URI and bundle, named after their features; numbered where a feature repeats."""
    features = [bundle.feature for _, bundle in bundles]
    names = [
        feature if features.count(feature) == 1 else f"{feature}-{features[:i].count(feature) + 1}"
        for i, feature in enumerate(features)
    ]
    return tuple(NamedModel(name=name, uri=uri, bundle=b) for name, (uri, b) in zip(names, bundles, strict=True))


def own_settings(models: Sequence[NamedModel], settings: ScoreSettings) -> ExtractSettings:
    """How the models' own features were extracted, for new audio with labels and a network of its own.

    Raises ConfigError: the models' features were extracted with different settings, so that no one extraction
    serves all; UnknownFeatureError: a feature of a package that is not here.
    """
    for model in models:
        _check_features_are_known(model)
    first = models[0]
    for other in models[1:]:
        _check_same_settings(first, other)
    labels = replace(settings.labels, map=None, endings=True)  # applied to the predictions
    features = list(dict.fromkeys(name for model in models for name in model.bundle.columns))
    own = {**first.bundle.extract_settings, "features": features, "labels": to_plain(labels)}
    own["duplicates"] = "keep"  # every file gets a score
    own["source"] = {}
    network = next((m.bundle.extract_settings["network"] for m in models if m.bundle.network), None)
    if (settings.network or network) is not None:
        own["network"] = settings.network or network
    return from_plain(ExtractSettings, own, where="the model's settings")


def _check_features_are_known(model: NamedModel) -> None:
    for feature in model.bundle.features:
        if feature.package is not None and FEATURES.find(feature.name) is None:
            raise UnknownFeatureError(
                f"{model.uri} was trained on '{feature.name}', a feature of the package {feature.package}, which "
                "is not installed here: install it, or give features that lie there already"
            )


def _check_same_settings(a: NamedModel, b: NamedModel) -> None:
    one, other = (
        flatten({k: v for k, v in m.bundle.extract_settings.items() if k not in _NOT_COMPARED}) for m in (a, b)
    )
    different = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    if different:
        told = "; ".join(f"{key} {one.get(key)} and {other.get(key)}" for key in different)
        raise ConfigError(
            f"{a.uri} and {b.uri} want audio extracted differently: {told}. Score them one by one, or give "
            "features"
        )
