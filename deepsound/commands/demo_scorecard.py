"""What a demo shows at its end."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from deepsound.commands.demo_jobs import Collections, Plan, read_outcome
from deepsound.evaluation.render.text import Scorecard, format_headline, format_side_by_side
from deepsound.training.mlflow_store import describe_address


def format_demo(collections: Collections, plan: Plan) -> str:
    """All models side by side on each collection, their headline figures, and where everything lies."""
    output, features = plan.output, plan.features
    kind = (
        "SYNTHETIC sample music; its figures say nothing about real music"
        if collections.is_synthetic
        else "your music"
    )
    lines = ["", f"==== deepsound scorecard: {kind} ===="]
    shown = [("test", f"held-out test tracks of {collections.training}")]
    if collections.ood is not None:
        shown.append(("ood", f"out-of-distribution collection {collections.ood}"))
    trained = {feature: read_outcome(plan, feature) for feature in features}
    headlines = {feature: [_describe_folds(outcome)] for feature, outcome in trained.items()}
    for name, title in shown:
        cards = {feature: _read_card(output / "scores" / f"{feature}-{name}") for feature in features}
        lines += ["", f"-- {title}", format_side_by_side(cards)]
        for feature, (summary, _) in cards.items():
            headlines[feature].append(format_headline(summary))
    titles = ["each track held out once", "held-out test tracks", "out-of-distribution"][: len(shown) + 1]
    lines += ["", f"{'accuracy':<12} {' '.join(f'{title:<26}' for title in titles)}".rstrip()]
    lines += [
        f"{feature:<12} {' '.join(f'{text:<26}' for text in headlines[feature])}".rstrip() for feature in features
    ]
    models = ", ".join(str(outcome["model"]) for outcome in trained.values())
    store = os.environ.get("MLFLOW_TRACKING_URI", "mlflow.db, here")
    lines += [
        "",
        f"features     {output / 'features'} (segments/, tracks/, extract.json)",
        f"predictions  {output / 'scores'} (predictions/, per_genre/, metrics.json each)",
        f"models       {models}",
        f"runs         {store}: settings, curves, pictures, a scorecard.html of each model to show around",
        f"look at them: {describe_address()}",
    ]
    return "\n".join(lines)


def _describe_folds(outcome: Mapping[str, Any]) -> str:
    folds = outcome["folds"]
    return "no folds" if folds is None else format_headline(folds)


def _read_card(scores: pathlib.Path) -> Scorecard:
    summary: dict[str, Any] = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
    return summary, pq.read_table(scores / "per_genre").to_pylist()
