"""Division of tracks into train, validation and test: by artist or by track, never by segment.

Groups and their order come from :mod:`deepsound.data.groups`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from deepsound.config import SPLIT_NAMES, SplitSettings
from deepsound.data.groups import LabelledTrack, genre_of_group, group_tracks, stable_rank
from deepsound.errors import SplitError

__all__ = ["LabelledTrack", "split_tracks"]


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


def _assign(tracks: Sequence[LabelledTrack], *, fractions: dict[str, float], by: str, seed: int) -> dict[str, str]:
    groups = group_tracks(tracks, by=by)
    groups_of_genre: dict[str, list[str]] = defaultdict(list)
    for name, group in groups.items():
        # An artist of several genres is dealt out with the genre it has most of.
        groups_of_genre[genre_of_group(group)].append(name)
    splits: dict[str, str] = {}
    for names in groups_of_genre.values():
        names.sort(key=lambda name: stable_rank(name, seed=seed))
        sizes = [len(groups[name]) for name in names]
        for name, split in zip(names, _deal(sizes, fractions), strict=True):
            splits |= {track.track_id: split for track in groups[name]}
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
