"""Division of tracks into train, validation and test: by artist or by track, never by segment.

Tracks of one group (artist, or the track itself) stay together, because a model that has heard an artist
recognises the artist (A. Flexer, "A closer look on artist filters for musical genre classification", ISMIR
2007). The order of groups comes from a keyed stable hash, so the division depends on the seed and on the
names only: not on the order of the files, not on the process, not on Python's salted ``hash()``.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from deepsound.config import SPLIT_NAMES, SplitSettings
from deepsound.errors import SplitError


@dataclass(frozen=True, kw_only=True)
class LabelledTrack:
    """What a split needs to know of a track. ``given_split`` is the collection's own, or null."""

    track_id: str
    genre: str
    artist: str | None = None
    given_split: str | None = None


def split_tracks(tracks: Sequence[LabelledTrack], *, settings: SplitSettings, seed: int) -> dict[str, str]:
    """Which split each track belongs to.

    A given split wins when any track has one: tracks without are then left out. Given train and test but no
    validation, validation is taken from the given training tracks by the rule below.

    Otherwise, per genre, whole groups go to test until its share is reached as closely as whole groups allow,
    then to validation, and the rest, always at least one group, to train. A genre of one group is therefore
    trained on but not tested; of two groups, one is tested.

    Returns
    -------
    dict of str to str
        track_id to ``train``, ``validation`` or ``test``.

    Raises
    ------
    SplitError
        If a split would be empty, or train would hold fewer than two genres.
    """
    if any(track.given_split for track in tracks):
        splits = _given_splits(tracks, settings=settings, seed=seed)
    else:
        fractions = {"test": settings.test_fraction, "validation": settings.validation_fraction}
        splits = _assign(tracks, fractions=fractions, by=settings.by, seed=seed)
    _check_splits(tracks, splits)
    return splits


def _given_splits(tracks: Sequence[LabelledTrack], *, settings: SplitSettings, seed: int) -> dict[str, str]:
    splits = {track.track_id: track.given_split for track in tracks if track.given_split}
    if "validation" not in splits.values():
        training = [track for track in tracks if track.given_split == "train"]
        share = settings.validation_fraction / (1 - settings.test_fraction)
        splits |= _assign(training, fractions={"validation": share}, by=settings.by, seed=seed)
    return splits


def _group_of(track: LabelledTrack, by: str) -> str:
    # The prefixes keep an artist named like a file apart from that file.
    return f"artist:{track.artist}" if by == "artist" and track.artist else f"track:{track.track_id}"


def _stable_rank(seed: int, group: str) -> bytes:
    return hashlib.blake2b(group.encode("utf-8", "surrogatepass"), key=str(seed).encode(), digest_size=16).digest()


def _assign(tracks: Sequence[LabelledTrack], *, fractions: dict[str, float], by: str, seed: int) -> dict[str, str]:
    members: dict[str, list[LabelledTrack]] = defaultdict(list)
    for track in tracks:
        members[_group_of(track, by)].append(track)
    groups_of_genre: dict[str, list[str]] = defaultdict(list)
    for group, group_tracks in members.items():
        counts = Counter(track.genre for track in group_tracks)
        # An artist of several genres is dealt out with the genre it has most of, the first by name on a tie.
        groups_of_genre[min(counts, key=lambda genre: (-counts[genre], genre))].append(group)
    splits: dict[str, str] = {}
    for groups in groups_of_genre.values():
        groups.sort(key=lambda group: _stable_rank(seed, group))
        sizes = [len(members[group]) for group in groups]
        for group, split in zip(groups, _deal(sizes, fractions), strict=True):
            splits |= {track.track_id: split for track in members[group]}
    return splits


def _deal(sizes: Sequence[int], fractions: dict[str, float]) -> list[str]:
    """Split names for groups of these sizes, in their order."""
    total = sum(sizes)
    dealt: list[str] = []
    for split, fraction in fractions.items():
        n_dealt = 0
        # One group is kept for training; the first is taken however large, later ones only if the share
        # comes closer by it.
        while len(dealt) < len(sizes) - 1:
            size = sizes[len(dealt)]
            if n_dealt and n_dealt + size / 2 > fraction * total:
                break
            dealt.append(split)
            n_dealt += size
    return dealt + ["train"] * (len(sizes) - len(dealt))


def _check_splits(tracks: Sequence[LabelledTrack], splits: dict[str, str]) -> None:
    counts = Counter(splits.values())
    missing = [name for name in SPLIT_NAMES if not counts[name]]
    if missing:
        raise SplitError(
            f"too few tracks to split: {len(splits)} tracks of {len({t.genre for t in tracks})} genres leave "
            f"no {' and no '.join(missing)} track; each genre needs at least three artists (or tracks of unknown "
            "artist), or give a split column"
        )
    trained = {track.genre for track in tracks if splits.get(track.track_id) == "train"}
    if len(trained) < 2:
        raise SplitError(f"the training split holds only {sorted(trained)}; wanted at least two genres")
