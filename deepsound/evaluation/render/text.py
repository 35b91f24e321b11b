"""A report as text, for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from deepsound.console import to_printable
from deepsound.evaluation.coverage import CoverageCurve
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.multiple_tests import SIGNIFICANT
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.power import describe_power
from deepsound.evaluation.quantification import Quantification
from deepsound.evaluation.render.plain import report_to_plain, report_to_rows
from deepsound.evaluation.render.wording import tracks
from deepsound.evaluation.report import Distances, Report

Scorecard = tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]

# Width of 'genre' and 'tracks' in a table: what is the same for all models.
_KEY_WIDTH = 19
_COVERAGES = (0.5, 0.8)
_N_TAKEN = 5


def format_report(report: Report) -> str:
    """What a person wants to see of scored tracks: the scorecard, and how far it can be trusted.

    Without labels the shares of the genres stand in the place of the accuracy.
    """
    summary, rows = report_to_plain(report), report_to_rows(report)
    if not report.n_scored:
        lines = format_counts(summary)
    elif report.metrics.accuracy is None and report.shares is not None:
        lines = [*format_counts(summary), *_format_shares(report.shares)]
    else:
        lines = [format_scorecard(summary, rows)]
    if n_ambiguous := report.labels.get("ambiguous", 0):
        lines.append(f"labels that could be several genres: {n_ambiguous} tracks, not counted")
    if report.taken_labels:
        some = ", ".join(
            f"{one.label!r} for {one.taken_for} ({one.n_tracks})" for one in report.taken_labels[:_N_TAKEN]
        )
        more = ", …" if len(report.taken_labels) > _N_TAKEN else ""
        lines.append(f"labels taken for their last words: {some}{more}; labels.endings=false switches this off")
    if report.is_sampled:
        lines.append(f"curves and ranks below are of {report.n_sampled} tracks, drawn by hash")
    if report.coverage is not None:
        lines.append(_format_coverage(report.coverage))
    if report.slices is not None:
        lines += [to_printable(line) for line in report.slices.describe()]
    if report.n_scored and report.distances is not None:
        lines += _format_distances(report.distances)
    if report.drift is not None:
        lines += [f"drift: {words}" for words in report.drift.words]
    if report.failures:
        lines.append(f"failed: {_format_failures(report.failures)}")
    return "\n".join(lines)


def format_scorecard(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """What a person wants to see of a scored collection.

    ``summary`` is the content of ``metrics.json``, ``rows`` those of ``per_genre/``; with ``n_scored_as`` where
    nothing is labelled.
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
    lines.append(_unit(summary))
    lines += summary.get("remarks", [])
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


def format_accuracy(summary: Mapping[str, Any]) -> str:
    """Accuracy and macro F1, each with its interval."""
    macro = f"{summary['macro_f1_low']:.3f} to {summary['macro_f1_high']:.3f}"
    return f"{_accuracy(summary)}, macro F1 {summary['macro_f1']:.3f} ({macro})"


def describe_accuracy(metrics: CollectionMetrics) -> str:
    """``accuracy 0.82 [0.69, 0.90] on 49 tracks``, or that nothing was labelled."""
    if metrics.accuracy is None:
        return "no labelled track, so no accuracy"
    interval = f"[{metrics.accuracy_low:.2f}, {metrics.accuracy_high:.2f}]"
    return f"accuracy {metrics.accuracy:.2f} {interval} on {metrics.n_labelled} tracks"


def format_side_by_side(cards: Mapping[str, Scorecard]) -> str:
    """Several models on the same tracks, in columns; whole scorecards, one below the other, without labels.

    ``cards`` maps a model's name to its (``metrics.json``, rows of ``per_genre/``); rows in the same order.
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
    # The tracks are the same, and so are their artists.
    unit = _unit(next(iter(cards.values()))[0])
    return "\n".join(line.rstrip() for line in [*lines, title, *body, unit])


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


def describe_comparison(name_a: str, name_b: str, comparison: PairedComparison) -> tuple[str, ...]:
    """What the comparison comes to, a sentence each.

    The intervals of two accuracies on the same tracks may overlap although one model is better on nearly every
    track that they differ on: the sentences go by the tracks, not by the intervals.
    """
    only_a, only_b = comparison.n_only_a, comparison.n_only_b
    difference, low, high = (100 * value for value in (comparison.difference, comparison.low, comparison.high))
    said = (
        f"{name_a} is right on {tracks(only_a)} where {name_b} is wrong, {name_b} on {only_b} where {name_a} is "
        f"wrong; both are right on {comparison.n_both}, none on {comparison.n_neither}",
        f"{name_a} less {name_b}: {difference:+.1f} percentage points, 95 % interval {low:+.1f} to {high:+.1f}",
    )
    p = comparison.p_value
    tested = comparison.describe_test()
    if not comparison.n_discordant:
        return (*said, "They are right on the very same tracks: nothing tells them apart")
    if p >= SIGNIFICANT:
        return (*said, f"{tested}; no more than chance: {describe_power(comparison)}")
    return (*said, f"{tested}; {name_a if difference > 0 else name_b} is better by more than chance")


def _accuracy(summary: Mapping[str, Any]) -> str:
    interval = f"{summary['accuracy_low']:.3f} to {summary['accuracy_high']:.3f}"
    return f"accuracy {summary['accuracy']:.3f} (95 % interval {interval})"


def _unit(summary: Mapping[str, Any]) -> str:
    if summary.get("interval_unit") == "artist":
        return f"intervals count the {summary['n_artists']} artists, not the tracks"
    return "no artist is known: intervals take tracks as independent, which those of one artist are not"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _format_shares(shares: Quantification) -> list[str]:
    return [
        f"no known genre, so no accuracy; shares of {shares.n_tracks} tracks, as predicted and as the model's "
        "probabilities make likely:",
        f"{'genre':<12} {'tracks':>6} {'predicted':>9} {'estimated':>9} {'95 % interval':>14}",
        *(
            f"{to_printable(share.genre):<12} {share.n_predicted:>6} {share.predicted:>9.2f} "
            f"{share.estimated:>9.2f} {f'{share.estimated_low:.2f} to {share.estimated_high:.2f}':>14}"
            for share in shares.shares
        ),
        "the estimate holds where genres sound as they do in training",
        *(f"note: {note}" for note in shares.notes),
    ]


def _format_coverage(curve: CoverageCurve) -> str:
    parts = [f"{100 * coverage:.0f} % {curve.accuracy_at(coverage):.3f}" for coverage in _COVERAGES]
    return f"accuracy of the tracks that it is surest of: {', '.join(parts)}"


def _format_distances(distances: Distances) -> list[str]:
    share = distances.n_ood / distances.n_scored
    lines = [f"out-of-distribution: {share:.1%}; {distances.rule.describe()}"]
    if distances.detection:
        told = [
            f"{kind} {found.auroc:.2f} [{found.auroc_low:.2f}, {found.auroc_high:.2f}]"
            for kind, found in distances.detection.items()
        ]
        lines.append(f"AUROC, in-distribution tracks against: {', '.join(told)}")
    return lines


def _format_failures(failures: Mapping[str, int]) -> str:
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {code}" for code, n in ordered)
