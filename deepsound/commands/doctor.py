"""``doctor``: what stands in the way of a job, and what an extraction will cost."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import reports_errors
from deepsound.config import ExtractSettings
from deepsound.errors import ParameterError


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "doctor",
        description="Check what jobs need, on the driver and on the executors: a line a check. With --input, "
        "extract about 24 of its files and predict what an extraction of all of them takes.",
        examples=(
            "deepsound doctor --input music --set features=[musicnn] --cores 64",
            "deepsound doctor --master spark://HOST:7077 --properties-file conf/spark/standalone.conf",
        ),
    )
    parser.add_argument("--input", type=path, metavar="PATH", help="folder of audio to predict the extraction of")
    add_settings_options(parser, settings=ExtractSettings, example="--set features=[musicnn]")
    parser.add_argument("--master", metavar="URL", help="the Spark to look at; default: a local one")
    parser.add_argument("--properties-file", type=path, metavar="FILE", help="Spark's settings; see conf/spark/")
    parser.add_argument("--conf", metavar="KEY=VALUE", action="append", default=[], help="one setting of Spark's")
    parser.add_argument(
        "--scratch", type=path, metavar="PATH", help="with --master: a folder all executors reach, for copies"
    )
    parser.add_argument("--cores", type=int, metavar="N", help="predict for so many; default: those there are")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, another pilot (default 0)")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print all findings, and the prediction; the exit code is 2 if a check failed."""
    args = build_parser().parse_args(argv)
    if args.cores is not None and args.cores < 1:
        raise ParameterError(f"--cores is {args.cores}; wanted at least 1")
    from deepsound.commands.doctor_checks import run_checks

    return run_checks(args)
