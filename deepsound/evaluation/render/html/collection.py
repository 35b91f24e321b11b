"""The page of a scored collection: one HTML document that says how far the predictions can be trusted."""

import dataclasses
from collections.abc import Mapping

from deepsound.evaluation.examples import Examples
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.html.collection_parts import (
    coverage_section,
    distances_section,
    drift_section,
    failures_section,
    is_foreign,
    labels_section,
    predicted_table,
    shares_section,
)
from deepsound.evaluation.render.html.comparison import comparison_sections
from deepsound.evaluation.render.html.confidence import confidence_section
from deepsound.evaluation.render.html.page import Headline, Link, Page, Section, render_page
from deepsound.evaluation.render.html.picks import find_picks
from deepsound.evaluation.render.html.sections import (
    confusion_section,
    facts_section,
    genre_section,
    headline_of,
    listen_section,
    map_section,
)
from deepsound.evaluation.render.html.slices import slices_section
from deepsound.evaluation.render.wording import percent, share_of, tracks
from deepsound.evaluation.report import Report

_HALF = 0.5


def collection_page(
    report: Report,
    *,
    title: str,
    subtitle: str = "",
    examples: Examples,
    comparisons: Mapping[tuple[str, str], PairedComparison] | None = None,
    command: str = "",
    facts: Mapping[str, str | Link],
    folded: Mapping[str, Mapping[str, str]] | None = None,
    footer: str = "",
) -> str:
    """The page, as HTML.

    Parameters
    ----------
    title : str
        For example ``mfcc on fma_small``.
    examples : Examples
        Single tracks, with what is to be heard of them.
    comparisons : mapping of (str, str) to PairedComparison, optional
        Names of two models to how they compare on this collection.
    command : str
        What makes it again, for a shell.
    facts : mapping
        Where the scores come from; see :func:`~deepsound.evaluation.render.html.page.link_or_text` for links.
    folded : mapping, optional
        Title to further facts, folded away under it.
    """
    sections = [
        *collection_sections(report, examples=examples),
        *comparison_sections(comparisons or {}),
        facts_section("Reproduce", facts, folded=folded or {}, command=command),
    ]
    page = Page(
        title=title,
        subtitle=subtitle,
        headline=collection_headline(report),
        badges=collection_badges(report),
        sections=tuple(sections),
        footer=footer,
        examples=examples,
        picks=find_picks(examples, reliability=report.reliability, slices=report.slices),
    )
    return render_page(page)


def collection_sections(report: Report, *, examples: Examples) -> list[Section]:
    """What there is to say of a collection, the most telling first: without labels, what it holds."""
    metrics = report.metrics
    shares = shares_section(report)
    if report.n_scored:
        shares = dataclasses.replace(shares, blocks=(*shares.blocks, predicted_table(report.genres)))
    sections = [shares]
    if metrics.accuracy is not None:
        sections = [genre_section(metrics), confusion_section(metrics), shares]
        if report.coverage is not None:
            sections.append(coverage_section(report.coverage))
        if report.reliability is not None:
            sections.append(confidence_section({tracks(report.reliability.n_tracks): report.reliability}))
        sections += filter(None, [slices_section(report.slices)])
    n_wrong = metrics.n_labelled - sum(line.n_correct for line in metrics.per_genre)
    if report.n_scored:
        sections.append(listen_section(examples, n_wrong=n_wrong))
        sections += filter(None, [map_section(examples)])
    sections += [
        distances_section(report.distances),
        drift_section(report.drift),
        labels_section(report.labels, report.taken_labels),
    ]
    if report.n_failed:
        sections.append(failures_section(report.failures, n_tracks=report.n_tracks))
    return sections


def collection_headline(report: Report) -> Headline:
    """The accuracy on labelled tracks; without any, what was scored."""
    remarks = []
    if report.coverage is not None and report.coverage.n_tracks > 1:
        accuracy = report.coverage.accuracy_at(_HALF)
        remarks.append(f"Of the half that the model is surest of, {percent(accuracy)} are right")
    n_unknown = sum(n for name, n in report.labels.items() if name in ("unmapped", "ambiguous"))
    if n_unknown and report.metrics.accuracy is not None:
        remarks.append(f"{tracks(n_unknown)} with other labels than the model's genres are not counted")
    if report.n_scored:
        called = share_of(report.n_ood, report.n_scored)
        remarks.append(f"Out-of-distribution, by the model's own rule: {called}")
    if report.is_sampled:
        remarks.append(
            f"Curves and ranks are those of {tracks(report.n_sampled)}, drawn by hash; counts are of all"
        )
    if report.metrics.accuracy is not None:
        return headline_of(report.metrics, what="labelled tracks", remarks=remarks)
    if not report.n_scored:
        of = f"none of {tracks(report.n_tracks)} could be scored" if report.n_tracks else "no track"
        return Headline(share=None, low=None, high=None, of=of)
    of = f"{tracks(report.n_scored)} scored, none with a genre that the model knows"
    commonest = max(report.genres, key=lambda line: line.n_tracks)
    named = f"Predicted most often: {commonest.genre}, {share_of(commonest.n_tracks, report.n_scored)}"
    return Headline(share=None, low=None, high=None, of=of, remarks=(named, *remarks))


def collection_badges(report: Report) -> tuple[tuple[str, str], ...]:
    """What should be known before any figure is looked at."""
    badges = []
    if report.n_ood:
        words = f"{percent(report.n_ood / report.n_scored)} out-of-distribution"
        badges.append((words, "bad" if is_foreign(report.distances) else "plain"))
    if report.metrics.accuracy is None:
        badges.append(("unlabelled", "plain"))
    if report.drift is not None and report.drift.has_drifted:
        badges.append(("drift", "bad"))
    badges.append((f"{report.n_failed} failed", "bad") if report.n_failed else ("none failed", "good"))
    return tuple(badges)
