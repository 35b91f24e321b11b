"""Division of tracks into folds for cross-validation: grouped and stratified.

Every group stands in one fold only, and every genre is spread over the folds as evenly as whole groups allow.
"""

import math
from collections import Counter
from collections.abc import Sequence

from deepsound.data.groups import LabelledTrack, group_tracks, stable_rank
from deepsound.errors import ParameterError, SplitError


def grouped_folds(tracks: Sequence[LabelledTrack], *, n_folds: int, by: str, seed: int) -> dict[str, int]:
    """Which fold each track belongs to.

    Groups are dealt out from the largest to the smallest, each to the fold that holds least of its genres so
    far, then least of all. Sizes are compared in steps of half an octave and the seed orders the rest, so that
    another seed gives other folds and not the same ones under other numbers. A genre of fewer groups than folds
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
    totals = Counter(track.genre for track in tracks)
    in_fold: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    folds: dict[str, int] = {}
    for name in sorted(groups, key=lambda name: (-_size_class(groups[name]), stable_rank(name, seed=seed))):
        counts = Counter(track.genre for track in groups[name])
        costs = [_crowding(counts, held, totals) for held in in_fold]
        ranks = [stable_rank(f"{name} in {fold}", seed=seed) for fold in range(n_folds)]
        sizes = [held.total() for held in in_fold]
        chosen = min(range(n_folds), key=lambda fold: (costs[fold], sizes[fold], ranks[fold]))
        in_fold[chosen] += counts
        folds |= {track.track_id: chosen for track in groups[name]}
    return folds


def _size_class(group: Sequence[LabelledTrack]) -> int:
    return round(2 * math.log2(len(group)))


def _crowding(group: Counter[str], held: Counter[str], totals: Counter[str]) -> float:
    """How much of a group's genres a fold holds already.

    Up to a constant, what the group would add to the sum over genres of squared shares of a fold.
    """
    # Exactly rounded, because the order of the genres is that of the files.
    return math.fsum(n * held[genre] / totals[genre] ** 2 for genre, n in group.items())
