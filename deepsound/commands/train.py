"""``train``: a FEATURES folder to a registered model, after a search for its settings if one is asked for."""

import argparse
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deepsound.commands.options import add_dry_run, add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors, say_next, write_json
from deepsound.config import TrainSettings
from deepsound.console import say, show
from deepsound.errors import ParameterError
from deepsound.native_logs import muted_native_logs
from deepsound.settings import read_settings

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
    add_dry_run(parser)
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
    if args.dry_run:
        if args.features is None:
            raise ParameterError("--dry-run is for a training; --resume-upload trains nothing")
        from deepsound.api.dry_run import plan_training

        for line in plan_training(args.features, settings, progress=say):
            show([line])
        return 0
    if args.resume_upload is not None:
        with muted_native_logs():
            from deepsound.training.finished_run import resume_upload

        kept = resume_upload(pathlib.Path(args.resume_upload), promote=args.promote)
        say(f"{kept.model.name} version {kept.model.version} {kept.promotion.describe()}")
        _report(
            kept.model, kept.promotion, run_id=kept.run_id, test=kept.test, folds=kept.folds, output=args.output
        )
        return 0
    from deepsound.api.training import train_resolved

    result = train_resolved(args.features, settings, promote=args.promote, progress=say).training
    assert result is not None
    from deepsound.evaluation.render.plain import metrics_to_plain

    test = metrics_to_plain(result.test)
    folds = None if result.folds is None else metrics_to_plain(result.folds.pooled)
    _report(result.model, result.promotion, run_id=result.run_id, test=test, folds=folds, output=args.output)
    say_next("deepsound", "score", "--input", "MUSIC", "--model", result.model.uri, "--output", "scores")
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
