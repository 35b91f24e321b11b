"""A scored collection as text, for the terminal."""

from collections.abc import Mapping
from typing import Any

from deepsound.console import to_printable
from deepsound.evaluation.collection import CollectionEvaluation, Distances
from deepsound.evaluation.coverage import CoverageCurve
from deepsound.evaluation.quantification import Quantification
from deepsound.evaluation.report import format_counts, format_scorecard, metrics_to_plain, per_genre_rows

_COVERAGES = (0.5, 0.8)


def format_collection(evaluation: CollectionEvaluation) -> str:
    """What a person wants to see of a scored collection: the scorecard, and how far it can be trusted.

    Without labels the shares of the genres stand in the place of the accuracy.
    """
    summary, metrics = _summarise(evaluation), evaluation.metrics
    if not evaluation.n_scored:
        lines = format_counts(summary)
    elif metrics.accuracy is None and evaluation.shares is not None:
        lines = [*format_counts(summary), *_format_shares(evaluation.shares)]
    else:
        rows = [
            {**row, "n_scored_as": line.n_tracks}
            for row, line in zip(per_genre_rows(metrics), evaluation.genres, strict=True)
        ]
        lines = [format_scorecard(summary, rows)]
    if n_ambiguous := evaluation.labels.get("ambiguous", 0):
        lines.append(f"labels that could be several genres: {n_ambiguous} tracks, not counted")
    if evaluation.coverage is not None:
        lines.append(_format_coverage(evaluation.coverage))
    if evaluation.n_scored:
        lines += _format_distances(evaluation.distances)
    if evaluation.drift is not None:
        lines += [f"drift: {words}" for words in evaluation.drift.words]
    if evaluation.failures:
        lines.append(f"failed: {_format_failures(evaluation.failures)}")
    return "\n".join(lines)


def _summarise(evaluation: CollectionEvaluation) -> dict[str, Any]:
    return {
        "n_tracks": evaluation.n_tracks,
        "n_scored": evaluation.n_scored,
        "n_failed": evaluation.n_failed,
        "n_ood": evaluation.distances.n_ood,
        "n_foreign_label": evaluation.labels.get("unmapped", 0),
        **metrics_to_plain(evaluation.metrics),
    }


def _format_shares(shares: Quantification) -> list[str]:
    return [
        f"no known genre, so no accuracy; shares of {shares.n_tracks} tracks, as predicted and as the model's "
        "known mistakes make likely:",
        f"{'genre':<12} {'tracks':>6} {'predicted':>9} {'estimated':>9} {'95 % interval':>14}",
        *(
            f"{to_printable(share.genre):<12} {share.n_predicted:>6} {share.predicted:>9.2f} "
            f"{share.estimated:>9.2f} {f'{share.estimated_low:.2f} to {share.estimated_high:.2f}':>14}"
            for share in shares.shares
        ),
        "the estimate holds where genres sound as they do at home",
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
        lines.append(f"AUROC of home against: {', '.join(told)}")
    return lines


def _format_failures(failures: Mapping[str, int]) -> str:
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {code}" for code, n in ordered)
