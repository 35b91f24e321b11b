"""Two models on the same tracks, as a part of a page."""

from collections.abc import Mapping

from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.figures import Bar, draw_bars
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Chart, Listing, Section
from deepsound.evaluation.render.html.wording import percent, tracks

_SIGNIFICANT = 0.05


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
    if p >= _SIGNIFICANT:
        return (*said, f"{tested}; no more than chance")
    return (*said, f"{tested}; {name_a if difference > 0 else name_b} is better by more than chance")
