"""``train``: a FEATURES folder to a registered model, after a search for its settings if one is asked for."""

import argparse
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, muted_native_logs, reports_errors, write_json
from deepsound.config import TrainSettings
from deepsound.console import say, show
from deepsound.data.early import check_features, check_split_lists
from deepsound.settings import read_settings
from deepsound.training.known_models import check_model

if TYPE_CHECKING:
    from deepsound.training.promotion import Promotion
    from deepsound.training.registry import RegisteredModel


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "train",
        description="Train a genre model on extracted features.",
        examples=(
            "deepsound train --features features --set feature=musicnn --set folds=5",
            "deepsound train --features features --set search.n_trials=40",
        ),
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--features", type=path, metavar="FEATURES", help="what extract wrote")
    source.add_argument(
        "--resume-upload",
        type=path,
        metavar="FOLDER",
        help="log a training that was kept there because MLflow was away",
    )
    parser.add_argument(
        "--promote",
        action="store_true",
        help="make the model the champion even where it is not shown to be better than the present one",
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="FILE",
        help="write the model's URI, its figures and the decision as JSON",
    )
    add_settings_options(parser, settings=TrainSettings, example="--set feature=mfcc")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job on the driver; prints the URI of the version that it registered."""
    args = build_parser().parse_args(argv)
    check_extras("train")
    settings = read_settings(TrainSettings, section="train", path=args.config, overrides=args.overrides)
    # A mistake is told before TensorFlow and MLflow are imported, which takes many times as long.
    check_split_lists(settings.split_lists)
    if settings.split.like is not None:
        check_model(settings.split.like)
    if args.features is not None:
        check_features(args.features, feature=settings.feature)
    with muted_native_logs():
        from deepsound.evaluation.render.plain import metrics_to_plain
        from deepsound.training.finished_run import resume_upload
        from deepsound.training.train import train

    if args.resume_upload is not None:
        kept = resume_upload(pathlib.Path(args.resume_upload), promote=args.promote)
        say(f"{kept.model.name} version {kept.model.version} {kept.promotion.describe()}")
        _report(
            kept.model, kept.promotion, run_id=kept.run_id, test=kept.test, folds=kept.folds, output=args.output
        )
        return 0
    search_run_id = None
    if settings.search.n_trials:
        settings, search_run_id = _search(args.features, settings)
    result = train(args.features, settings=settings, report=say, promote=args.promote)
    test = metrics_to_plain(result.test)
    folds = None if result.folds is None else metrics_to_plain(result.folds.pooled)
    _report(result.model, result.promotion, run_id=result.run_id, test=test, folds=folds, output=args.output)
    if search_run_id is not None:
        from deepsound.training.trial_runs import link_search

        link_search(search_run_id, train_run_id=result.run_id)
    return 0


def _report(
    model: "RegisteredModel",
    promotion: "Promotion",
    *,
    run_id: str,
    test: dict[str, Any],
    folds: dict[str, Any] | None,
    output: str | None,
) -> None:
    from deepsound.training.mlflow_store import describe_address

    say(f"registered {model.name} version {model.version}; run {run_id}; {describe_address()}")
    if output is not None:
        outcome = {
            "model": model.uri,
            "run_id": run_id,
            "is_champion": promotion.is_promoted,
            "promotion": promotion.reason,
            "test": test,
            "folds": folds,
        }
        write_json(outcome, output)
    show([model.uri])


def _search(features: str, settings: TrainSettings) -> tuple[TrainSettings, str]:
    """The best settings and the search's run; trials run on Spark where there is a server that they can log to."""
    from deepsound.training.mlflow_store import is_server, open_store
    from deepsound.training.search import search

    if settings.search.n_parallel == 1 or not is_server(open_store()):
        outcome = search(features, settings=settings, report=say)
        return outcome.settings, outcome.run_id
    from deepsound.spark.search import SparkTrials
    from deepsound.spark.session import open_session

    with open_session("deepsound search") as spark:
        outcome = search(features, settings=settings, report=say, on_spark=SparkTrials(spark))
    return outcome.settings, outcome.run_id
