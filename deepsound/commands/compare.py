"""``compare``: two models on the tracks that neither has learned from."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deepsound.commands.running import reports_errors, write_json
from deepsound.console import show

if TYPE_CHECKING:
    from deepsound.evaluation.metrics import CollectionMetrics
    from deepsound.training.comparison import ModelComparison

_LEVEL = 0.05


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="compare", description="Hold two models against each other on the same tracks, with a paired test."
    )
    parser.add_argument("model_a", metavar="MODEL_A", help="MLflow URI or bundle directory")
    parser.add_argument("model_b", metavar="MODEL_B", help="the same; its feature may be another one")
    parser.add_argument("features", metavar="FEATURES", help="what extract wrote, with the features of both")
    parser.add_argument(
        "--subset",
        choices=("test", "all"),
        default="test",
        help="tracks that neither model has learned from (default), or all labelled ones",
    )
    parser.add_argument("--output", metavar="FILE", help="write the comparison as JSON")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison."""
    args = build_parser().parse_args(argv)
    from deepsound.evaluation.render.plain import metrics_to_plain
    from deepsound.training.comparison import compare_models
    from deepsound.training.registry import load_bundle

    names = args.model_a, args.model_b
    first, second = map(load_bundle, names)
    result = compare_models(first, second, features=args.features, names=names, subset=args.subset)
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
    show(format_comparison(result, names=names))
    return 0


def format_comparison(result: "ModelComparison", *, names: tuple[str, str]) -> list[str]:
    """The comparison as lines for people."""
    paired = result.paired
    lines = [
        f"A: {names[0]}",
        f"B: {names[1]}",
        f"{paired.n_tracks} tracks, {len(result.genres)} genres",
        *result.notes,
        "",
        f"{'':<6} {'accuracy':>8} {'95 % interval':>15} {'macro F1':>9} {'95 % interval':>15}",
        _line("A", result.metrics_a),
        _line("B", result.metrics_b),
        f"{'A - B':<6} {paired.difference:>+8.3f} {_interval((paired.low, paired.high), '+.3f'):>15}",
        "",
        f"both right {paired.n_both}, only A {paired.n_only_a}, only B {paired.n_only_b}, "
        f"neither {paired.n_neither}",
        f"{paired.describe_test()}; {paired.n_discordant} tracks where one is right",
    ]
    if paired.p_value >= _LEVEL:
        verdict = "no difference is shown on these tracks"
    else:
        verdict = f"{'A' if paired.difference > 0 else 'B'} is better on these tracks"
    return [*lines, verdict]


def _line(name: str, metrics: "CollectionMetrics") -> str:
    interval = metrics.accuracy_low or 0.0, metrics.accuracy_high or 0.0
    return (
        f"{name:<6} {metrics.accuracy or 0.0:>8.3f} {_interval(interval, '.3f'):>15} "
        f"{metrics.macro_f1 or 0.0:>9.3f} {_interval(metrics.macro_f1_interval or (0.0, 0.0), '.3f'):>15}"
    )


def _interval(interval: tuple[float, float], form: str) -> str:
    return f"{interval[0]:{form}} to {interval[1]:{form}}"
