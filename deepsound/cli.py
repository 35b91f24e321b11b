# PYTHON_ARGCOMPLETE_OK
"""The ``deepsound`` command: the same jobs on a local Spark, the sample collection, the demo."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from deepsound import __version__
from deepsound.commands.running import reports_errors

_COMMANDS = {
    "extract": "a folder of audio to features (Parquet)",
    "tracks": "which tracks of an extraction failed and why, which are copies",
    "audit": "what leaks between the splits of features, and how much a careless split flatters",
    "train": "features to a registered genre model",
    "benchmark": "features and heads under several splits: one table, honestly",
    "compare": "two models on the same held-out tracks, with a paired test",
    "score": "features or audio and a model to predictions and per-genre metrics",
    "models": "the registered models and their aliases",
    "conf": "list or print the settings, label maps and Spark settings that come along",
    "doctor": "check what jobs need here; with --input, predict what an extraction takes",
    "sample": "write the built-in synthetic collection",
    "java-home": "the JAVA_HOME to run spark-submit with",
    "demo": "all of it, once, on the sample collection or on your music",
}


def build_parser() -> argparse.ArgumentParser:
    """The command line up to the command; each command parses the rest itself."""
    listing = "\n".join(f"  {name:<10}{text}" for name, text in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="deepsound",
        description="Music collections to features, honest genre models and scored collections.",
        epilog=f"commands:\n{listing}\n\n'deepsound COMMAND --help' tells a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"deepsound {__version__}")
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    if "_ARGCOMPLETE" in os.environ:
        from deepsound.commands.completion import complete

        complete(build_parser(), _COMMANDS)
    args = build_parser().parse_args(argv)
    command = importlib.import_module(f"deepsound.commands.{args.command.replace('-', '_')}")
    return int(command.main(args.arguments))


if __name__ == "__main__":
    sys.exit(main())
