"""Tab completion by argcomplete: commands, options, settings, names of files in conf/, of features and of models.

A shell that was told (``eval "$(register-python-argcomplete deepsound)"``) starts ``deepsound`` at every tab.
"""

import argparse
import contextlib
import importlib
import os
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import argcomplete
from argcomplete.completers import FilesCompleter

from deepsound.commands.options import local_path, path
from deepsound.errors import DeepsoundError
from deepsound.features.registry import FEATURES
from deepsound.shipped import conf_files, settings_files

if TYPE_CHECKING:
    from deepsound.training.known_models import KnownModel

_list_files = FilesCompleter()


def complete(parser: argparse.ArgumentParser, commands: Collection[str]) -> None:
    """Answer a shell that asks what may follow, and end the process."""
    before = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
    finished = before.split()[: None if before[-1:].isspace() else -1]
    if len(finished) > 1 and finished[1] in commands:
        parser = importlib.import_module(f"deepsound.commands.{finished[1].replace('-', '_')}").build_parser()
        # A command's parser knows nothing of the word before it.
        os.environ["_ARGCOMPLETE"] = str(int(os.environ["_ARGCOMPLETE"]) + 1)
    for action in parser._actions:
        completer = getattr(action, "completer", None) or _completer_of(action)
        action.completer = completer  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _completer_of(action: argparse.Action) -> Callable[..., Iterable[str]]:
    """What lists the values of an option or argument."""
    if action.choices is not None:
        return lambda **_: map(str, action.choices or ())
    if action.dest == "config":
        return lambda prefix, **_: [*settings_files(), *_list_files(prefix)]
    if str(action.metavar).startswith("MODEL"):
        return _list_models
    if action.metavar == "NAME":
        return lambda **_: conf_files() if action.dest == "name" else FEATURES.own_names()
    return _list_files if action.type in (path, local_path) else lambda **_: ()


def _list_models(prefix: str, **_: object) -> list[str]:
    from deepsound.training.known_models import find_models

    models: dict[str, KnownModel] = {}
    # A tab is no place to complain of a store.
    with contextlib.suppress(DeepsoundError):
        models = find_models()
    uris = [f"models:/{model.name}@{alias}" for model in models.values() for alias in model.aliases]
    return [*uris, *_list_files(prefix)]
