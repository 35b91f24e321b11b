"""``conf``: the settings files, label maps and Spark settings that come with deepsound."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import new_parser
from deepsound.commands.running import reports_errors
from deepsound.console import show
from deepsound.errors import ParameterError
from deepsound.shipped import conf_files


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "conf",
        description="List the files of conf/, or print one: settings that --config takes by name, with what each "
        "setting means; label maps; settings for spark-submit.",
        examples=("deepsound conf", "deepsound conf train", "deepsound conf spark/standalone.conf > my.conf"),
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the file to print; without it, all are listed")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print a file, or all names with the first line of each file."""
    name, files = build_parser().parse_args(argv).name, conf_files()
    if name is None:
        first = {name: path.read_text(encoding="utf-8").partition("\n")[0] for name, path in files.items()}
        show(f"{name:<24}{line.lstrip('# ')}" for name, line in first.items())
        return 0
    path = files.get(name.removesuffix(".yaml"))
    if path is None:
        raise ParameterError(f"there is no '{name}'; wanted one of {', '.join(files)}")
    show(path.read_text(encoding="utf-8").rstrip("\n"))
    return 0
