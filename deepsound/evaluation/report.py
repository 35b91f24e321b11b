"""Metrics as text and as plain tables: for the terminal, for ``metrics.json``, for MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deepsound.console import to_printable
from deepsound.evaluation.metrics import CollectionMetrics

Scorecard = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]

# Width of 'genre' and 'tracks' in a table: what is the same for all models.
_KEY_WIDTH = 19
_MACROS = ("macro_precision", "macro_recall", "macro_f1")


def headline_numbers(metrics: CollectionMetrics) -> dict[str, float]:
    """The defined headline figures by name, with ``_low`` and ``_high``; undefined ones are left out."""
    return {name: value for name, value in _headline(metrics).items() if value is not None}


def _headline(metrics: CollectionMetrics) -> dict[str, float | None]:
    values = {name: getattr(metrics, name) for name in ("accuracy", "accuracy_low", "accuracy_high", *_MACROS)}
    for name in _MACROS:
        values[f"{name}_low"], values[f"{name}_high"] = getattr(metrics, f"{name}_interval") or (None, None)
    return values


def metrics_to_plain(metrics: CollectionMetrics) -> dict[str, Any]:
    """The metric part of ``metrics.json``; undefined figures are null."""
    return {
        "n_labelled": metrics.n_labelled,
        **_headline(metrics),
        "labels": [line.genre for line in metrics.per_genre],
        "confusion_matrix": metrics.confusion.tolist(),
    }


def per_genre_rows(metrics: CollectionMetrics) -> list[dict[str, Any]]:
    """The rows of ``per_genre/``."""
    return [asdict(line) for line in metrics.per_genre]


def format_scorecard(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """What a person wants to see of a scored collection.

    Parameters
    ----------
    summary : mapping
        The content of ``metrics.json``.
    rows : sequence of mappings
        The rows of ``per_genre/``; with ``n_scored_as`` where nothing is labelled.
    """
    lines = format_counts(summary)
    if summary["accuracy"] is None:
        lines.append("no known genre, so no accuracy; tracks by predicted genre:")
        lines += [f"{row['genre']:<12} {row['n_scored_as']:>6}" for row in rows]
        return "\n".join(lines)
    lines.append(
        f"{_accuracy(summary)}, macro precision {_number(summary['macro_precision'])}, "
        f"macro recall {_number(summary['macro_recall'])}, macro F1 {_number(summary['macro_f1'])}"
    )
    return "\n".join([*lines, format_per_genre(rows)])


def format_counts(summary: Mapping[str, Any]) -> list[str]:
    """The first lines of a scorecard: how many tracks there were, and what became of them."""
    lines = [
        f"{summary['n_tracks']} tracks: {summary['n_scored']} scored, {summary['n_failed']} failed, "
        f"{summary['n_labelled']} with a known genre, {summary['n_ood']} called out-of-distribution"
    ]
    if summary["n_foreign_label"]:
        lines.append(
            f"{summary['n_foreign_label']} tracks have a label the model does not know; not counted below"
        )
    return lines


def format_headline(summary: Mapping[str, Any]) -> str:
    """Accuracy with its interval and the number of tracks it is of, in a few words."""
    if summary["accuracy"] is None:
        return "no known genre"
    interval = f"[{summary['accuracy_low']:.2f}, {summary['accuracy_high']:.2f}]"
    return f"{summary['accuracy']:.2f} {interval} of {summary['n_labelled']}"


def format_side_by_side(cards: Mapping[str, Scorecard]) -> str:
    """Several models on the same tracks, in columns; whole scorecards, one below the other, without labels.

    Parameters
    ----------
    cards : mapping
        Name of the model to its (``metrics.json``, rows of ``per_genre/``); rows in the same order.
    """
    if any(summary["accuracy"] is None for summary, _ in cards.values()):
        return "\n\n".join(f"{name}: {format_scorecard(*card)}" for name, card in cards.items())
    lines = [
        f"{name}: {_accuracy(summary)}, macro F1 {_number(summary['macro_f1'])}; {summary['n_scored']} scored, "
        f"{summary['n_failed']} failed, {summary['n_ood']} called out-of-distribution"
        for name, (summary, _) in cards.items()
    ]
    tables = [format_per_genre(rows).splitlines() for _, rows in cards.values()]
    width = len(tables[0][0])
    title = " " * _KEY_WIDTH + "".join(f" | {name:<{width - _KEY_WIDTH}}" for name in cards)
    body = [
        line[:_KEY_WIDTH] + "".join(f" | {table[i][_KEY_WIDTH:]:<{width - _KEY_WIDTH}}" for table in tables)
        for i, line in enumerate(tables[0])
    ]
    return "\n".join(line.rstrip() for line in [*lines, title, *body])


def format_per_genre(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table for people. A dash stands where a figure is undefined."""
    lines = [
        f"{'genre':<12} {'tracks':>6} {'right':>6} {'precision':>9} {'recall':>7} {'95 % interval':>14} {'F1':>5}"
    ]
    for row in rows:
        interval = "-" if row["recall"] is None else f"{row['recall_low']:.2f} to {row['recall_high']:.2f}"
        lines.append(
            f"{to_printable(row['genre']):<12} {row['n_true']:>6} {row['n_correct']:>6} "
            f"{_number(row['precision']):>9} {_number(row['recall']):>7} {interval:>14} {_number(row['f1']):>5}"
        )
    return "\n".join(lines)


def _accuracy(summary: Mapping[str, Any]) -> str:
    interval = f"{summary['accuracy_low']:.3f} to {summary['accuracy_high']:.3f}"
    return f"accuracy {summary['accuracy']:.3f} (95 % interval {interval})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
