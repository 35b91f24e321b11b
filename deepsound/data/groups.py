"""Which tracks must stay together, and the order in which groups are dealt out.

Tracks of one group (artist, or the track itself) stay on one side of every division, because a model that has
heard an artist recognises the artist (A. Flexer, "A closer look on artist filters for musical genre
classification", ISMIR 2007). The order of groups comes from a keyed stable hash, so a division depends on the
seed and on the names only: not on the order of the files, not on the process, not on Python's salted ``hash()``.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LabelledTrack:
    """What a division needs to know of a track. ``given_split`` is the collection's own, or null."""

    track_id: str
    genre: str
    artist: str | None = None
    given_split: str | None = None
    content_sha256: str | None = None


def group_tracks(tracks: Sequence[LabelledTrack], *, by: str) -> dict[str, list[LabelledTrack]]:
    """Tracks by the name of their group.

    ``by: artist`` joins the tracks of an artist, and copies of one recording, whoever they are said to be by; a
    track of unknown artist stands for itself. ``by: track`` joins nothing. A group is called after its first
    artist by name, else after its first track.
    """
    if by == "track":
        return {f"track:{track.track_id}": [track] for track in tracks}
    members: dict[str, list[LabelledTrack]] = defaultdict(list)
    parents: dict[str, str] = {}
    for track in tracks:
        name = _name_of(track)
        if track.content_sha256:
            _join(parents, name, f"content:{track.content_sha256}")
    for track in tracks:
        members[_root_of(parents, _name_of(track))].append(track)
    return {min(map(_name_of, group)): group for group in members.values()}


def genre_of_group(group: Sequence[LabelledTrack]) -> str:
    """The genre that a group has most tracks of, the first by name on a tie."""
    counts = Counter(track.genre for track in group)
    return min(counts, key=lambda genre: (-counts[genre], genre))


def stable_rank(name: str, *, seed: int) -> bytes:
    """16 bytes that put names into an order of the seed's own."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=str(seed).encode(), digest_size=16).digest()


def _name_of(track: LabelledTrack) -> str:
    # The prefixes keep an artist named like a file apart from that file, and put artists first.
    return f"artist:{track.artist}" if track.artist else f"track:{track.track_id}"


def _root_of(parents: dict[str, str], name: str) -> str:
    while name in parents:
        name = parents[name]
    return name


def _join(parents: dict[str, str], first: str, second: str) -> None:
    roots = sorted((_root_of(parents, first), _root_of(parents, second)))
    if roots[0] != roots[1]:
        parents[roots[1]] = roots[0]
