"""Which features there are, by the name that settings and columns use.

An extractor's module is imported when its feature is asked for: what it computes with takes a second to load.
"""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.config import ExtractSettings
from deepsound.errors import ConfigError, ParameterError, PluginError, UnknownFeatureError, first_line
from deepsound.plugins import Plugin, Registry

if TYPE_CHECKING:
    from deepsound.features.base import FeatureExtractor
    from deepsound.networks.engine import NetworkFile

FEATURES = Registry(
    "feature",
    group="deepsound.features",
    builtin={
        "mfcc": "deepsound.features.mfcc:MfccExtractor",
        "musicnn": "deepsound.features.musicnn:MusicnnExtractor",
        "vggish": "deepsound.features.vggish:VggishExtractor",
        "vggish_log_mel": "deepsound.features.vggish_log_mel:VggishLogMelExtractor",
    },
)


def find_features(names: Sequence[str]) -> tuple[Plugin, ...]:
    """Where the features of these names are, for :func:`load_extractors` in whatever process.

    Raises
    ------
    UnknownFeatureError
        Naming the features there are.
    """
    found = tuple(map(FEATURES.find, names))
    for name, plugin in zip(names, found, strict=True):
        if plugin is None:
            raise UnknownFeatureError(f"unknown feature '{name}'; known: {', '.join(FEATURES.names())}")
    return tuple(filter(None, found))


@functools.lru_cache(maxsize=8)
def load_extractors(
    features: tuple[Plugin, ...], *, networks: "tuple[NetworkFile, ...]" = (), n_threads: int = 1
) -> "tuple[FeatureExtractor, ...]":
    """The extractors, built once per process. A network is read at the first segment.

    Parameters
    ----------
    features : tuple of Plugin
        From :func:`find_features`.
    networks : tuple of NetworkFile
        One for every embedding among ``features``.
    n_threads : int
        Cores that one extractor may use.

    Raises
    ------
    ParameterError
        If an embedding has no network.
    PluginError
        If a feature of another package cannot be imported here, or is none.
    """
    by_feature = {network.feature: network for network in networks}
    return tuple(_build(feature, by_feature, n_threads) for feature in features)


def check_feature_names(names: Sequence[str]) -> None:
    """Raise for a name that nobody declares, and for a feature of another package that is not what it should be.

    Raises
    ------
    UnknownFeatureError, PluginError
        In a moment, before an engine is started.
    """
    for feature in find_features(names):
        if feature.package is not None:
            from deepsound.features.trial import try_extractor

            try_extractor(_build(feature, {}, 1), feature=feature)


def check_segment_length(extractors: "Sequence[FeatureExtractor]", *, settings: ExtractSettings) -> None:
    """Raise :class:`ConfigError` if a segment is too short for a feature to give even one frame."""
    for extractor in extractors:
        if round(settings.segment_s * extractor.sample_rate_hz) < extractor.min_samples:
            raise ConfigError(
                f"'segment_s' is {settings.segment_s:g}, but one patch of '{extractor.name}' takes "
                f"{extractor.min_samples / extractor.sample_rate_hz:g} seconds"
            )


def _build(feature: Plugin, networks: "dict[str, NetworkFile]", n_threads: int) -> "FeatureExtractor":
    # Only now: what an extractor computes with takes a second to load.
    from deepsound.features.base import FeatureExtractor
    from deepsound.features.embedding import EmbeddingExtractor

    kind = feature.load()
    extractor: FeatureExtractor
    if feature.package is None and issubclass(kind, EmbeddingExtractor):
        if feature.name not in networks:
            raise ParameterError(f"the feature '{feature.name}' needs a network, and none was prepared for it")
        extractor = kind(network=networks[feature.name], n_threads=n_threads)
        return extractor
    try:
        extractor = kind()
    except Exception as exc:
        raise PluginError(f"{feature}, cannot be made: {type(exc).__name__}: {first_line(exc)}") from exc
    lacking = [name for name in vars(FeatureExtractor) if name[0] != "_" and not hasattr(extractor, name)]
    if lacking or extractor.name != feature.name:
        raise PluginError(f"{feature}, is none: it lacks {', '.join(sorted(lacking)) or 'that name'}")
    return extractor
