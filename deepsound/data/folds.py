"""Division of tracks into folds for cross-validation: grouped and stratified.

Every group stands in one fold only, and every genre is spread over the folds as evenly as whole groups allow; see
:mod:`deepsound.data.stratify`.
"""

from collections.abc import Sequence

from deepsound.data.groups import LabelledTrack, group_tracks
from deepsound.data.stratify import deal_tracks
from deepsound.errors import ParameterError, SplitError


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
