"""``extract``: a source of audio to a FEATURES folder."""

import argparse
import functools
from collections.abc import Callable, Sequence

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors
from deepsound.config import ExtractSettings
from deepsound.console import say
from deepsound.data.early import check_input, check_label_csv
from deepsound.errors import ParameterError
from deepsound.features.registry import FEATURE_NAMES, check_feature_names
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "extract",
        description="Turn audio into features (Parquet).",
        examples=(
            "deepsound extract --input music --output features --features mfcc musicnn",
            "deepsound extract --input music --output features --retry-failed",
            "spark-submit --master spark://HOST:7077 jobs/extract.py --input list.csv --output features",
        ),
    )
    parser.add_argument(
        "--input",
        type=path,
        required=True,
        metavar="SOURCE",
        help="folder of audio, manifest (.csv, .tsv, .jsonl, .parquet), Parquet table of audio, or .tar shards",
    )
    parser.add_argument(
        "--output", type=path, required=True, metavar="FEATURES", help="folder to write features to"
    )
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="NAME",
        help="the features to compute (default mfcc); short for --set features=...: " + ", ".join(FEATURE_NAMES),
    )
    parser.add_argument("--retry-failed", action="store_true", help="try the tracks again that failed before")
    parser.add_argument("--prune", action="store_true", help="remove the rows of files that are no longer there")
    parser.add_argument(
        "--overwrite", action="store_true", help="remove what an extraction of other settings wrote there"
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        type=float,
        const=30.0,
        metavar="SECONDS",
        help="keep looking for new and changed files, every so many seconds (default 30), until interrupted",
    )
    add_settings_options(parser, settings=ExtractSettings, example="--set segment_s=5")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; the exit code is 0, 2 for the user's mistake, 3 for too many failed tracks."""
    args = build_parser().parse_args(argv)
    check_extras("spark")
    if args.watch is not None and not args.watch > 0:
        raise ParameterError(f"--watch is {args.watch:g}; wanted seconds above 0")
    overrides = [*args.overrides, *([f"features=[{','.join(args.features)}]"] if args.features else [])]
    settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=overrides)
    check_feature_names(settings.features)
    check_input(args.input, what="a folder with audio files, a manifest, a Parquet table of audio or tar shards")
    check_label_csv(settings.labels.csv)
    # Spark is imported only once the settings are right: a typing error should not cost its start.
    from deepsound.commands.networks import prepare_networks
    from deepsound.spark.extract import ExtractResult, RerunPolicy, extract, watch
    from deepsound.spark.session import open_session

    networks = prepare_networks(settings.features, network=settings.network)
    policy = RerunPolicy(retry_failed=args.retry_failed, overwrite=args.overwrite, prune=args.prune)
    with open_session("deepsound extract") as spark:
        run: Callable[..., ExtractResult | None] = extract
        if args.watch is not None:
            run = functools.partial(watch, every_s=args.watch)
        result = run(
            *(spark, args.input, args.output), settings=settings, networks=networks, policy=policy, report=say
        )
    if result is not None:
        result.check_failures(settings.max_failure_fraction)
    return 0
