"""What packages of other people add, by name: features, heads, sources and label maps.

A package names what it has among its entry points, or a program registers it. Either way a name stands for an
address, ``module:attribute``. An address travels to other processes, which import it there; nothing is pickled.
Entry points take a moment to read, so that they are read only for a name that is not built in.
"""

import importlib.metadata
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deepsound.children import is_working_directory
from deepsound.errors import PluginError, first_line

_ADDRESS = re.compile(r"[\w.]+:[\w.]+")
# What can be a column of a table, a part of a setting and, joined with +, of a model's name.
_NAME = re.compile(r"\w[\w-]*")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What a name stands for.

    Attributes
    ----------
    kind, name, address : str
        ``feature``, ``chroma``, ``deepsound_radio.chroma:Chroma``.
    package : str or None
        Name and version of the package that it comes with, or the module of what was registered; None for what is
        built in.
    """

    kind: str
    name: str
    address: str
    package: str | None = None

    @property
    def module(self) -> str | None:
        """The importable package, without a version; None for what is built in."""
        return None if self.package is None else re.split("[.:]", self.address)[0]

    def load(self) -> Any:
        """The object at the address.

        Raises
        ------
        PluginError
            This process cannot import it.
        """
        try:
            return pkgutil.resolve_name(self.address)
        except Exception as exc:  # whatever a stranger's module does when it is imported
            raise PluginError(
                f"{self}, cannot be imported: {type(exc).__name__}: {first_line(exc)}. It must be installed or "
                "on PYTHONPATH wherever it runs, as a feature does on Spark's workers; the working directory does "
                "not count there"
            ) from exc

    def __str__(self) -> str:
        return f"the {self.kind} '{self.name}', {self.address} of {self.package or 'deepsound'}"


class Registry:
    """The names of one kind.

    Parameters
    ----------
    kind : str
        What one is called.
    group : str
        Of the entry points.
    builtin : mapping of str to str
        Name to address of deepsound's own.
    taken : callable
        Gives names of deepsound's own that have no address.
    """

    def __init__(
        self,
        kind: str,
        *,
        group: str,
        builtin: Mapping[str, str] | None = None,
        taken: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._kind, self._group, self._taken = kind, group, taken
        self._builtin = {n: Plugin(kind=kind, name=n, address=a) for n, a in (builtin or {}).items()}
        self._registered: dict[str, Plugin] = {}
        self._installed: dict[str, Plugin] = {}

    @property
    def registered(self) -> dict[str, str]:
        """Name to address of what this process has registered."""
        return {name: plugin.address for name, plugin in self._registered.items()}

    def names(self) -> tuple[str, ...]:
        """All that can be asked for, deepsound's own first.

        Raises
        ------
        PluginError
            Two packages claim a name.
        """
        self._installed = self._read_installed()
        return tuple(dict.fromkeys([*self.own_names(), *sorted({**self._installed, **self._registered})]))

    def find(self, name: str) -> Plugin | None:
        """What a name stands for; None where it stands for nothing.

        Raises
        ------
        PluginError
            Two packages claim a name.
        """
        for known in (self._builtin, self._registered, self._installed):
            if name in known:
                return known[name]
        if name in self._taken():
            return None
        self._installed = self._read_installed()
        return self._installed.get(name)

    def register(self, name: str, address: str) -> None:
        """Let a name stand for an address in this process.

        Raises
        ------
        PluginError
            The name is taken, or is no name; or there is nothing at the address.
        """
        if not _ADDRESS.fullmatch(address):
            raise PluginError(f"the address of the {self._kind} '{name}' is {address!r}; wanted module:attribute")
        plugin = Plugin(kind=self._kind, name=name, address=address, package=re.split("[.:]", address)[0])
        former = self._registered.get(name) or self._read_installed().get(name)
        self._check_name(plugin, former if former is None or former.address != address else None)
        plugin.load()
        self._registered[name] = plugin

    def own_names(self) -> tuple[str, ...]:
        """Those that deepsound itself has."""
        return (*self._builtin, *self._taken())

    def _read_installed(self) -> dict[str, Plugin]:
        found: dict[str, Plugin] = {}
        for plugin in _read_entry_points(self._group, kind=self._kind):
            self._check_name(plugin, found.get(plugin.name))
            found[plugin.name] = plugin
        return found

    def _check_name(self, plugin: Plugin, other: Plugin | None) -> None:
        if plugin.name in self.own_names():
            raise PluginError(f"{plugin}, has a name that deepsound's own {self._kind} '{plugin.name}' bears")
        if other is not None:
            raise PluginError(f"two packages claim one name: {other}, and {plugin}; uninstall one of them")
        if not _NAME.fullmatch(plugin.name):
            raise PluginError(f"{plugin}, wants a name of letters, digits, - and _")


def _read_entry_points(group: str, *, kind: str) -> Iterator[Plugin]:
    """Those of installed packages: a folder of music may hold a ``dist-info`` as well as a ``random.py``."""
    folders = [folder for folder in sys.path if folder and not is_working_directory(folder)]
    seen = set()
    for package in importlib.metadata.distributions(path=folders):
        # Its name takes longer to read than all the rest.
        points = [point for point in package.entry_points if point.group == group]
        name = package.metadata["Name"] if points else None
        # As Python would import it, the first one on the path counts.
        if name is None or name in seen:
            continue
        seen.add(name)
        for point in points:
            yield Plugin(kind=kind, name=point.name, address=point.value, package=f"{name} {package.version}")
