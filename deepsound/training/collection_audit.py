"""A whole collection audited without training on it: its split's leaks, its near-duplicates, its inflation."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from deepsound.config import SPLIT_NAMES, TrainSettings
from deepsound.errors import ParameterError
from deepsound.evaluation.inflation import (
    InflationReport,
    LabelledSegments,
    format_inflation,
    inflation_to_plain,
    measure_inflation,
)
from deepsound.evaluation.leakage import REASONS, LeakAudit, describe_leak, leak_rows
from deepsound.evaluation.near_duplicates import MAX_EXPECTED, MAX_RATIO, MIN_TRACKS
from deepsound.training.dataset import Dataset, load_dataset

_MAX_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class CollectionAudit:
    """``inflation`` is None where it was not asked for or could not be measured; ``obstacle`` then says why."""

    dataset: Dataset
    inflation: InflationReport | None
    obstacle: str | None


def audit_collection(
    features: str, *, settings: TrainSettings, n_repeats: int, report: Callable[[str], None]
) -> CollectionAudit:
    """Audit the division that ``settings`` make, and measure how much careless ones would flatter.

    ``n_repeats`` are of the cross-validations behind the inflation report; 0 leaves it out. Raises DeepsoundError
    if the features cannot be read or divided; ParameterError if ``n_repeats`` is below 0.
    """
    if n_repeats < 0:
        raise ParameterError(f"--repeats is {n_repeats}; wanted how often to repeat, or 0")
    # Leaks are what is looked for here, so they may be there; they are listed once, at the end.
    dataset = load_dataset(features, settings=replace(settings, allow_leaks=True), report=_without_leaks(report))
    if not n_repeats:
        return CollectionAudit(dataset=dataset, inflation=None, obstacle="not asked for")
    collection = dataset.collect()
    segments = LabelledSegments(
        means=collection.segments.layout.average_frames(collection.segments.values, dtype=np.float64),
        track_indices=collection.segments.track_indices,
        genres=np.array([track.genre for track in collection.tracks]),
        artists=np.array([track.artist for track in collection.tracks], object),
    )
    report("measuring what careless splits add")
    try:
        inflation = measure_inflation(segments, seed=settings.seed, n_repeats=n_repeats)
    except ParameterError as exc:
        return CollectionAudit(dataset=dataset, inflation=None, obstacle=str(exc))
    return CollectionAudit(dataset=dataset, inflation=inflation, obstacle=None)


def format_collection_audit(result: CollectionAudit) -> list[str]:
    """The audit as lines for people; the leaks are cut after twenty."""
    dataset, audit = result.dataset, result.dataset.audit
    sizes = ", ".join(f"{len(getattr(dataset, name).genre_indices)} {name}" for name in SPLIT_NAMES)
    lines = [
        f"{dataset.split.num_rows} tracks ({sizes}), {len(dataset.taxonomy)} genres; "
        f"artist unknown for {dataset.split['artist'].null_count}",
        "",
        "-- leaks between these splits",
    ]
    counts = {reason: sum(leak.reason == reason for leak in audit.leaks) for reason in REASONS}
    lines += [f"{reason:<16} {n}" for reason, n in counts.items()]
    lines += [f"  {describe_leak(leak, max_tracks=6)}" for leak in audit.leaks[:_MAX_LISTED]]
    if len(audit.leaks) > _MAX_LISTED:
        lines.append(f"  ... and {len(audit.leaks) - _MAX_LISTED} more (--output FILE holds all)")
    lines += ["", "-- near-duplicates, also within a split", *_format_pairs(audit)]
    lines += ["", "-- how much a careless split flatters"]
    if result.inflation is None:
        return [*lines, f"not measured: {result.obstacle}"]
    return [*lines, *format_inflation(result.inflation)]


def audit_to_plain(result: CollectionAudit) -> dict[str, Any]:
    """Everything, for JSON."""
    dataset, audit = result.dataset, result.dataset.audit
    return {
        "n_tracks": dataset.split.num_rows,
        "n_unknown_artist": dataset.split["artist"].null_count,
        "splits": {name: len(getattr(dataset, name).genre_indices) for name in SPLIT_NAMES},
        "leaks": leak_rows(audit.leaks),
        "near_duplicates": None if audit.near_duplicates is None else _pair_rows(audit),
        "near_duplicate_rule": {"max_ratio": MAX_RATIO, "max_expected": MAX_EXPECTED, "min_tracks": MIN_TRACKS},
        "inflation": None if result.inflation is None else inflation_to_plain(result.inflation),
        "inflation_obstacle": result.obstacle,
        "data_fingerprint": dataset.fingerprint,
    }


def _pair_rows(audit: LeakAudit) -> list[dict[str, Any]]:
    return [
        {
            **asdict(pair),
            "first": audit.tracks[pair.first].track_id,
            "second": audit.tracks[pair.second].track_id,
        }
        for pair in audit.near_duplicates or ()
    ]


def _format_pairs(audit: LeakAudit) -> list[str]:
    if audit.near_duplicates is None:
        return [f"not looked for among fewer than {MIN_TRACKS} tracks"]
    rows = _pair_rows(audit)
    lines = [f"{len(rows)} pairs; were no track a copy, {2 * MAX_EXPECTED:g} would be expected"]
    lines += [
        f"  {row['first']} ~ {row['second']}: {row['view']} at {row['ratio']:.2g} of the usual distance"
        for row in rows[:_MAX_LISTED]
    ]
    if len(rows) > _MAX_LISTED:
        lines.append(f"  ... and {len(rows) - _MAX_LISTED} more (--output FILE holds all)")
    return lines


def _without_leaks(report: Callable[[str], None]) -> Callable[[str], None]:
    def pass_on(line: str) -> None:
        if not line.startswith("leak: "):
            report(line)

    return pass_on
