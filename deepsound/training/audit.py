"""The audit of a split against the features themselves, before anything is learned from it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deepsound.data.store import SegmentTable
from deepsound.evaluation.leakage import Leak, LeakAudit, TrackIdentity, check_leaks, describe_leak, find_leaks
from deepsound.evaluation.near_duplicates import MIN_TRACKS, find_near_duplicates
from deepsound.evaluation.profiles import profile_tracks


def audit_split(
    rows: Sequence[Mapping[str, str | None]],
    *,
    segments: SegmentTable,
    splits: Mapping[str, str],
) -> LeakAudit:
    """What stands on both sides of a split (track_id to split): contents, artists, near-duplicates.

    ``rows`` are of ``tracks/``. Near-duplicates are looked for among all tracks that have segments: the more there
    are, the better is known how far apart different recordings lie.
    """
    track_ids, track_indices = np.unique(segments.track_ids.astype(str), return_inverse=True)
    by_id = {str(row["track_id"]): row for row in rows}
    tracks = [
        TrackIdentity(
            track_id=track_id,
            artist=by_id[track_id]["artist"] if track_id in by_id else None,
            content_sha256=by_id[track_id]["content_sha256"] if track_id in by_id else None,
        )
        for track_id in track_ids.tolist()
    ]
    near_duplicates = None
    if len(tracks) >= MIN_TRACKS:
        # Of several features the first will do: a copy is one in each.
        values = segments.layout.split(segments.values)[0]
        profiles = profile_tracks(values, track_indices=track_indices, n_tracks=len(tracks))
        near_duplicates = tuple(find_near_duplicates(profiles))
    leaks = find_leaks(tracks, splits=splits, near_duplicates=near_duplicates or ())
    return LeakAudit(tracks=tuple(tracks), near_duplicates=near_duplicates, leaks=tuple(leaks))


def refuse_leaks(leaks: Sequence[Leak], *, is_allowed: bool, report: Callable[[str], None]) -> None:
    """Tell every leak, one a line, and refuse them unless they are allowed.

    Raises LeakageError: with the first ones; see :func:`~deepsound.evaluation.leakage.check_leaks`.
    """
    for leak in leaks:
        report(f"leak: {describe_leak(leak)}")
    if not is_allowed:
        check_leaks(leaks)
