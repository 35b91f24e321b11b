"""Division of tracks into train, validation and test: by artist or by track, never by segment.

What stays together comes from :mod:`deepsound.data.groups`, how it is dealt out from
:mod:`deepsound.data.stratify`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from deepsound.config import SPLIT_NAMES, SplitSettings
from deepsound.data.groups import LabelledTrack
from deepsound.data.stratify import deal_tracks
from deepsound.errors import SplitError

__all__ = ["LabelledTrack", "split_tracks"]

# Half of what people accept, so that rounding to whole groups has room.
_ALL_WITHIN = 0.01


def split_tracks(
    tracks: Sequence[LabelledTrack],
    *,
    settings: SplitSettings,
    seed: int,
    known: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Which split each track belongs to.

    A given split wins when any track has one: tracks without are then left out. Given train and test but no
    validation, validation is taken from the given training tracks by the rule below.

    Otherwise whole groups are dealt out, so that each split has its fraction of all tracks and of every genre, as
    closely as groups allow; see :mod:`deepsound.data.stratify`. A genre of one group is trained on but not tested,
    one of two is not validated. The division is the seed's: one track more may move many others, unless they are
    ``known``.

    Parameters
    ----------
    known : mapping of str to str, optional
        track_id to split, of tracks that stay in it, over any given split; what is left is dealt out so that the
        whole comes as close to its fractions as it can, new tracks of an artist with the known ones. Where no
        split is ``validation``, it is taken from all that is not tested.

    Returns
    -------
    dict of str to str
        track_id to ``train``, ``validation`` or ``test``.

    Raises
    ------
    SplitError
        If a split would be empty, or train would hold fewer than two genres.
    """
    if known:
        splits = _split_like(tracks, known, settings=settings, seed=seed)
    elif any(track.given_split for track in tracks):
        splits = _given_splits(tracks, settings=settings, seed=seed)
    else:
        splits = _assign(tracks, _fractions(settings), by=settings.by, seed=seed)
    _check_splits(tracks, splits)
    return splits


def _given_splits(tracks: Sequence[LabelledTrack], *, settings: SplitSettings, seed: int) -> dict[str, str]:
    splits = {track.track_id: track.given_split for track in tracks if track.given_split}
    if "validation" not in splits.values():
        training = [track for track in tracks if track.given_split == "train"]
        splits |= _assign(training, _rest_fractions(settings), by=settings.by, seed=seed)
    return splits


def _split_like(
    tracks: Sequence[LabelledTrack], known: Mapping[str, str], *, settings: SplitSettings, seed: int
) -> dict[str, str]:
    kept = {track.track_id: known[track.track_id] for track in tracks if track.track_id in known}
    splits = _assign(tracks, _fractions(settings), by=settings.by, seed=seed, kept=kept)
    if "validation" in known.values():
        return splits
    # A refit has learned from its validation tracks. What it was tested on stays apart from all of them.
    rest = [track for track in tracks if splits[track.track_id] != "test"]
    return splits | _assign(rest, _rest_fractions(settings), by=settings.by, seed=seed)


def _fractions(settings: SplitSettings) -> dict[str, float]:
    return {"test": settings.test_fraction, "validation": settings.validation_fraction}


def _rest_fractions(settings: SplitSettings) -> dict[str, float]:
    """Validation's share of all that is not tested."""
    return {"validation": settings.validation_fraction / (1 - settings.test_fraction)}


def _assign(
    tracks: Sequence[LabelledTrack],
    fractions: Mapping[str, float],
    *,
    by: str,
    seed: int,
    kept: Mapping[str, str] | None = None,
) -> dict[str, str]:
    names = [*fractions, "train"]
    if not tracks:
        return {}
    dealt = deal_tracks(
        tracks,
        shares=[*fractions.values(), 1 - sum(fractions.values())],
        by=by,
        seed=seed,
        # What cannot be learned need not be tested.
        claims=[len(fractions), *range(len(fractions))],
        all_within=_ALL_WITHIN,
        kept={track_id: names.index(split) for track_id, split in (kept or {}).items()},
    )
    return {track_id: names[part] for track_id, part in dealt.items()}


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
