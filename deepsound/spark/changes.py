"""Changes to rows of ``tracks/`` that are already committed: no audio is decoded for them."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deepsound.errors import AudioDuplicateError
from deepsound.spark.plan import COPY_OF, TO_UPDATE, UPDATED
from deepsound.spark.schemas import TRACK_FIELDS
from deepsound.spark.shards import ShardStore

_COLUMNS = [field.name for field in TRACK_FIELDS]


def update_tracks(store: ShardStore, changes: DataFrame) -> None:
    """Bring rows up to date, or remove them, with the segments that no row counts any more.

    Parameters
    ----------
    changes : DataFrame
        Columns of :attr:`deepsound.spark.plan.WorkPlan.rows`: those that are to be updated get new values, the
        others go.
    """
    stays = F.col("state").isin(*TO_UPDATE)
    new = changes.select("track_id", stays.alias("stays"), *(F.col(name).alias(f"new_{name}") for name in UPDATED))
    shards = _shards_of(changes)
    rows = store.read_tracks(shards).join(new, "track_id", "left").where("stays is null or stays")
    values = {name: F.when(F.col("stays"), F.col(f"new_{name}")).otherwise(F.col(name)) for name in UPDATED}
    store.replace_tracks(rows.withColumns(values).select(*_COLUMNS, "shard"), shards=shards)
    if not changes.where(~stays).isEmpty():
        store.remove_uncounted()


def leave_out_copies(store: ShardStore, copies: DataFrame) -> None:
    """Let copies fail as duplicates; remove the rows of those that are none any more.

    Parameters
    ----------
    copies : DataFrame
        What :func:`deepsound.spark.plan.plan_copies` gives.
    """
    shards = _shards_of(copies)
    new = copies.select("track_id", "original", F.lit(True).alias("is_wrong"))
    rows = (
        store.read_tracks(shards).join(new, "track_id", "left").where("is_wrong is null or original is not null")
    )
    values = {
        "status": F.lit("failed"),
        "error_code": F.lit(AudioDuplicateError.code),
        "error_stage": F.lit("collection"),
        "error_detail": F.concat(F.lit(COPY_OF), F.col("original")),
        "n_segments": F.lit(0),
    }
    changed = {name: F.when(F.col("is_wrong"), value).otherwise(F.col(name)) for name, value in values.items()}
    store.replace_tracks(rows.withColumns(changed).select(*_COLUMNS, "shard"), shards=shards)
    store.remove_uncounted()


def _shards_of(rows: DataFrame) -> list[str]:
    return [row["shard"] for row in rows.select("shard").distinct().collect()]
