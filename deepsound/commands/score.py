"""``score``: a FEATURES folder or a folder of audio, and a model, to a SCORES folder."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.commands.options import add_dry_run, add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors
from deepsound.config import ScoreSettings
from deepsound.console import say, show
from deepsound.settings import read_settings

if TYPE_CHECKING:
    from deepsound.spark.score_result import ModelPair


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "score",
        description="Score a collection with a trained genre model.",
        examples=(
            "deepsound score --input features --model models:/deepsound-mfcc@champion --output scores",
            "deepsound score --input foreign_music --model models:/deepsound-musicnn@champion --output scores "
            "--set labels.map=fma",
        ),
    )
    parser.add_argument(
        "--input",
        type=path,
        required=True,
        metavar="FEATURES_OR_AUDIO",
        help="features, or a source of audio as of extract",
    )
    parser.add_argument(
        "--model",
        type=path,
        required=True,
        action="append",
        dest="models",
        metavar="MODEL",
        help="MLflow URI or bundle directory; several, each with --model, are compared on the same tracks",
    )
    parser.add_argument("--output", type=path, required=True, metavar="SCORES", help="folder to write scores to")
    parser.add_argument(
        "--segments", action="store_true", help="write the scores of every segment, too: which genre when"
    )
    add_dry_run(parser)
    add_settings_options(parser, settings=ScoreSettings, example="--set subset=test")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; prints a scorecard for each model."""
    args = build_parser().parse_args(argv)
    check_extras("spark", "train")
    overrides = [*args.overrides, *(["segments=true"] if args.segments else [])]
    settings = read_settings(ScoreSettings, section="score", path=args.config, overrides=overrides)
    if args.dry_run:
        from deepsound.api.dry_run import plan_scoring

        show(plan_scoring(args.input, args.models, args.output, settings=settings, progress=say))
        return 0
    from deepsound.api.scores import check_failures, score_resolved

    scores = score_resolved(args.input, args.models, args.output, settings=settings, progress=say)
    for name, report in scores.reports.items():
        if len(scores.reports) > 1:
            show([f"{name}: {report.title}"])
        show(str(report))
    for pair in scores.result.pairs:
        show(_describe_pair(pair))
    say(f"the page: {scores.page}")
    check_failures(scores, settings)
    return 0


def _describe_pair(pair: "ModelPair") -> list[str]:
    from deepsound.evaluation.render.text import describe_comparison

    if pair.comparison is None:
        return [f"{pair.a} and {pair.b}: no track of a known genre that both have scored"]
    lines = describe_comparison(pair.a, pair.b, pair.comparison)
    title = f"{pair.a} against {pair.b}, on {pair.comparison.n_tracks} tracks:"
    return [title, *(f"  {line}" for line in lines)]
