"""Committed rows against their files and labels as they are now: what is to be updated, what is lost by that."""

from collections.abc import Callable

import pandas as pd

from deepsound.data.labels import TrackLabels
from deepsound.data.ledger import LABEL_COLUMNS
from deepsound.spark.rewrite import UPDATED_COLUMNS

LabelsOf = Callable[[str], TrackLabels]


def plan_updates(files: pd.DataFrame, rows: pd.DataFrame, labels_of: LabelsOf) -> pd.DataFrame:
    """New values of :data:`UPDATED_COLUMNS` for those rows in which one of them is another now.

    Parameters
    ----------
    files : pd.DataFrame
        The files there are; rows of others stay as they are.
    rows : pd.DataFrame
        :data:`deepsound.data.ledger.LEDGER_COLUMNS`, of tracks that are not extracted again.
    labels_of : callable
        Gives the labels that a track should have.
    """
    now, before = _now_and_before(files, rows, labels_of)
    is_same = pd.Series(True, index=now.index)
    for name in UPDATED_COLUMNS:
        is_same &= (now[name] == before[name]) | (now[name].isna() & before[name].isna())
    return now.loc[~is_same, ["track_id", *UPDATED_COLUMNS]]


def count_lost_labels(files: pd.DataFrame, rows: pd.DataFrame, labels_of: LabelsOf) -> dict[str, int]:
    """Label column to how many rows have a value there that is unknown now; parameters as above."""
    now, before = _now_and_before(files, rows, labels_of)
    lost = {name: int((now[name].isna() & before[name].notna()).sum()) for name in LABEL_COLUMNS}
    return {name: n for name, n in lost.items() if n}


def _now_and_before(
    files: pd.DataFrame, rows: pd.DataFrame, labels_of: LabelsOf
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of files there are, as they should be and as they are, in one order."""
    now = files.merge(rows[["track_id"]], on="track_id")
    labels = [labels_of(track_id) for track_id in now["track_id"]]
    for name in LABEL_COLUMNS:
        now[name] = pd.Series([getattr(label, name) for label in labels], dtype="object", index=now.index)
    return now, now[["track_id"]].merge(rows[["track_id", *UPDATED_COLUMNS]], on="track_id")
