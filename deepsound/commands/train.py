"""``train``: a FEATURES folder to a registered model."""

import argparse
import os
from collections.abc import Sequence

from deepsound.commands.running import add_settings_options, muted_native_logs, reports_errors, say
from deepsound.config import TrainSettings
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="train", description="Train a genre model on extracted features.")
    parser.add_argument("--features", required=True, metavar="FEATURES", help="what extract wrote")
    add_settings_options(parser, example="--set feature=mfcc")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job on the driver; prints the model's URI."""
    args = build_parser().parse_args(argv)
    settings = read_settings(TrainSettings, section="train", path=args.config, overrides=args.overrides)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with muted_native_logs():
        from deepsound.training.train import train

    result = train(args.features, settings=settings, report=say)
    say(f"registered {result.model.name} version {result.model.version}; run {result.run_id}")
    print(result.model.champion_uri)
    return 0
