"""Features, heads, sources and label maps of one's own, for the length of a program.

A package names them among its entry points instead, and needs none of this: docs/howto/extend.md.
"""

from deepsound.config import HEADS
from deepsound.features.registry import FEATURES
from deepsound.label_maps.read import LABEL_MAPS
from deepsound.sources.readers import READERS


def register_feature(name: str, address: str) -> None:
    """Let a name in ``features`` stand for an extractor.

    Parameters
    ----------
    name : str
        A new one.
    address : str
        ``module:attribute`` of the class. Spark's workers import it, too.

    Raises
    ------
    PluginError
        The name is taken, or nothing can be imported from the address.
    """
    FEATURES.register(name, address)


def register_architecture(name: str, address: str) -> None:
    """Let an ``architecture`` stand for a head, a frozen dataclass with a method ``build``; as for features."""
    HEADS.register(name, address)


def register_source(name: str, address: str) -> None:
    """Let a ``source.reader`` stand for a function that reads an input into rows; as for features."""
    READERS.register(name, address)


def register_label_map(name: str, address: str) -> None:
    """Let a ``labels.map`` stand for the path of a YAML file; as for features."""
    LABEL_MAPS.register(name, address)
