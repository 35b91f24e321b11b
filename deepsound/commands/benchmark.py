"""``benchmark``: features and heads under several ways of dividing the same tracks, as one table."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors
from deepsound.config import BenchmarkSettings
from deepsound.console import say, show
from deepsound.data.early import check_features, check_input, check_split_lists
from deepsound.native_logs import muted_native_logs
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "benchmark",
        description="Train every feature with every head by random segments, random tracks and whole artists, and "
        "compare them. A benchmark that was stopped goes on where it was.",
        examples=(
            "deepsound benchmark features --output benchmark",
            "deepsound benchmark features --foreign foreign --config conf/benchmark.yaml --output benchmark",
        ),
    )
    parser.add_argument(
        "features", type=path, metavar="FEATURES", help="what extract wrote, with the features to compare"
    )
    parser.add_argument(
        "--foreign", type=path, metavar="FEATURES", help="another collection that every head is asked about"
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="FOLDER",
        required=True,
        help="for the page, the CSV, the JSON and the cells",
    )
    add_settings_options(parser, settings=BenchmarkSettings, example="--set architectures=[lda,cnn]")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    args = build_parser().parse_args(argv)
    check_extras("train")
    settings = read_settings(BenchmarkSettings, section="benchmark", path=args.config, overrides=args.overrides)
    check_split_lists(settings.train.split_lists)
    for folder in filter(None, (args.features, args.foreign)):
        check_input(folder, what="a FEATURES folder")
        for feature in settings.features:
            check_features(folder, feature=feature)
    with muted_native_logs():
        from deepsound.evaluation.render.benchmark import format_benchmark
        from deepsound.training.benchmark import run_benchmark

    result = run_benchmark(args.features, settings=settings, output=args.output, foreign=args.foreign, report=say)
    show(format_benchmark(result))
    return 0
