"""``score``: a FEATURES folder or a folder of audio, and a model, to a SCORES folder."""

import argparse
from collections.abc import Sequence

from deepsound.commands.networks import prepare_networks
from deepsound.commands.running import add_settings_options, reports_errors, say
from deepsound.config import ScoreSettings
from deepsound.errors import ConfigError, TooManyFailuresError
from deepsound.settings import read_settings


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="score", description="Score a collection with a trained genre model.")
    parser.add_argument(
        "--input", required=True, metavar="FEATURES_OR_AUDIO", help="features, or a folder of audio"
    )
    parser.add_argument("--model", required=True, metavar="MODEL", help="MLflow URI or bundle directory")
    parser.add_argument("--output", required=True, metavar="SCORES", help="folder to write scores to")
    add_settings_options(parser, example="--set subset=test")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the job; prints the scorecard."""
    args = build_parser().parse_args(argv)
    settings = read_settings(ScoreSettings, section="score", path=args.config, overrides=args.overrides)
    if settings.labels.map is not None:
        raise ConfigError(
            f"'labels.map' is {settings.labels.map!r}, but this version scores with no label map yet"
        )
    from deepsound.evaluation.report import format_scorecard
    from deepsound.spark.score import score
    from deepsound.spark.session import open_session
    from deepsound.training.scoring_run import log_scoring
    from deepsound.training.tracking import load_bundle, open_store

    open_store()
    bundle = load_bundle(args.model)
    with open_session("deepsound score") as spark:
        result = score(
            spark,
            args.input,
            args.output,
            bundle=bundle,
            model=args.model,
            settings=settings,
            prepare=lambda extraction: prepare_networks(extraction.features, network=extraction.network),
            report=say,
        )
    run_id = log_scoring(result.metrics, summary=result.summary, per_genre=result.per_genre, bundle=bundle)
    print(format_scorecard(result.summary, result.per_genre))
    say(f"logged as MLflow run {run_id}")
    if result.counts.n_failed > settings.max_failure_fraction * result.counts.n_tracks:
        raise TooManyFailuresError(
            f"{result.counts.n_failed} of {result.counts.n_tracks} tracks could not be scored; "
            f"max_failure_fraction is {settings.max_failure_fraction:g}. Everything is written"
        )
    return 0
