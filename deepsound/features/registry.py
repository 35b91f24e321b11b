"""Which features there are, by the name that settings and columns use.

An extractor's module is imported when its feature is asked for: what it computes with takes a second to load.
"""

import functools
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.config import ExtractSettings
from deepsound.errors import ConfigError, ParameterError, UnknownFeatureError

if TYPE_CHECKING:
    from deepsound.features.base import FeatureExtractor
    from deepsound.networks.engine import NetworkFile

# Those that run a pretrained network, and those that need none.
_EMBEDDINGS = {
    "musicnn": "deepsound.features.musicnn:MusicnnExtractor",
    "vggish": "deepsound.features.vggish:VggishExtractor",
}
_PLAIN = {
    "mfcc": "deepsound.features.mfcc:MfccExtractor",
    "vggish_log_mel": "deepsound.features.vggish_log_mel:VggishLogMelExtractor",
}
FEATURE_NAMES = tuple(sorted({*_EMBEDDINGS, *_PLAIN}))


@functools.lru_cache(maxsize=8)
def load_extractors(
    names: tuple[str, ...], *, networks: "tuple[NetworkFile, ...]" = (), n_threads: int = 1
) -> "tuple[FeatureExtractor, ...]":
    """The extractors of these names, built once per process. A network is read at the first segment.

    Parameters
    ----------
    networks : tuple of NetworkFile
        One for every embedding among ``names``.
    n_threads : int
        Cores that one extractor may use.

    Raises
    ------
    UnknownFeatureError
        Naming the features there are.
    ParameterError
        If an embedding has no network.
    """
    check_feature_names(names)
    by_feature = {network.feature: network for network in networks}
    return tuple(_build(name, by_feature, n_threads) for name in names)


def check_feature_names(names: Sequence[str]) -> None:
    """Raise :class:`UnknownFeatureError` for a name that nobody declares."""
    for name in names:
        if name not in FEATURE_NAMES:
            raise UnknownFeatureError(f"unknown feature '{name}'; known: {', '.join(FEATURE_NAMES)}")


def check_segment_length(extractors: "Sequence[FeatureExtractor]", *, settings: ExtractSettings) -> None:
    """Raise :class:`ConfigError` if a segment is too short for a feature to give even one frame."""
    for extractor in extractors:
        if round(settings.segment_s * extractor.sample_rate_hz) < extractor.min_samples:
            raise ConfigError(
                f"'segment_s' is {settings.segment_s:g}, but one patch of '{extractor.name}' takes "
                f"{extractor.min_samples / extractor.sample_rate_hz:g} seconds"
            )


def _build(name: str, networks: "dict[str, NetworkFile]", n_threads: int) -> "FeatureExtractor":
    extractor: FeatureExtractor
    if name in _PLAIN:
        extractor = pkgutil.resolve_name(_PLAIN[name])()
        return extractor
    if name not in networks:
        raise ParameterError(f"the feature '{name}' needs a network, and none was prepared for it")
    extractor = pkgutil.resolve_name(_EMBEDDINGS[name])(network=networks[name], n_threads=n_threads)
    return extractor
