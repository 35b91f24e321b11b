"""Division of tracks into folds for cross-validation: grouped and stratified.

Every group stands in one fold only, and every genre is spread over the folds as evenly as whole groups allow; see
:mod:`deepsound.data.stratify`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.config.split import SplitSettings
from deepsound.data.groups import LabelledTrack, genre_of_group, group_tracks
from deepsound.data.stratify import deal_tracks
from deepsound.errors import ParameterError, SplitError


@dataclass(frozen=True, kw_only=True)
class FoldMasks:
    """Which tracks are tested in a fold, and which of the others are learned from and stopped by [(n_tracks,)]."""

    is_train: np.ndarray
    is_validation: np.ndarray
    is_test: np.ndarray


def grouped_folds(tracks: Sequence[LabelledTrack], *, n_folds: int, by: str, seed: int) -> dict[str, int]:
    """Which fold each track belongs to.

    Another seed gives other folds, and not the same ones under other numbers. A genre of fewer groups than folds
    is missing from some folds.

    Parameters
    ----------
    by : str
        ``artist`` or ``track``; see :func:`~deepsound.data.groups.group_tracks`.

    Returns
    -------
    dict of str to int
        track_id to 0 .. n_folds - 1; no fold is empty.

    Raises
    ------
    ParameterError
        Fewer than two folds.
    SplitError
        Fewer groups than folds.
    """
    if n_folds < 2:
        raise ParameterError(f"{n_folds} folds; cross-validation needs at least two")
    groups = group_tracks(tracks, by=by)
    if len(groups) < n_folds:
        raise SplitError(
            f"{n_folds} folds need at least {n_folds} artists (or tracks of unknown artist); "
            f"{len(tracks)} tracks are of {len(groups)}"
        )
    return deal_tracks(tracks, shares=[1 / n_folds] * n_folds, by=by, seed=seed)


def divide_folds(
    tracks: Sequence[LabelledTrack], *, n_folds: int, split: SplitSettings, seed: int
) -> list[FoldMasks]:
    """Each fold as the test, the others as what may be learned from.

    Parameters
    ----------
    split : SplitSettings
        ``by`` says what is kept together; the tracks to stop by are about as large a part of what is not tested as
        in the split itself.

    Raises
    ------
    ParameterError, SplitError
        From :func:`grouped_folds`, or too few groups to learn from all folds but one.
    """
    folds = grouped_folds(tracks, n_folds=n_folds, by=split.by, seed=seed)
    fold_indices = np.array([folds[track.track_id] for track in tracks])
    genres = np.array([track.genre for track in tracks], dtype=object)
    masks = []
    for number in range(n_folds):
        is_test = fold_indices == number
        is_validation = _hold_validation(tracks, ~is_test, split=split, seed=seed)
        is_train = ~is_test & ~is_validation
        if not is_validation.any() or len(set(genres[is_train])) < 2:
            raise SplitError(
                f"without fold {number + 1} of {n_folds} there are not two genres to learn from and a track "
                "to stop by: there are too few artists (or tracks of unknown artist) a genre for cross-validation"
            )
        masks.append(FoldMasks(is_train=is_train, is_validation=is_validation, is_test=is_test))
    return masks


def genres_of_one_group(groups: Iterable[Sequence[LabelledTrack]]) -> list[tuple[str, Sequence[LabelledTrack]]]:
    """Genres with their group, of which there is no other."""
    by_genre = defaultdict(list)
    for group in groups:
        by_genre[genre_of_group(group)].append(group)
    return [(genre, found[0]) for genre, found in sorted(by_genre.items()) if len(found) == 1]


def _hold_validation(
    tracks: Sequence[LabelledTrack], is_other: np.ndarray, *, split: SplitSettings, seed: int
) -> np.ndarray:
    """Which tracks of the other folds training stops by: about validation's share of all that is not tested."""
    others = [track for track, is_in in zip(tracks, is_other, strict=True) if is_in]
    groups = group_tracks(others, by=split.by)
    # Of a genre of one group, nothing would be left to learn from.
    alone = genres_of_one_group(groups.values())
    kept = {track.track_id for _, group in alone for track in group}
    candidates = [track for track in others if track.track_id not in kept]
    if not candidates:
        return np.zeros(len(tracks), bool)
    share = split.validation_fraction / (1 - split.test_fraction)
    n_parts = min(len(groups) - len(alone), max(2, round(len(candidates) / (share * len(others)))))
    parts = grouped_folds(candidates, n_folds=n_parts, by=split.by, seed=seed)
    return np.array([parts.get(track.track_id) == 0 for track in tracks])
