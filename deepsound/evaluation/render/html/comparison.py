"""Two models on the same tracks: a page of its own, and parts of other pages."""

from collections.abc import Mapping, Sequence

from deepsound.evaluation.metrics import CollectionMetrics, GenreMetrics
from deepsound.evaluation.multiple_tests import SIGNIFICANT
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.figures import Bar, draw_bars, draw_paired_bars
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Chart, Headline, Link, Listing, Page, Section, Table, render_page
from deepsound.evaluation.render.html.sections import facts_section
from deepsound.evaluation.render.text import describe_comparison
from deepsound.evaluation.render.wording import figure, percent, tracks


def comparison_page(
    comparison: PairedComparison,
    *,
    names: tuple[str, str],
    metrics: tuple[CollectionMetrics, CollectionMetrics],
    notes: Sequence[str],
    command: str,
    facts: Mapping[str, str | Link],
    footer: str = "",
) -> str:
    """The page of two models, as HTML.

    Parameters
    ----------
    names : (str, str)
        Of models A and B, in full; the page calls them A and B.
    metrics : (CollectionMetrics, CollectionMetrics)
        Of both, on the same tracks and genres.
    notes : sequence of str
        What to mind.
    command : str
        What makes it again, for a shell.
    facts : mapping
        What was compared, beside the models.
    """
    low, middle, high = (100 * share for share in (comparison.low, comparison.difference, comparison.high))
    is_better = comparison.p_value < SIGNIFICANT
    verdict = f"{'A' if middle > 0 else 'B'} is better" if is_better else "no more than chance"
    headline = Headline(
        share=None,
        low=None,
        high=None,
        words=f"{middle:+.1f} points",
        of=f"A's accuracy less B's on {tracks(comparison.n_tracks)}, 95 % interval {low:+.1f} to {high:+.1f}",
        remarks=tuple(notes),
    )
    page = Page(
        title=f"A, {names[0]}, against B, {names[1]}",
        subtitle=str(facts.get("features", "")),
        headline=headline,
        badges=((verdict, "good" if is_better else "plain"),),
        sections=(
            comparison_section("A", "B", comparison),
            _genre_section(*metrics),
            facts_section("Reproduce", {"A": names[0], "B": names[1], **facts}, folded={}, command=command),
        ),
        footer=footer,
    )
    return render_page(page)


def _genre_section(a: CollectionMetrics, b: CollectionMetrics) -> Section:
    lines = list(zip(a.per_genre, b.per_genre, strict=True))
    pairs = [(_recall_bar(one), _recall_bar(other)) for one, other in lines]
    rows = tuple(
        (one.genre, str(one.n_true), *(figure(x.recall, (x.recall_low, x.recall_high)) for x in (one, other)))
        for one, other in lines
    )
    return Section(
        title="Genre by genre",
        lead="Share of each genre's tracks that was recognised (recall), by both.",
        blocks=(
            Chart(
                svg=to_inline_svg(
                    draw_paired_bars(pairs, names=("A", "B")),
                    label="recall per genre of A and of B, with 95 % intervals",
                ),
                caption="Lines are 95 % intervals.",
            ),
            Table(header=("genre", "tracks", "A", "B"), rows=rows, title="The same in numbers"),
        ),
    )


def _recall_bar(line: GenreMetrics) -> Bar:
    note = "no track" if line.recall is None else percent(line.recall)
    return Bar(label=line.genre, value=line.recall, low=line.recall_low, high=line.recall_high, note=note)


def comparison_sections(comparisons: Mapping[tuple[str, str], PairedComparison]) -> list[Section]:
    """A section for each pair of models, by their names."""
    return [comparison_section(*names, comparison) for names, comparison in comparisons.items()]


def comparison_section(name_a: str, name_b: str, comparison: PairedComparison) -> Section:
    """Both accuracies, and whether their difference is more than chance."""
    bars = []
    for name, n_right, (low, high) in (
        (name_a, comparison.n_both + comparison.n_only_a, comparison.interval_a),
        (name_b, comparison.n_both + comparison.n_only_b, comparison.interval_b),
    ):
        share = n_right / comparison.n_tracks
        bars.append(Bar(label=name, value=share, low=low, high=high, note=percent(share)))
    label = f"accuracy of {name_a} and of {name_b} with 95 % intervals"
    return Section(
        title=f"{name_a} against {name_b}",
        lead=f"Accuracy of both on the same {tracks(comparison.n_tracks)}, with 95 % intervals.",
        blocks=(
            Chart(svg=to_inline_svg(draw_bars(bars), label=label)),
            Listing(lines=describe_comparison(name_a, name_b, comparison)),
        ),
    )
