"""``score``: a FEATURES folder or a folder of audio, and a model, to a SCORES folder."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors
from deepsound.config import ScoreSettings
from deepsound.console import say, show
from deepsound.data.early import check_input, check_label_csv, check_label_map
from deepsound.errors import TooManyFailuresError
from deepsound.settings import read_settings
from deepsound.training.known_models import check_model

if TYPE_CHECKING:
    from deepsound.spark.score_result import ModelPair, ModelScores


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
    add_settings_options(parser, settings=ScoreSettings, example="--set subset=test")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; prints a scorecard for each model."""
    args = build_parser().parse_args(argv)
    check_extras("spark", "train")
    overrides = [*args.overrides, *(["segments=true"] if args.segments else [])]
    settings = read_settings(ScoreSettings, section="score", path=args.config, overrides=overrides)
    check_input(args.input, what="a FEATURES folder or a source of audio")
    check_label_csv(settings.labels.csv)
    check_label_map(settings.labels.map)
    for model in args.models:
        check_model(model)
    from deepsound.commands.networks import prepare_networks
    from deepsound.spark.score import score
    from deepsound.spark.score_input import name_models
    from deepsound.spark.session import open_session
    from deepsound.training.mlflow_store import open_store
    from deepsound.training.registry import load_bundle
    from deepsound.training.scoring_run import draw_scorecard

    pages: dict[str, str] = {}

    def draw(scores: "ModelScores", pairs: Sequence["ModelPair"]) -> str:
        page = draw_scorecard(
            scores.report,
            summary=scores.summary,
            bundle=scores.model.bundle,
            examples=scores.examples,
            comparisons={(pair.a, pair.b): pair.comparison for pair in pairs if pair.comparison is not None},
        )
        pages[scores.model.name] = page
        return page

    # A look-up first: a model that is not there leaves no store behind.
    models = name_models([(uri, load_bundle(uri)) for uri in args.models])
    open_store()
    with open_session("deepsound score") as spark:
        result = score(
            spark,
            args.input,
            args.output,
            models=models,
            settings=settings,
            prepare=lambda extraction: prepare_networks(extraction.features, network=extraction.network),
            draw=draw,
            report=say,
        )
    for scores in result.models:
        if len(models) > 1:
            show([f"{scores.model.name}: {scores.model.uri}"])
        _show_and_log(scores, page=pages[scores.model.name])
    for pair in result.pairs:
        show(_describe_pair(pair))
    for scores in result.models:
        _check_failures(scores, settings)
    return 0


def _show_and_log(scores: "ModelScores", *, page: str) -> None:
    from deepsound.evaluation.render.text import format_report
    from deepsound.training.mlflow_store import describe_address
    from deepsound.training.scoring_run import log_scoring

    show(format_report(scores.report))
    run_id = log_scoring(
        scores.report,
        summary=scores.summary,
        per_genre=scores.per_genre,
        examples=scores.examples,
        bundle=scores.model.bundle,
        scorecard=page,
    )
    say(f"logged as MLflow run {run_id}; {describe_address()}")


def _describe_pair(pair: "ModelPair") -> list[str]:
    from deepsound.evaluation.render.text import describe_comparison

    if pair.comparison is None:
        return [f"{pair.a} and {pair.b}: no track of a known genre that both have scored"]
    lines = describe_comparison(pair.a, pair.b, pair.comparison)
    title = f"{pair.a} against {pair.b}, on {pair.comparison.n_tracks} tracks:"
    return [title, *(f"  {line}" for line in lines)]


def _check_failures(scores: "ModelScores", settings: ScoreSettings) -> None:
    report = scores.report
    if report.n_failed > settings.max_failure_fraction * report.n_tracks:
        raise TooManyFailuresError(
            f"{report.n_failed} of {report.n_tracks} tracks could not be scored by {scores.model.uri}; "
            f"max_failure_fraction is {settings.max_failure_fraction:g}. Everything is written"
        )
