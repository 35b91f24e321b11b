"""What must not stand on both sides of a split: a track, an artist, a recording or something too much like it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from deepsound.errors import LeakageError
from deepsound.evaluation.near_duplicates import NearDuplicate

REASONS = ("content", "artist", "near-duplicate")
_MAX_NAMED = 3
_MAX_NAMED_TRACKS = 4
_ADVICE = {
    "content": "take copies out of the collection (extract: duplicates=drop), split by artist (split.by=artist), "
    "which keeps them together, or mend the split column",
    "artist": "split by artist (split.by=artist) or mend the split column",
    "near-duplicate": "take one of each pair out of the collection, or leave it out of the split (split.files)",
}


@dataclass(frozen=True, kw_only=True)
class TrackIdentity:
    """Who and what a track is; null where unknown."""

    track_id: str
    artist: str | None
    content_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Tracks of different splits that share ``shared``; ``splits`` in the order of ``track_ids``.

    ``reason`` is one of :data:`REASONS`. For a near-duplicate, ``shared`` says how like the two are.
    """

    reason: str
    shared: str
    track_ids: tuple[str, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LeakAudit:
    """What an audit of one division found, of all tracks of the collection.

    ``near_duplicates`` are all pairs, by position in ``tracks``; None where there were too few tracks to tell.
    """

    tracks: tuple[TrackIdentity, ...]
    near_duplicates: tuple[NearDuplicate, ...] | None
    leaks: tuple[Leak, ...]

    def across(self, places: Mapping[str, str]) -> list[Leak]:
        """The leaks of another division of the same tracks: track_id to the name of its side."""
        return find_leaks(self.tracks, splits=places, near_duplicates=self.near_duplicates or ())


def find_leaks(
    tracks: Sequence[TrackIdentity],
    *,
    splits: Mapping[str, str],
    near_duplicates: Sequence[NearDuplicate] = (),
) -> list[Leak]:
    """All that stands in more than one split, by reason; tracks without a split are ignored.

    ``splits`` is track_id to the name of its split or fold. A near-duplicate with the same content is told as that
    alone.
    """
    leaks: list[Leak] = []
    for reason in ("content", "artist"):
        leaks += _shared_leaks(tracks, splits, reason)
    for pair in near_duplicates:
        first, second = tracks[pair.first], tracks[pair.second]
        is_copy = first.content_sha256 is not None and first.content_sha256 == second.content_sha256
        if not is_copy and first.track_id in splits and second.track_id in splits:
            like = f"{pair.view} at {pair.ratio:.1g} of the usual distance"
            leaks += _leak_if_divided("near-duplicate", like, [first.track_id, second.track_id], splits)
    return leaks


def check_leaks(leaks: Sequence[Leak]) -> None:
    """Refuse a leaking split.

    Raises
    ------
    LeakageError
        Counting all leaks, naming the first ones of each kind with the tracks and their splits.
    """
    if not leaks:
        return
    kinds = [reason for reason in REASONS if any(leak.reason == reason for leak in leaks)]
    # One of each kind comes before a second of any.
    first = [next(leak for leak in leaks if leak.reason == kind) for kind in kinds]
    named = (first + [leak for leak in leaks if not any(leak is other for other in first)])[:_MAX_NAMED]
    more = f"; and {len(leaks) - len(named)} more" if len(leaks) > len(named) else ""
    told = "; ".join(describe_leak(leak, max_tracks=_MAX_NAMED_TRACKS) for leak in named)
    raise LeakageError(
        f"{len(leaks)} {_plural(leaks)} between the splits ({_kinds(leaks)}), so the test would flatter the "
        f"model: {told}{more}. "
        f"To mend it: {'; '.join(_ADVICE[kind] for kind in kinds)}; or set allow_leaks=true to go on and be tagged"
    )


def count_leaks(leaks: Sequence[Leak]) -> str:
    """``3 leaks (1 content, 2 artist)``."""
    return f"{len(leaks)} {_plural(leaks)} ({_kinds(leaks)})" if leaks else "no leaks"


def describe_leak(leak: Leak, *, max_tracks: int | None = None) -> str:
    """``artist 'Nina Simone': a.wav (train), b.wav (test)``; of many tracks, at most ``max_tracks``."""
    members = list(zip(leak.track_ids, leak.splits, strict=True))
    if max_tracks is not None and len(members) > max_tracks:
        # Tracks of different splits come first: those are the leak.
        by_split = {split: (track_id, split) for track_id, split in reversed(members)}
        shown = [*by_split.values(), *(member for member in members if member not in by_split.values())]
        members = sorted(shown[:max_tracks])
    listed = ", ".join(f"{track_id} ({split})" for track_id, split in members)
    rest = len(leak.track_ids) - len(members)
    shared = f"({leak.shared})" if leak.reason == "near-duplicate" else f"{leak.shared[:40]!r}"
    return f"{leak.reason} {shared}: {listed}" + (f" and {rest} more" if rest else "")


def leak_rows(leaks: Sequence[Leak]) -> list[dict[str, Any]]:
    """The leaks as plain rows, for JSON and MLflow."""
    return [{**asdict(leak), "track_ids": list(leak.track_ids), "splits": list(leak.splits)} for leak in leaks]


def _plural(leaks: Sequence[Leak]) -> str:
    return "leak" if len(leaks) == 1 else "leaks"


def _kinds(leaks: Sequence[Leak]) -> str:
    counts = {reason: sum(leak.reason == reason for leak in leaks) for reason in REASONS}
    return ", ".join(f"{n} {reason}" for reason, n in counts.items() if n)


def _shared_leaks(tracks: Sequence[TrackIdentity], splits: Mapping[str, str], reason: str) -> list[Leak]:
    members: dict[str, list[str]] = defaultdict(list)
    for track in tracks:
        shared = track.artist if reason == "artist" else track.content_sha256
        if shared is not None and track.track_id in splits:
            members[shared].append(track.track_id)
    return [
        leak for shared, ids in sorted(members.items()) for leak in _leak_if_divided(reason, shared, ids, splits)
    ]


def _leak_if_divided(reason: str, shared: str, track_ids: list[str], splits: Mapping[str, str]) -> list[Leak]:
    ordered = sorted(track_ids)
    where = tuple(splits[track_id] for track_id in ordered)
    if len(set(where)) < 2:
        return []
    return [Leak(reason=reason, shared=shared, track_ids=tuple(ordered), splits=where)]
