"""``compare``: two models on the tracks that neither has learned from."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deepsound.commands.options import new_parser, path
from deepsound.commands.running import check_extras, reports_errors, write_json, write_text
from deepsound.console import show
from deepsound.credentials import hide_credentials

if TYPE_CHECKING:
    from deepsound.training.comparison import ModelComparison


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "compare",
        description="Hold two models against each other on the same tracks, with a paired test.",
        examples=(
            "deepsound compare models:/deepsound-mfcc@champion models:/deepsound-musicnn@champion features",
        ),
    )
    parser.add_argument("model_a", type=path, metavar="MODEL_A", help="MLflow URI or bundle directory")
    parser.add_argument("model_b", type=path, metavar="MODEL_B", help="the same; its feature may be another one")
    parser.add_argument(
        "features", type=path, metavar="FEATURES", help="what extract wrote, with the features of both"
    )
    parser.add_argument(
        "--subset",
        choices=("test", "all"),
        default="test",
        help="tracks that neither model has learned from (default), or all labelled ones",
    )
    parser.add_argument("--output", type=path, metavar="FILE", help="write the comparison as JSON")
    parser.add_argument("--page", type=path, metavar="FILE", help="write it as a page, in HTML")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison."""
    args = build_parser().parse_args(argv)
    check_extras("train")
    from deepsound.api.scores import compare

    names = args.model_a, args.model_b
    result = compare(*names, args.features, subset=args.subset)
    from deepsound.evaluation.render.plain import metrics_to_plain

    if args.output is not None:
        plain: dict[str, Any] = {
            "model_a": args.model_a,
            "model_b": args.model_b,
            "features": args.features,
            "subset": args.subset,
            "a": metrics_to_plain(result.metrics_a),
            "b": metrics_to_plain(result.metrics_b),
            "paired": asdict(result.paired),
            "notes": list(result.notes),
        }
        write_json(plain, args.output)
    if args.page is not None:
        write_text(_draw(result, args), args.page)
    show(_describe(result, names=names))
    return 0


def _draw(result: "ModelComparison", args: argparse.Namespace) -> str:
    import deepsound
    from deepsound.evaluation.render.html.comparison import comparison_page
    from deepsound.settings import to_command

    subset = [] if args.subset == "test" else ["--subset", args.subset]
    first, second, features = map(hide_credentials, (args.model_a, args.model_b, args.features))
    return comparison_page(
        result.paired,
        names=(first, second),
        metrics=(result.metrics_a, result.metrics_b),
        notes=result.notes,
        command=to_command(["compare", first, second, features, *subset], {}, default={}),
        facts={"features": features, "genres": ", ".join(result.genres)},
        footer=f"deepsound {deepsound.__version__}. Intervals are 95 %.",
    )


def _describe(result: "ModelComparison", *, names: tuple[str, str]) -> list[str]:
    from deepsound.evaluation.render.plain import metrics_to_plain
    from deepsound.evaluation.render.text import describe_comparison, format_accuracy

    return [
        f"A: {names[0]}",
        f"B: {names[1]}",
        f"{result.paired.n_tracks} tracks, {len(result.genres)} genres",
        *result.notes,
        f"A: {format_accuracy(metrics_to_plain(result.metrics_a))}",
        f"B: {format_accuracy(metrics_to_plain(result.metrics_b))}",
        *describe_comparison("A", "B", result.paired),
    ]
