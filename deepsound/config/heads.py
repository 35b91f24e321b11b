"""Heads that are one class each: its fields are the settings, its method builds the network.

So is every head of another package, and every further one of deepsound's own: a file, and a line in :data:`HEADS`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

from deepsound.config.check import check_setting
from deepsound.config.networks import ARCHITECTURES
from deepsound.errors import ConfigError, PluginError
from deepsound.plugins import Registry
from deepsound.settings import from_plain

FINETUNING = "vggish_finetune"
HEADS = Registry(
    "architecture",
    group="deepsound.architectures",
    builtin={},
    taken=lambda: (*ARCHITECTURES, FINETUNING),
)


class Head(Protocol):
    """A frozen dataclass, each of whose fields has a default. May have a ``search_space``: see :mod:`.space`."""

    def build(self, x: Any) -> Any:
        """One feature, a Keras tensor (batch, n_frames, n_dims), to numbers (batch, n_units)."""


def check_architecture(name: str, *, key: str) -> None:
    """Raise :class:`ConfigError` for an architecture that is not there, naming those that are."""
    if name not in HEADS.own_names() and HEADS.find(name) is None:
        check_setting(False, key, name, f"one of {', '.join(HEADS.names())}")


def make_head(name: str, values: Mapping[str, Any]) -> Head:
    """The head of a name with these settings over its defaults.

    Raises ConfigError: settings that it does not know; PluginError: the head of another package cannot be
    imported, or is none.
    """
    plugin = HEADS.find(name)
    if plugin is None:
        raise ConfigError(f"there is no head '{name}'")
    kind = plugin.load()
    is_class = isinstance(kind, type) and dataclasses.is_dataclass(kind)
    if not is_class or not callable(getattr(kind, "build", None)):
        raise PluginError(f"{plugin}, is none: wanted a frozen dataclass with a method build")
    try:
        head: Head = from_plain(kind, values, where="head")
    except (TypeError, ValueError) as exc:
        raise PluginError(f"{plugin}, cannot be made: {exc}") from exc
    return head
