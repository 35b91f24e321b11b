"""``extract``: a folder of audio to a FEATURES folder."""

import argparse
from collections.abc import Sequence

from deepsound.commands.networks import prepare_networks
from deepsound.commands.running import add_settings_options, reports_errors, say
from deepsound.config import ExtractSettings
from deepsound.features.registry import check_feature_names
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="extract", description="Turn a folder of audio into features (Parquet).")
    parser.add_argument(
        "--input", required=True, metavar="PATH", help="folder of audio, on any Hadoop file system"
    )
    parser.add_argument("--output", required=True, metavar="FEATURES", help="folder to write features to")
    add_settings_options(parser, example="--set segment_s=5")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; the exit code is 0, 2 for the user's mistake, 3 for too many failed tracks."""
    args = build_parser().parse_args(argv)
    settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=args.overrides)
    check_feature_names(settings.features)
    # Spark is imported only once the settings are right: a typing error should not cost its start.
    from deepsound.spark.extract import extract
    from deepsound.spark.session import open_session

    networks = prepare_networks(settings.features, network=settings.network)
    with open_session("deepsound extract") as spark:
        result = extract(spark, args.input, args.output, settings=settings, networks=networks, report=say)
    result.check_failures(settings.max_failure_fraction)
    return 0
