"""Committed rows against their files and labels as they are now: what is to be updated, what is lost by that."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deepsound.data.labels import TrackLabels
from deepsound.data.ledger import LABEL_COLUMNS
from deepsound.spark.rewrite import UPDATED_COLUMNS


@dataclass(frozen=True, kw_only=True)
class ComparedRows:
    """Committed rows of the files there are, as they should be ``now`` and as they were ``before``, in one order.

    Both have track_id and :data:`UPDATED_COLUMNS`.
    """

    now: pd.DataFrame
    before: pd.DataFrame

    def updates_of(self, track_ids: pd.Series) -> pd.DataFrame:
        """What :attr:`now` says of those of some tracks that are another in it."""
        is_same = pd.Series(True, index=self.now.index)
        for name in UPDATED_COLUMNS:
            now, before = self.now[name], self.before[name]
            is_same &= (now == before) | (now.isna() & before.isna())
        return self.now[~is_same & self.now["track_id"].isin(track_ids)]

    def count_lost_labels(self) -> dict[str, int]:
        """Label column to how many rows have a value there that is unknown now."""
        lost = {name: int((self.now[name].isna() & self.before[name].notna()).sum()) for name in LABEL_COLUMNS}
        return {name: n for name, n in lost.items() if n}


def compare_rows(files: pd.DataFrame, rows: pd.DataFrame, labels_of: Callable[[str], TrackLabels]) -> ComparedRows:
    """Hold rows against the files there are.

    Parameters
    ----------
    files : pd.DataFrame
        The files there are; rows of others are left out.
    rows : pd.DataFrame
        :data:`deepsound.data.ledger.LEDGER_COLUMNS`, of committed tracks.
    labels_of : callable
        Gives the labels that a track should have.
    """
    columns = ["track_id", *UPDATED_COLUMNS]
    now = files.merge(rows[["track_id"]], on="track_id")
    labels = [labels_of(track_id) for track_id in now["track_id"]]
    for name in LABEL_COLUMNS:
        now[name] = pd.Series([getattr(label, name) for label in labels], dtype="object", index=now.index)
    return ComparedRows(now=now[columns], before=now[["track_id"]].merge(rows[columns], on="track_id"))
