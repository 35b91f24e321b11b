"""``extract``: a source of audio to a FEATURES folder."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import add_dry_run, add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors, say_next
from deepsound.config import ExtractSettings
from deepsound.console import say, show
from deepsound.features.registry import FEATURES
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
        help="the features to compute (default mfcc); short for --set features=...: "
        + ", ".join(FEATURES.own_names()),
    )
    parser.add_argument("--retry-failed", action="store_true", help="try the tracks again that failed before")
    parser.add_argument("--prune", action="store_true", help="remove the rows of files that are no longer there")
    parser.add_argument(
        "--overwrite", action="store_true", help="remove what an extraction of other settings wrote there"
    )
    once = parser.add_mutually_exclusive_group()
    add_dry_run(once)
    once.add_argument(
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
    overrides = [*args.overrides, *([f"features=[{','.join(args.features)}]"] if args.features else [])]
    settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=overrides)
    policy = {name: getattr(args, name) for name in ("retry_failed", "prune", "overwrite")}
    if args.dry_run:
        from deepsound.api.dry_run import plan_extraction

        for line in plan_extraction(args.input, args.output, settings=settings, progress=say, **policy):
            show([line])
        return 0
    from deepsound.api.features import extract_resolved

    extract_resolved(args.input, args.output, settings=settings, watch_s=args.watch, **policy)
    say_next("deepsound", "train", "--features", args.output, "--set", f"feature={settings.features[-1]}")
    return 0
