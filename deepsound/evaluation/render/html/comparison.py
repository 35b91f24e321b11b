"""Two models on the same tracks, as a part of a page."""

from collections.abc import Mapping

from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.figures import Bar, draw_bars
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Chart, Listing, Section
from deepsound.evaluation.render.text import describe_comparison
from deepsound.evaluation.render.wording import percent, tracks


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
