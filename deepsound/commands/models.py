"""``models``: what is registered, by the names that score and compare take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.commands.options import new_parser
from deepsound.commands.running import reports_errors
from deepsound.console import say, show

if TYPE_CHECKING:
    import argparse


def build_parser() -> "argparse.ArgumentParser":
    """The command line."""
    return new_parser(
        "models",
        description="List the registered models with their aliases, as MODEL of score and compare, in the store "
        "of MLFLOW_TRACKING_URI, by default mlflow.db in this folder.",
        examples=("deepsound models",),
    )


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print a line a model."""
    build_parser().parse_args(argv)
    from deepsound.training.known_models import find_models
    from deepsound.training.mlflow_store import describe_choice

    models = find_models()
    if not models:
        say(f"no model is registered yet. {describe_choice()}")
    for model in models.values():
        uris = [f"models:/{model.name}@{alias} (version {n})" for alias, n in sorted(model.aliases.items())]
        newest = [] if model.newest is None else [f"newest models:/{model.name}/{model.newest}"]
        show([", ".join([*uris, *newest]) or f"models:/{model.name} has no version"])
    return 0
