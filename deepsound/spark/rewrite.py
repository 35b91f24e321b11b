"""Changes to rows that are already committed: no audio is decoded for them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from deepsound.data.ledger import LABEL_COLUMNS, describe_copy
from deepsound.errors import AudioDuplicateError
from deepsound.spark.schemas import TRACK_FIELDS
from deepsound.spark.shards import ShardStore

# What a rerun brings up to date in a row whose file has not changed.
UPDATED_COLUMNS = ("path", "size_bytes", "modified_ms", *LABEL_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """What is to become of committed tracks.

    Attributes
    ----------
    leave : collection of str
        track_ids whose rows go.
    updates : pd.DataFrame
        track_id and :data:`UPDATED_COLUMNS`: new values of rows that stay.
    originals : mapping of str to str
        track_id of a copy to the track it repeats: it fails as a duplicate, its segments go.
    """

    leave: Collection[str] = frozenset()
    updates: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["track_id", *UPDATED_COLUMNS]))
    originals: Mapping[str, str] = field(default_factory=dict)

    def is_nothing(self) -> bool:
        """Whether there is nothing to change."""
        return not (len(self.leave) or len(self.updates) or len(self.originals))

    def among(self, track_ids: pd.Series) -> "RowChanges":
        """Those that concern some tracks."""
        names = set(track_ids)
        return RowChanges(
            leave=names & set(self.leave),
            updates=self.updates[self.updates["track_id"].isin(names)],
            originals={name: original for name, original in self.originals.items() if name in names},
        )


def rewrite_shards(spark: SparkSession, store: ShardStore, ledger: pd.DataFrame, changes: RowChanges) -> None:
    """Commit a new revision of every shard that a change concerns.

    Parameters
    ----------
    ledger : pd.DataFrame
        What ``store`` holds: :data:`deepsound.data.ledger.LEDGER_COLUMNS`.
    """
    if changes.is_nothing():
        return
    by_shard = ledger.groupby("shard")["track_id"]
    for revision in store.committed():
        if revision.shard not in by_shard.groups:
            continue
        some = changes.among(by_shard.get_group(revision.shard))
        if some.is_nothing():
            continue
        tracks, segments = store.read_revision(revision)
        n_bytes = store.segment_bytes(revision)
        store.commit(
            revision.successor(),
            tracks=_change_tracks(spark, tracks, some),
            segments=_change_segments(spark, segments, some),
            segment_bytes=n_bytes,
        )


def _change_tracks(spark: SparkSession, tracks: DataFrame, changes: RowChanges) -> DataFrame:
    kept = tracks.where(~F.col("track_id").isin(list(changes.leave))) if changes.leave else tracks
    updated = _update(spark, kept, changes.updates, columns=UPDATED_COLUMNS)
    if not changes.originals:
        return updated
    copies = spark.createDataFrame(list(changes.originals.items()), "track_id string, _original string")
    joined = updated.join(F.broadcast(copies), "track_id", "left")
    is_copy = F.col("_original").isNotNull()
    values = {
        "status": F.lit("failed"),
        "error_code": F.lit(AudioDuplicateError.code),
        "error_stage": F.lit("collection"),
        "error_detail": F.concat(F.lit(describe_copy("")), F.col("_original")),
        "n_segments": F.lit(0),
    }
    changed = {name: F.when(is_copy, value).otherwise(F.col(name)) for name, value in values.items()}
    return joined.withColumns(changed).select(tracks.columns)


def _change_segments(spark: SparkSession, segments: DataFrame, changes: RowChanges) -> DataFrame:
    out = [*changes.leave, *changes.originals]
    kept = segments.where(~F.col("track_id").isin(out)) if out else segments
    return _update(spark, kept, changes.updates, columns=LABEL_COLUMNS)


def _update(spark: SparkSession, rows: DataFrame, updates: pd.DataFrame, *, columns: Collection[str]) -> DataFrame:
    """Rows with new values, which may be null, in some columns."""
    if updates.empty:
        return rows
    fields = [field for field in TRACK_FIELDS if field.name == "track_id" or field.name in columns]
    table = pa.Table.from_pandas(updates[[f.name for f in fields]], schema=pa.schema(fields), preserve_index=False)
    renamed = table.rename_columns(["track_id", *(f"_{field.name}" for field in fields[1:])])
    new = spark.createDataFrame(renamed).withColumn("_is_new", F.lit(True))
    joined = rows.join(F.broadcast(new), "track_id", "left")
    values = {name: F.when(F.col("_is_new"), F.col(f"_{name}")).otherwise(F.col(name)) for name in columns}
    return joined.withColumns(values).select(rows.columns)
