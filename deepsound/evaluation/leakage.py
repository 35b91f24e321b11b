"""What must not stand on both sides of a split: an artist, or the same recording."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepsound.errors import LeakageError

_MAX_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class TrackIdentity:
    """Who and what a track is; null where unknown."""

    track_id: str
    artist: str | None
    content_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Tracks of different splits that share an artist or their content."""

    reason: str
    shared: str
    track_ids: tuple[str, ...]


def find_leaks(tracks: Sequence[TrackIdentity], *, splits: Mapping[str, str]) -> list[Leak]:
    """Every artist and every content that stands in more than one split; tracks without a split are ignored."""
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for track in tracks:
        if track.track_id in splits:
            for reason, shared in (("artist", track.artist), ("content", track.content_sha256)):
                if shared is not None:
                    members[reason, shared].append(track.track_id)
    return [
        Leak(reason=reason, shared=shared, track_ids=tuple(sorted(track_ids)))
        for (reason, shared), track_ids in sorted(members.items())
        if len({splits[track_id] for track_id in track_ids}) > 1
    ]


def check_leaks(leaks: Sequence[Leak], *, splits: Mapping[str, str]) -> None:
    """Refuse a leaking split.

    Raises
    ------
    LeakageError
        Naming the first leaks, with the tracks and their splits.
    """
    if not leaks:
        return
    named = "; ".join(
        f"{leak.reason} {leak.shared[:40]!r}: "
        + ", ".join(f"{track_id} ({splits[track_id]})" for track_id in leak.track_ids[:4])
        for leak in leaks[:_MAX_NAMED]
    )
    more = f"; and {len(leaks) - _MAX_NAMED} more" if len(leaks) > _MAX_NAMED else ""
    raise LeakageError(
        f"{len(leaks)} leaks between the splits, so the test would flatter the model: {named}{more}. "
        "Split by artist (split.by=artist), mend the split column, or set allow_leaks=true to go on and be tagged"
    )
