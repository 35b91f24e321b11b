"""A benchmark as text, CSV and JSON."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from deepsound.console import to_printable
from deepsound.evaluation.benchmark import PROTOCOL_NAMES, Benchmark, BenchmarkLine, BenchmarkPair
from deepsound.evaluation.multiple_tests import SIGNIFICANT
from deepsound.evaluation.render.plain import comparison_to_plain, headline_numbers, metrics_to_plain
from deepsound.evaluation.render.wording import figure


def format_benchmark(benchmark: Benchmark) -> list[str]:
    """The table as lines for people, and what the pairs of the headline's protocol come to."""
    width = max(map(len, benchmark.heads)) + 2
    head = [PROTOCOL_NAMES[protocol] for protocol in benchmark.protocols]
    lines = [f"{'accuracy':<{width}}" + "".join(f"{name:<20}" for name in head)]
    for name in benchmark.heads:
        cells = [benchmark.of(protocol).get(name) for protocol in benchmark.protocols]
        lines.append(f"{to_printable(name):<{width}}" + "".join(f"{accuracy_of(cell):<20}" for cell in cells))
    lines = [line.rstrip() for line in lines]
    inflated = [line for line in benchmark.lines if line.inflation and line.cell.protocol != "artists"]
    if inflated:
        lines += ["", "what careless splits add to whole artists, in points (95 % interval):"]
    lines += [f"{one.cell.head}, {PROTOCOL_NAMES[one.cell.protocol]}: {inflation_of(one)}" for one in inflated]
    for protocol in dict.fromkeys(pair.protocol for pair in benchmark.pairs):
        pairs = [pair for pair in benchmark.pairs if pair.protocol == protocol]
        units = f"{pairs[0].comparison.unit}s as units"
        lines += ["", f"head against head, {PROTOCOL_NAMES[protocol]}, in points (95 % interval), {units}:"]
        for names, points, p, holm, verdict in map(pair_to_words, pairs):
            lines.append(f"{names}: {points}, p {p}, with Holm's correction for {len(pairs)} {holm}; {verdict}")
    return [*lines, *([""] if benchmark.notes else []), *(f"note: {note}" for note in benchmark.notes)]


def accuracy_of(line: BenchmarkLine | None) -> str:
    """``0.80 [0.69, 0.88]``."""
    if line is None:
        return "-"
    metrics = line.report.metrics
    return figure(metrics.accuracy, (metrics.accuracy_low, metrics.accuracy_high))


def inflation_of(line: BenchmarkLine | None) -> str:
    """``+3.3 [-1.0, +7.6]``, in percentage points."""
    if line is None or line.inflation is None:
        return "-"
    found = line.inflation
    return f"{found.inflation_points:+.1f} [{found.inflation_low:+.1f}, {found.inflation_high:+.1f}]"


def pair_to_words(pair: BenchmarkPair) -> tuple[str, ...]:
    """Which less which, the difference in points with its interval, p, Holm's p, and what that means."""
    found = pair.comparison
    low, middle, high = (100 * value for value in (found.low, found.difference, found.high))
    better = pair.head_a if middle > 0 else pair.head_b
    return (
        f"{pair.head_a} less {pair.head_b}",
        f"{middle:+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{found.p_value:.4f}",
        f"{pair.p_holm:.4f}",
        f"{better} is better" if pair.p_holm < SIGNIFICANT else "no more than chance",
    )


def benchmark_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """A flat row a cell: what the CSV has; undefined figures are null."""
    return [_row(line) for line in benchmark.lines]


def _row(line: BenchmarkLine) -> dict[str, Any]:
    cell, metrics, inflation, folds = line.cell, line.report.metrics, line.inflation, line.fold_accuracies
    headline = headline_numbers(metrics)
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1")
    return {
        "feature": cell.feature,
        "architecture": cell.architecture,
        "protocol": PROTOCOL_NAMES[cell.protocol],
        "n_tracks": metrics.n_labelled,
        "n_artists": metrics.n_artists,
        "interval_unit": metrics.interval_unit,
        **{key: headline.get(key) for name in names for key in (name, f"{name}_low", f"{name}_high")},
        "fold_mean": float(np.mean(folds)) if folds else None,
        "fold_sd": float(np.std(folds, ddof=1)) if len(folds) > 1 else None,
        "inflation_points": None if inflation is None else inflation.inflation_points,
        "inflation_low": None if inflation is None else inflation.inflation_low,
        "inflation_high": None if inflation is None else inflation.inflation_high,
        "calibration_error": None if line.report.reliability is None else line.report.reliability.adaptive_ece,
        "seconds": cell.seconds,
        "run_id": cell.run_id,
    }


def benchmark_to_csv(benchmark: Benchmark) -> str:
    """One row a cell, with a header; what is undefined is empty."""
    rows = benchmark_rows(benchmark)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def benchmark_to_json(benchmark: Benchmark, *, facts: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """Everything: cells with confusion matrices, pairs, notes, and what it was made of."""
    cells = [
        row | metrics_to_plain(line.report.metrics)
        for row, line in zip(benchmark_rows(benchmark), benchmark.lines, strict=True)
    ]
    pairs = [
        {
            "protocol": PROTOCOL_NAMES[pair.protocol],
            "a": pair.head_a,
            "b": pair.head_b,
            "p_holm": pair.p_holm,
            **comparison_to_plain(pair.comparison),
        }
        for pair in benchmark.pairs
    ]
    plain = {
        "genres": list(benchmark.genres),
        "headline": PROTOCOL_NAMES[benchmark.headline],
        "cells": cells,
        "pairs": pairs,
        "notes": list(benchmark.notes),
        "facts": dict(facts),
        "settings": dict(settings),
    }
    return json.dumps(plain, indent=2, allow_nan=False) + "\n"
