"""``tracks``: what became of the tracks of an extraction."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepsound.commands.options import new_parser, path
from deepsound.commands.running import reports_errors
from deepsound.console import show
from deepsound.errors import ParameterError

if TYPE_CHECKING:
    from deepsound.data.quarantine import TrackReport

_COLUMNS = (
    *("track_id", "status", "error_code", "error_stage", "error_detail"),
    *("content_sha256", "duration_s"),
)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "tracks",
        description="Count and list the tracks of an extraction that failed, and exact copies.",
        examples=("deepsound tracks features", "deepsound tracks features --code unreadable --limit 0"),
    )
    parser.add_argument("features", type=path, metavar="FEATURES", help="what extract wrote")
    parser.add_argument("--code", metavar="CODE", help="list only the tracks that failed with this code")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="list so many; 0 for all (default 50)")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print the report."""
    args = build_parser().parse_args(argv)
    if args.limit < 0:
        raise ParameterError(f"--limit is {args.limit}; wanted 0 for all, or how many tracks to list")
    from deepsound.data.quarantine import report_tracks
    from deepsound.data.store import read_summary, read_tracks

    read_summary(args.features)
    report = report_tracks(read_tracks(args.features, columns=_COLUMNS), code=args.code)
    if args.code is not None and args.code not in report.failures_by_code:
        found = ", ".join(report.failures_by_code) or "none failed"
        raise ParameterError(f"no track of {args.features} failed with '{args.code}'; codes: {found}")
    show(format_tracks(report, limit=args.limit))
    return 0


def format_tracks(report: "TrackReport", *, limit: int) -> list[str]:
    """The report as lines for people; at most ``limit`` tracks and copies each, 0 for all."""
    n_failed = report.n_tracks - report.n_ok
    lines = [f"{report.n_tracks} tracks: {report.n_ok} ok ({report.audio_s / 3600:.2f} h), {n_failed} failed"]
    lines += [f"  {code:<20} {n:>7}" for code, n in report.failures_by_code.items()]
    lines += _limited(
        [
            f"{row['track_id']}: {row['error_code']} ({row['error_stage']}): {row['error_detail']}"
            for row in report.failed
        ],
        limit,
    )
    if report.copies:
        n_copies = sum(len(group) - 1 for group in report.copies)
        lines.append(f"{n_copies} tracks repeat the bytes of another:")
        lines += _limited([" = ".join(group) for group in report.copies], limit)
    return lines


def _limited(lines: list[str], limit: int) -> list[str]:
    if not limit or len(lines) <= limit:
        return lines
    return [*lines[:limit], f"... and {len(lines) - limit} more (--limit 0 lists all)"]
