"""``train``: a FEATURES folder to a registered model, after a search for its settings if one is asked for."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from deepsound.commands.running import add_settings_options, muted_native_logs, reports_errors, write_json
from deepsound.config import TrainSettings
from deepsound.console import say, show
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="train", description="Train a genre model on extracted features.")
    parser.add_argument("--features", required=True, metavar="FEATURES", help="what extract wrote")
    parser.add_argument(
        "--promote",
        action="store_true",
        help="make the model the champion even where it is not shown to be better than the present one",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write the model's URI, its figures and the decision as JSON"
    )
    add_settings_options(parser, example="--set feature=mfcc")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job on the driver; prints the URI of the version that it registered."""
    args = build_parser().parse_args(argv)
    settings = read_settings(TrainSettings, section="train", path=args.config, overrides=args.overrides)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with muted_native_logs():
        from deepsound.evaluation.report import metrics_to_plain
        from deepsound.training.train import train

    search_run_id = None
    if settings.search.n_trials:
        settings, search_run_id = _search(args.features, settings)
    result = train(args.features, settings=settings, report=say, promote=args.promote)
    if search_run_id is not None:
        from deepsound.training.trial_runs import link_search

        link_search(search_run_id, train_run_id=result.run_id)
    say(f"registered {result.model.name} version {result.model.version}; run {result.run_id}")
    if args.output is not None:
        outcome: dict[str, Any] = {
            "model": result.model.uri,
            "run_id": result.run_id,
            "is_champion": result.promotion.is_promoted,
            "promotion": result.promotion.reason,
            "test": metrics_to_plain(result.test),
        }
        write_json(outcome, args.output)
    show([result.model.uri])
    return 0


def _search(features: str, settings: TrainSettings) -> tuple[TrainSettings, str]:
    """The best settings and the search's run; trials run on Spark where there is a server that they can log to."""
    from deepsound.training.search import search
    from deepsound.training.tracking import is_server, open_store

    if settings.search.n_parallel == 1 or not is_server(open_store()):
        outcome = search(features, settings=settings, report=say)
        return outcome.settings, outcome.run_id
    from deepsound.spark.search import SparkTrials
    from deepsound.spark.session import open_session

    with open_session("deepsound search") as spark:
        outcome = search(features, settings=settings, report=say, on_spark=SparkTrials(spark))
    return outcome.settings, outcome.run_id
