"""The page of a scored collection: one HTML document that says how far the predictions can be trusted."""

import dataclasses
from collections.abc import Mapping, Sequence

from deepsound.evaluation.collection import Blunder, CollectionEvaluation
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.scorecard.collection_parts import (
    blunders_section,
    coverage_section,
    distances_section,
    drift_section,
    failures_section,
    is_foreign,
    labels_section,
    predicted_table,
    shares_section,
)
from deepsound.evaluation.scorecard.comparison import comparison_sections
from deepsound.evaluation.scorecard.page import Headline, Link, Page, Section, render_page
from deepsound.evaluation.scorecard.sections import (
    confidence_section,
    confusion_section,
    facts_section,
    genre_section,
    headline_of,
)
from deepsound.evaluation.scorecard.wording import percent, share_of, tracks

_HALF = 0.5


def collection_page(
    evaluation: CollectionEvaluation,
    *,
    title: str,
    subtitle: str = "",
    blunders: Sequence[Blunder] = (),
    comparisons: Mapping[tuple[str, str], PairedComparison] | None = None,
    facts: Mapping[str, str | Link],
    folded: Mapping[str, Mapping[str, str]] | None = None,
    footer: str = "",
) -> str:
    """The page, as HTML.

    Parameters
    ----------
    title : str
        For example ``mfcc on fma_small``.
    blunders : sequence of Blunder
        The most confident mistakes, as they are to be listed.
    comparisons : mapping of (str, str) to PairedComparison, optional
        Names of two models to how they compare on this collection.
    facts : mapping
        Where the scores come from; see :func:`~deepsound.evaluation.scorecard.page.link_or_text` for links.
    folded : mapping, optional
        Title to further facts, folded away under it.
    """
    sections = [
        *collection_sections(evaluation, blunders=blunders),
        *comparison_sections(comparisons or {}),
        facts_section("Made of", facts, folded=folded or {}),
    ]
    page = Page(
        title=title,
        subtitle=subtitle,
        headline=collection_headline(evaluation),
        badges=collection_badges(evaluation),
        sections=tuple(sections),
        footer=footer,
    )
    return render_page(page)


def collection_sections(evaluation: CollectionEvaluation, *, blunders: Sequence[Blunder]) -> list[Section]:
    """What there is to say of a collection, the most telling first: without labels, what it holds."""
    metrics = evaluation.metrics
    shares = shares_section(evaluation)
    if evaluation.n_scored:
        shares = dataclasses.replace(shares, blocks=(*shares.blocks, predicted_table(evaluation.genres)))
    sections = [shares]
    if metrics.accuracy is not None:
        n_wrong = metrics.n_labelled - sum(line.n_correct for line in metrics.per_genre)
        sections = [genre_section(metrics), confusion_section(metrics), shares]
        if evaluation.coverage is not None:
            sections.append(coverage_section(evaluation.coverage))
        if evaluation.reliability is not None:
            sections.append(confidence_section(evaluation.reliability))
        sections.append(blunders_section(blunders, n_wrong=n_wrong))
    sections += [
        distances_section(evaluation.distances),
        drift_section(evaluation.drift),
        labels_section(evaluation.labels),
    ]
    if evaluation.n_failed:
        sections.append(failures_section(evaluation.failures, n_tracks=evaluation.n_tracks))
    return sections


def collection_headline(evaluation: CollectionEvaluation) -> Headline:
    """The accuracy on labelled tracks; without any, what was scored."""
    remarks = []
    if evaluation.coverage is not None and evaluation.coverage.n_tracks > 1:
        accuracy = evaluation.coverage.accuracy_at(_HALF)
        remarks.append(f"Of the half that the model is surest of, {percent(accuracy)} are right")
    n_unknown = sum(n for name, n in evaluation.labels.items() if name in ("unmapped", "ambiguous"))
    if n_unknown and evaluation.metrics.accuracy is not None:
        remarks.append(f"{tracks(n_unknown)} with other labels than the model's genres are not counted")
    if evaluation.n_scored:
        called = share_of(evaluation.distances.n_ood, evaluation.n_scored)
        remarks.append(f"Out-of-distribution, by the model's own rule: {called}")
    if evaluation.metrics.accuracy is not None:
        return headline_of(evaluation.metrics, what="labelled tracks", remarks=remarks)
    if not evaluation.n_scored:
        of = f"none of {tracks(evaluation.n_tracks)} could be scored" if evaluation.n_tracks else "no track"
        return Headline(share=None, low=None, high=None, of=of)
    of = f"{tracks(evaluation.n_scored)} scored, none with a genre that the model knows"
    commonest = max(evaluation.genres, key=lambda line: line.n_tracks)
    named = f"Predicted most often: {commonest.genre}, {share_of(commonest.n_tracks, evaluation.n_scored)}"
    return Headline(share=None, low=None, high=None, of=of, remarks=(named, *remarks))


def collection_badges(evaluation: CollectionEvaluation) -> tuple[tuple[str, str], ...]:
    """What should be known before any figure is looked at."""
    badges = []
    distances = evaluation.distances
    if distances.n_ood:
        words = f"{percent(distances.n_ood / distances.n_scored)} out-of-distribution"
        badges.append((words, "bad" if is_foreign(distances) else "plain"))
    if evaluation.metrics.accuracy is None:
        badges.append(("unlabelled", "plain"))
    if evaluation.drift is not None and evaluation.drift.has_drifted:
        badges.append(("drift", "bad"))
    badges.append((f"{evaluation.n_failed} failed", "bad") if evaluation.n_failed else ("none failed", "good"))
    return tuple(badges)
