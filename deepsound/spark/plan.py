"""What an extraction still has to do: the tracks of a source against the rows of ``tracks/``, by joins.

``tracks/`` is the only record of what is done. A file counts as unchanged while its size and its time of
modification are those of its row; where one differs, the hash of its content decides, so that a file that was only
touched or copied anew is not extracted again. Nothing here grows on the driver with the number of tracks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from deepsound.data.labels import LABEL_NAMES
from deepsound.errors import AudioDuplicateError
from deepsound.spark.schemas import LISTING_FIELDS

_LISTED = tuple(field.name for field in LISTING_FIELDS)
# What a rerun brings up to date in a row whose file has not changed.
UPDATED = ("path", "size_bytes", "modified_ms", *LABEL_NAMES)
_MAY_BE_UNKNOWN = ("size_bytes", "modified_ms")
_DONE = (*UPDATED, "status", "error_code", "content_sha256", "shard")
# What becomes of a track. The first three are to be extracted, the next two to be brought up to date.
TO_EXTRACT = ("new", "changed", "again")
TO_UPDATE = ("same", "touched")
COPY_OF = "the same bytes as "

# From rows with a listing's columns, and how many they are, to track_id and what was read of their content.
Reader = Callable[[DataFrame, int], DataFrame]
Stage = Callable[[DataFrame, str], DataFrame]


@dataclass(frozen=True, kw_only=True)
class WorkPlan:
    """The tracks with which something is to be done.

    Attributes
    ----------
    rows : DataFrame
        Columns of a listing, ``state`` and ``shard``: new, changed, again (to be tried once more), touched or same
        (with a new time or new labels only), gone.
    n_by_state : mapping of str to int
    n_lost_labels : mapping of str to int
        Label column to how many rows have a value there that is unknown now.
    """

    rows: DataFrame
    n_by_state: Mapping[str, int]
    n_lost_labels: Mapping[str, int]

    def count(self, *states: str) -> int:
        """How many tracks are of one of these states."""
        return sum(self.n_by_state.get(state, 0) for state in states)

    def describe(self, *, has_copies: bool, prunes: bool) -> Iterator[str]:
        """Lines for people."""
        n_removed = self.count("gone") if prunes else 0
        parts = [
            f"{n} {what}"
            for n, what in (
                (self.count("new"), "new"),
                (self.count("changed"), "changed"),
                (self.count("again"), "to be tried again"),
                (self.count(*TO_UPDATE), "with new labels or a new time only"),
                (n_removed, "to be removed"),
            )
            if n
        ]
        if not parts and not has_copies:
            yield "nothing to do: every file has its row"
            return
        yield "to do: " + (", ".join(parts) or "to leave out copies")
        if self.n_lost_labels:
            lost = ", ".join(f"{name} of {n} tracks" for name, n in self.n_lost_labels.items())
            yield f"labels that stood there before and are lost, as there are no new ones: {lost}"


def plan_work(
    listing: DataFrame,
    tracks: DataFrame,
    *,
    retry_failed: bool,
    drop_copies: bool,
    keeps_labels: bool,
    hash_files: Reader,
    read_labels: Reader | None,
    stage: Stage,
) -> WorkPlan:
    """Compare what is there with what was done.

    Parameters
    ----------
    listing : DataFrame
        :data:`~deepsound.spark.schemas.LISTING_FIELDS`, a row a track, with the labels it should have. What is
        null in size_bytes and modified_ms is not compared.
    tracks : DataFrame
        All rows of ``tracks/``, and ``shard``.
    retry_failed, drop_copies : bool
        Whether failed tracks are to be tried again; whether exact copies stay left out.
    keeps_labels : bool
        Whether rows of unchanged files have the right labels, whatever the listing says.
    hash_files : callable
        Rows of a listing to track_id and hash; those that cannot be read are left out.
    read_labels : callable, optional
        The same for genre and artist, where those stand in the files and the rows have others.
    stage : callable
        Writes rows under a name, and gives them as they are read from there.
    """
    rows = _join(listing, tracks, retry_failed=retry_failed, drop_copies=drop_copies)
    if keeps_labels:
        stays = F.col("state").isin("suspect", *TO_UPDATE)
        kept = {name: F.when(stays, F.col(f"{name}_done")).otherwise(F.col(name)) for name in LABEL_NAMES}
        rows = rows.withColumns(kept)
    is_work = (F.col("state") != "same") | F.lit(read_labels is not None) | _differ(UPDATED)
    rows = stage(rows.where(is_work), "compared")
    # Where labels stand in the files, those of files to be extracted are not known yet.
    knows_labels = not (keeps_labels or read_labels)
    plan = _sum_up(rows, knows_labels=knows_labels)
    if n_suspects := plan.count("suspect"):
        is_suspect = F.col("state") == "suspect"
        hashes = hash_files(rows.where(is_suspect), n_suspects)
        state = F.when(F.col("hash") == F.col("content_sha256_done"), "touched").otherwise("changed")
        rows = rows.join(hashes, "track_id", "left")
        rows = rows.withColumn("state", F.when(is_suspect, state).otherwise(F.col("state"))).drop("hash")
        rows = stage(rows, "hashed")
        plan = _sum_up(rows, knows_labels=knows_labels)
    if read_labels is not None:
        rows = _with_labels(rows, read_labels, plan.count(*TO_UPDATE))
        rows = stage(rows.where((F.col("state") != "same") | _differ(UPDATED)), "labelled")
        plan = _sum_up(rows, knows_labels=knows_labels)
    return plan


def _join(listing: DataFrame, tracks: DataFrame, *, retry_failed: bool, drop_copies: bool) -> DataFrame:
    done = tracks.select("track_id", *(F.col(name).alias(f"{name}_done") for name in _DONE))
    is_copy = F.col("error_code_done").eqNullSafe(AudioDuplicateError.code)
    is_failed = (F.col("status_done") == "failed") & ~is_copy
    is_again = (is_failed & F.lit(retry_failed)) | (is_copy & F.lit(not drop_copies))
    state = (
        F.when(F.col("shard_done").isNull(), "new")
        .when(F.col("path").isNull(), "gone")
        .when(is_again, "again")
        .when(~_differ(_MAY_BE_UNKNOWN), "same")
        .otherwise("suspect")
    )
    return listing.join(done, "track_id", "full_outer").withColumn("state", state)


def _differ(names: Sequence[str]) -> Column:
    """Whether a row of ``tracks/`` is in one of these columns not what it should be."""
    differs = F.lit(False)
    for name in names:
        is_other = ~F.col(name).eqNullSafe(F.col(f"{name}_done"))
        # What the listing does not know stays what it was.
        differs = differs | (is_other & F.col(name).isNotNull() if name in _MAY_BE_UNKNOWN else is_other)
    return differs


def _with_labels(rows: DataFrame, read_labels: Reader, n_stays: int) -> DataFrame:
    stays = F.col("state").isin(*TO_UPDATE)
    read = read_labels(rows.where(stays), n_stays).select(
        "track_id", F.col("genre").alias("genre_read"), F.col("artist").alias("artist_read")
    )
    values = {name: F.when(stays, F.col(f"{name}_read")).otherwise(F.col(name)) for name in ("genre", "artist")}
    return rows.join(read, "track_id", "left").withColumns(values).drop("genre_read", "artist_read")


def _sum_up(rows: DataFrame, *, knows_labels: bool) -> WorkPlan:
    is_known = F.col("state").isin(*TO_UPDATE, *(TO_EXTRACT if knows_labels else ()))
    lost = {name: is_known & F.col(name).isNull() & F.col(f"{name}_done").isNotNull() for name in LABEL_NAMES}
    counts = rows.groupBy("state").agg(
        F.count("*").alias("n"), *(F.count_if(is_lost).alias(f"lost_{name}") for name, is_lost in lost.items())
    )
    found = counts.collect()
    n_lost = {name: sum(int(row[f"lost_{name}"]) for row in found) for name in LABEL_NAMES}
    known = {name: F.coalesce(F.col(name), F.col(f"{name}_done")) for name in _MAY_BE_UNKNOWN}
    stays = F.col("state").isin(*TO_UPDATE)
    kept = {name: F.when(stays, value).otherwise(F.col(name)) for name, value in known.items()}
    return WorkPlan(
        rows=rows.withColumns(kept).select(*_LISTED, "state", F.col("shard_done").alias("shard")),
        n_by_state={row["state"]: int(row["n"]) for row in found},
        n_lost_labels={name: n for name, n in n_lost.items() if n},
    )


def plan_copies(tracks: DataFrame, listing: DataFrame) -> DataFrame:
    """What ``duplicates: drop`` asks for: of readable tracks with the same bytes, the first stays.

    Parameters
    ----------
    tracks : DataFrame
        All rows of ``tracks/``, and ``shard``.
    listing : DataFrame
        The tracks there are. A copy whose file is gone stays one: it cannot be extracted.

    Returns
    -------
    DataFrame
        track_id, shard, and ``original``: the track that it repeats, which is not rightly recorded; null where it
        was left out as a copy before, but now is the first of its kind and to be extracted.
    """
    is_copy = F.col("error_code").eqNullSafe(AudioDuplicateError.code)
    columns = ("track_id", "shard", "content_sha256", "error_code", "error_detail")
    copies = tracks.where(is_copy).join(listing.select("track_id"), "track_id", "left_semi")
    readable = tracks.where("status = 'ok'").select(columns).unionByName(copies.select(columns))
    first = F.min("track_id").over(Window.partitionBy("content_sha256"))
    rows = readable.where("content_sha256 is not null").withColumn("original", first)
    is_first = F.col("track_id") == F.col("original")
    is_right = is_copy & F.col("error_detail").eqNullSafe(F.concat(F.lit(COPY_OF), F.col("original")))
    wrong = rows.where((is_first & is_copy) | (~is_first & ~is_right))
    return wrong.select("track_id", "shard", F.when(~is_first, F.col("original")).alias("original"))
