"""Which features there are, by the name that settings and columns use."""

import functools
from collections.abc import Callable, Sequence

from deepsound.errors import UnknownFeatureError
from deepsound.features.base import FeatureExtractor
from deepsound.features.mfcc import MfccExtractor

_BUILDERS: dict[str, Callable[[], FeatureExtractor]] = {"mfcc": MfccExtractor}


@functools.lru_cache(maxsize=8)
def load_extractors(names: tuple[str, ...]) -> tuple[FeatureExtractor, ...]:
    """The extractors of these names, built once per process.

    Raises
    ------
    UnknownFeatureError
        Naming the features there are.
    """
    check_feature_names(names)
    return tuple(_BUILDERS[name]() for name in names)


def check_feature_names(names: Sequence[str]) -> None:
    """Raise :class:`UnknownFeatureError` for a name that nobody declares."""
    for name in names:
        if name not in _BUILDERS:
            raise UnknownFeatureError(f"unknown feature '{name}'; known: {', '.join(sorted(_BUILDERS))}")
