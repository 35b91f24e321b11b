"""The page of a benchmark."""

from collections.abc import Mapping
from typing import Any

from deepsound.evaluation.benchmark import PROTOCOL_NAMES, Benchmark
from deepsound.evaluation.render.benchmark import accuracy_of, inflation_of, pair_to_words
from deepsound.evaluation.render.figures import Bar, draw_bars
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Block, Chart, Listing, Notice, Page, Section, Table, render_page
from deepsound.evaluation.render.html.sections import facts_section, headline_of
from deepsound.evaluation.render.wording import percent

_FEW_PAIRS = 15


def benchmark_page(
    benchmark: Benchmark, *, facts: Mapping[str, str], settings: Mapping[str, Any], command: str
) -> str:
    """The page, as HTML.

    Parameters
    ----------
    facts, settings : mapping
        What the table was made of; the settings are folded away.
    command : str
        What makes it again, for a shell.
    """
    best, protocol = benchmark.best, PROTOCOL_NAMES[benchmark.headline]
    remark = f"The best of {len(benchmark.heads)} heads, which flatters it a little" if benchmark.heads[1:] else ""
    headline = headline_of(
        best.report.metrics, what=f"tracks ({best.cell.head}, {protocol})", remarks=[remark] if remark else []
    )
    told = {key: str(value) for key, value in settings.items()}
    sections = [
        _table_section(benchmark),
        *(_chart_section(benchmark, name) for name in benchmark.protocols if name not in ("segments", "tracks")),
        *_inflation_sections(benchmark),
        *_pair_sections(benchmark),
        _genre_section(benchmark),
        facts_section("Reproduce", facts, folded={"All settings": told}, command=command),
    ]
    return render_page(
        Page(
            title="Benchmark",
            subtitle=facts.get("features", ""),
            headline=headline,
            badges=(),
            sections=tuple(sections),
            footer="Every track is judged by a model that has not learned from it.",
        )
    )


def _table_section(benchmark: Benchmark) -> Section:
    rows = tuple(
        (
            head,
            *(accuracy_of(benchmark.of(protocol).get(head)) for protocol in benchmark.protocols),
            f"{sum(line.cell.seconds for line in benchmark.lines if line.cell.head == head):.0f}",
        )
        for head in benchmark.heads
    )
    header = ("head", *(PROTOCOL_NAMES[protocol] for protocol in benchmark.protocols), "seconds")
    blocks: list[Block] = [Notice(text=note) for note in benchmark.notes]
    return Section(
        title="Accuracy",
        lead="Share of right tracks with 95 % intervals, which count artists where they are known. Random "
        "segments and random tracks flatter; whole artists, never on both sides, is the figure to quote.",
        blocks=(*blocks, Table(header=header, rows=rows)),
        is_wide=True,
    )


def _chart_section(benchmark: Benchmark, protocol: str) -> Section:
    bars = []
    for head, line in benchmark.of(protocol).items():
        metrics = line.report.metrics
        share = metrics.accuracy or 0.0
        bars.append(
            Bar(label=head, value=share, low=metrics.accuracy_low, high=metrics.accuracy_high, note=percent(share))
        )
    name = PROTOCOL_NAMES[protocol]
    chart = Chart(
        svg=to_inline_svg(draw_bars(bars), label=f"accuracy of each head, {name}, with 95 % intervals"),
        caption="Lines are 95 % intervals. Those of two heads on the same tracks may overlap although one is "
        "better: the pairs say so.",
    )
    n_tracks = next(iter(benchmark.of(protocol).values())).report.metrics.n_labelled
    return Section(title=name.capitalize(), lead=f"Accuracy on {n_tracks} tracks.", blocks=(chart,))


def _inflation_sections(benchmark: Benchmark) -> list[Section]:
    careless = [name for name in ("segments", "tracks") if name in benchmark.protocols]
    if benchmark.headline != "artists" or not careless:
        return []
    rows = tuple(
        (head, *(inflation_of(benchmark.of(protocol).get(head)) for protocol in careless))
        for head in benchmark.heads
    )
    return [
        Section(
            title="What careless splits add",
            lead="Percentage points above whole artists, on the same tracks, with 95 % intervals: memory of "
            "recordings and artists, not knowledge of genres.",
            blocks=(Table(header=("head", *(PROTOCOL_NAMES[name] for name in careless)), rows=rows),),
        )
    ]


def _pair_sections(benchmark: Benchmark) -> list[Section]:
    sections = []
    for protocol in dict.fromkeys(pair.protocol for pair in benchmark.pairs):
        pairs = [pair for pair in benchmark.pairs if pair.protocol == protocol]
        rows = tuple(map(pair_to_words, pairs))
        header = ("pair", "points", "p", "Holm's p", "so")
        found = tuple(sorted({row[-1] for row in rows}))
        sections.append(
            Section(
                title=f"Head against head, {PROTOCOL_NAMES[protocol]}",
                lead=f"The same tracks, with {pairs[0].comparison.unit}s as units; p-values corrected by Holm for "
                f"{len(pairs)}.",
                blocks=(
                    *((Listing(lines=found),) if len(pairs) > _FEW_PAIRS else ()),
                    Table(header=header, rows=rows, title="All pairs" if len(pairs) > _FEW_PAIRS else ""),
                ),
                is_wide=True,
            )
        )
    return sections


def _genre_section(benchmark: Benchmark) -> Section:
    """Recall of every genre by every head, under the headline's protocol."""
    lines = benchmark.of(benchmark.headline)
    rows = tuple(
        (genre, *(_recall(line.report.metrics.per_genre[index].recall) for line in lines.values()))
        for index, genre in enumerate(benchmark.genres)
    )
    return Section(
        title="Genre by genre",
        lead=f"Share of each genre's tracks that was recognised, {PROTOCOL_NAMES[benchmark.headline]}.",
        blocks=(Table(header=("genre", *lines), rows=rows),),
        is_wide=True,
    )


def _recall(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
