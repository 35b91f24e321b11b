"""The options that commands share, and how their help looks."""

import argparse
import os
import pathlib
import textwrap
from collections.abc import Sequence
from typing import Any

from deepsound import __version__
from deepsound.console import Loudness, set_loudness
from deepsound.settings import flatten, to_plain, to_yaml

_WIDTH = 100


def new_parser(command: str, *, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of ``deepsound COMMAND``, with what every command takes.

    Parameters
    ----------
    examples : sequence of str
        Command lines for the end of the help.
    """
    parser = argparse.ArgumentParser(
        prog=f"deepsound {command}",
        description=description,
        epilog="\n".join(["examples:", *(f"  {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"deepsound {__version__}")
    loudness = parser.add_mutually_exclusive_group()
    for flag, value, text in (
        ("quiet", Loudness.QUIET, "results and errors alone, no progress"),
        ("verbose", Loudness.VERBOSE, "also what Spark and TensorFlow say"),
    ):
        loudness.add_argument(f"-{flag[0]}", f"--{flag}", action=_SetLoudness, const=value, nargs=0, help=text)
    return parser


def add_settings_options(parser: argparse.ArgumentParser, *, settings: type, example: str) -> None:
    """``--config FILE`` and ``--set key=value``, and the settings with their defaults at the end of the help."""
    parser.add_argument(
        "--config", type=path, metavar="FILE", help="YAML settings, or a name of 'deepsound conf', as gtzan"
    )
    plain = flatten(to_plain(settings()))
    override = parser.add_argument(
        "--set",
        dest="overrides",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help=f"override one setting, for example {example}; may be given several times",
    )
    override.completer = lambda **_: [f"{key}=" for key in plain]  # type: ignore[attr-defined]  # as argcomplete asks
    words = [f"{key}={to_yaml(value)}" for key, value in plain.items()]
    lines = textwrap.wrap(" ".join(words), _WIDTH, break_long_words=False, break_on_hyphens=False)
    parser.epilog = "\n".join([str(parser.epilog), "", "settings and their defaults:", *(f"  {x}" for x in lines)])


def add_dry_run(parser: argparse._ActionsContainer) -> None:
    """``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done; nothing is written")


def path(text: str) -> str:
    """The type of an argument that is a path or a URI: a home (``~``) that the shell has left is put in."""
    return os.path.expanduser(text)  # noqa: PTH111  pathlib makes one slash of a URI's two


def local_path(text: str) -> pathlib.Path:
    """The same of a path on this machine."""
    return pathlib.Path(path(text))


class _SetLoudness(argparse.Action):
    """Takes effect as soon as it is read; :func:`~deepsound.commands.running.reports_errors` takes it back."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, *_: Any) -> None:
        set_loudness(self.const)
        setattr(namespace, self.dest, True)
