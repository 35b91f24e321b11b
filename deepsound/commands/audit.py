"""``audit``: what leaks between the splits that train would make, and how much a careless split would flatter."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import add_settings_options, new_parser, path
from deepsound.commands.running import check_extras, reports_errors, write_json
from deepsound.config import TrainSettings
from deepsound.console import say, show
from deepsound.data.early import check_features, check_split_lists
from deepsound.settings import read_settings
from deepsound.training.known_models import check_model


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "audit",
        description="Audit the split that train would make of these features, with the same settings: what stands "
        "on both sides, and how much a random split would flatter.",
        examples=(
            "deepsound audit features --set feature=musicnn",
            "deepsound audit features --repeats 0 --output audit.json",
        ),
    )
    parser.add_argument("features", type=path, metavar="FEATURES", help="what extract wrote")
    parser.add_argument(
        "--output", type=path, metavar="FILE", help="write everything, with all leaks and pairs, as JSON"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="of the inflation report (default 5); 0 leaves it out"
    )
    add_settings_options(parser, settings=TrainSettings, example="--set feature=musicnn")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the audit; the exit code is 0 whatever it finds, as finding it is the job."""
    args = build_parser().parse_args(argv)
    check_extras("train")
    settings = read_settings(TrainSettings, section="train", path=args.config, overrides=args.overrides)
    check_split_lists(settings.split_lists)
    if settings.split.like is not None:
        check_model(settings.split.like)
    check_features(args.features, feature=settings.feature)
    from deepsound.training.collection_audit import audit_collection, audit_to_plain, format_collection_audit

    result = audit_collection(args.features, settings=settings, n_repeats=args.repeats, report=say)
    if args.output is not None:
        write_json(audit_to_plain(result), args.output)
    show(format_collection_audit(result))
    return 0
