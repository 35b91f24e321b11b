"""Division of tracks into train, validation and test: by artist or by track, never by segment.

Groups and their order come from :mod:`deepsound.data.groups`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from deepsound.config import SPLIT_NAMES, SplitSettings
from deepsound.data.groups import LabelledTrack, genre_of_group, group_tracks, stable_rank
from deepsound.errors import SplitError

__all__ = ["LabelledTrack", "split_tracks"]

# Below it, thresholds would leave half of a genre of six groups, or less, to learn from.
_SETTLED_TRAINING_GROUPS = 3


def split_tracks(tracks: Sequence[LabelledTrack], *, settings: SplitSettings, seed: int) -> dict[str, str]:
    """Which split each track belongs to.

    A given split wins when any track has one: tracks without are then left out. Given train and test but no
    validation, validation is taken from the given training tracks by the rule below.

    Otherwise every group has a number between 0 and 1 of its own, from its name and the seed, and the fractions
    are thresholds on it. So a track stays where it is when the collection grows. In a genre whose groups the
    thresholds leave without a test group, a validation group or three training groups, which is common with six
    groups and rare with twenty, they are dealt out in the order of their numbers instead: to test until its share
    is reached as closely as whole groups allow, then to validation, and the rest, always at least one group, to
    train. Such a genre keeps the shares that were asked for, and settles once it has grown; until then a new
    track may move an old one. No rule could do without: of two groups one is tested, so of any three that were
    pairs before, one has moved. A genre of one group is trained on but not tested.

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


def _assign(tracks: Sequence[LabelledTrack], *, fractions: dict[str, float], by: str, seed: int) -> dict[str, str]:
    groups = group_tracks(tracks, by=by)
    groups_of_genre: dict[str, list[str]] = defaultdict(list)
    for name, group in groups.items():
        # An artist of several genres is dealt out with the genre it has most of.
        groups_of_genre[genre_of_group(group)].append(name)
    splits: dict[str, str] = {}
    for names in groups_of_genre.values():
        ranks = {name: stable_rank(name, seed=seed) for name in names}
        names.sort(key=ranks.__getitem__)
        dealt = [_threshold(ranks[name], fractions) for name in names]
        if not _is_settled(dealt, fractions):
            dealt = _deal([len(groups[name]) for name in names], fractions)
        for name, split in zip(names, dealt, strict=True):
            splits |= {track.track_id: split for track in groups[name]}
    return splits


def _threshold(rank: bytes, fractions: dict[str, float]) -> str:
    """The split of a group by its rank alone, whatever else there is."""
    position = int.from_bytes(rank, "big") / 2 ** (8 * len(rank))
    for split, fraction in fractions.items():
        if position < fraction:
            return split
        position -= fraction
    return "train"


def _is_settled(dealt: Sequence[str], fractions: dict[str, float]) -> bool:
    """Whether a genre has enough of everything by thresholds; once it has, more tracks cannot undo it."""
    return dealt.count("train") >= _SETTLED_TRAINING_GROUPS and all(split in dealt for split in fractions)


def _deal(sizes: Sequence[int], fractions: dict[str, float]) -> list[str]:
    """Split names for groups of these sizes, in their order."""
    total = sum(sizes)
    dealt: list[str] = []
    for n_done, (split, fraction) in enumerate(fractions.items()):
        n_dealt = 0
        # A group is kept for each split to come, where there are enough, and in any case one for training; the
        # first is taken however large, later ones only if the share comes closer by it.
        n_kept = max(1, min(len(fractions) - n_done, len(sizes) - len(dealt) - 1))
        while len(dealt) < len(sizes) - n_kept:
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
