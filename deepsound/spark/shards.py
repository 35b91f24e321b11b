"""The tables of a FEATURES folder as shards, each there in full or not at all, whenever a run is killed.

::

    segments/shard-00012-part-0.parquet    all segments of shard 12; more parts where they are many
    tracks/shard-00012.parquet             all its tracks; this file makes the shard count

A shard is written in full below ``_staging`` first. Then its files are moved into place one by one, that of its
tracks last: the one step that commits it. Rows that change later are changed file by file, each replaced in one
step: tracks first, as they are the record, then the segments that no track counts any more are removed.
:meth:`ShardStore.recover` finishes what a kill left between the two. Object stores give a file its name when it is
complete, so nothing here asks for a folder to be renamed at once.

The first edition wrote each shard anew for every change, as ``shard-00012-r1``; the highest number counts.
"""

import math
import re
from collections.abc import Collection

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.errors import OutputError
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.output import STAGING, OutputFolder
from deepsound.spark.schemas import TRACKS_SCHEMA
from deepsound.spark.tables import read_table, write_table

_NAME = re.compile(r"(shard-(\d+)(?:-r(\d+))?)(?:-part-\d+)?\.parquet")
_SEGMENT_FILE_BYTES = 128 * 1024 * 1024


class ShardStore:
    """The shards of an output folder. A shard is known by the name of its tracks' file, without its ending."""

    def __init__(self, spark: SparkSession, output: OutputFolder) -> None:
        self._spark = spark
        self._output = output
        self._tracks = output.path.child("tracks")
        self._segments = output.path.child("segments")
        self._n_shards: int | None = None

    def recover(self) -> None:
        """Remove what a run that was cut off left behind: all that belongs to no committed shard or track.

        Raises
        ------
        OutputError
            If the tables hold files of another kind.
        """
        staging = self._output.path.child(STAGING)
        for name in staging.names() if staging.exists() else ():
            if staging.child(name).uri != self._output.staging.uri:
                staging.child(name).delete()
        self._n_shards = None
        committed = set(self.committed())
        for table in (self._tracks, self._segments):
            for name in _parquet_names(table):
                if _shard_of(name, table) not in committed:
                    table.child(name).delete()
        if self._output.was_cut_off:
            self.remove_uncounted()

    def committed(self) -> list[str]:
        """The shards that count, in the order in which they were written."""
        latest: dict[int, tuple[int, str]] = {}
        for name in _parquet_names(self._tracks):
            shard = _shard_of(name, self._tracks)
            number, revision = _numbers_of(name)
            latest[number] = max(latest.get(number, (-1, "")), (revision, shard))
        return [shard for _, (_, shard) in sorted(latest.items())]

    def read_tracks(self, shards: Collection[str] | None = None) -> DataFrame:
        """All committed rows of ``tracks/``, or those of some shards, with their ``shard``."""
        committed = self.committed()
        files = [f"{self._tracks.uri}/{shard}.parquet" for shard in (committed if shards is None else shards)]
        if shards is None and len(committed) == len(_parquet_names(self._tracks)):
            files = [self._tracks.uri] if committed else []
        if not files:
            return self._spark.createDataFrame([], from_arrow_schema(TRACKS_SCHEMA)).withColumn("shard", F.lit(""))
        return read_table(self._spark, *files).withColumn("shard", _shard_column())

    def commit(self, *, tracks: DataFrame, segments: DataFrame, segment_bytes: int) -> None:
        """Write a new shard and make it count.

        Parameters
        ----------
        segment_bytes : int
            Size of all segments, about: decides how many files hold them.

        Raises
        ------
        OutputError
            The storage refuses, or another run has begun in the same folder.
        """
        shard = self._next_shard()
        staged = self._output.staging.child(shard)
        n_parts = math.ceil((segment_bytes + 1) / _SEGMENT_FILE_BYTES)
        with storage_errors(f"cannot write to {self._output.path.uri}"):
            write_table(segments.coalesce(n_parts), staged.child("segments").uri)
            write_table(tracks.coalesce(1), staged.child("tracks").uri)
        self._output.check_ours()
        # What a run left that was overtaken in the middle of its own commit would count with this one.
        self._remove_segments(shard)
        for number, name in enumerate(sorted(_parquet_names(staged.child("segments")))):
            target = self._segments.child(f"{shard}-part-{number}.parquet")
            staged.child("segments").child(name).move_to(target)
        (name,) = _parquet_names(staged.child("tracks"))
        staged.child("tracks").child(name).move_to(self._tracks.child(f"{shard}.parquet"))
        staged.delete()
        self._n_shards = (self._n_shards or 0) + 1

    def replace_tracks(self, tracks: DataFrame, *, shards: Collection[str]) -> None:
        """Put other rows in the place of all rows of some shards; a shard that gets none is removed.

        Parameters
        ----------
        tracks : DataFrame
            Columns of ``tracks/``, and ``shard``: the rows that these shards are to have.
        """
        staged = self._output.staging.child("tracks")
        with storage_errors(f"cannot write to {self._output.path.uri}"):
            # One file each: all rows of a shard meet in one task.
            rows = tracks.repartition("shard").sortWithinPartitions("shard", "track_id")
            rows.write.mode("overwrite").option("maxRecordsPerFile", 0).partitionBy("shard").parquet(staged.uri)
        self._output.check_ours()
        filled = set(staged.names())
        for shard in sorted(shards):
            target = self._tracks.child(f"{shard}.parquet")
            if f"shard={shard}" in filled:
                (name,) = _parquet_names(staged.child(f"shard={shard}"))
                staged.child(f"shard={shard}").child(name).replace(target)
            else:
                target.delete()
                self._remove_segments(shard)
        staged.delete()

    def remove_uncounted(self) -> None:
        """Remove the segments of tracks that are gone or failed, file by file."""
        if not self.committed() or not _parquet_names(self._segments):
            return
        counted = self.read_tracks().where("status = 'ok'").select("track_id", "shard")
        segments = read_table(self._spark, self._segments.uri)
        keys = segments.select(
            "track_id", _shard_column().alias("shard"), F.col("_metadata.file_name").alias("file")
        )
        files = keys.join(counted, ["track_id", "shard"], "left_anti").select("file").distinct().collect()
        for name in sorted(row["file"] for row in files):
            staged = self._output.staging.child("kept")
            own = read_table(self._spark, self._tracks.child(f"{_shard_of(name, self._segments)}.parquet").uri)
            ok = own.where("status = 'ok'").select("track_id")
            kept = read_table(self._spark, self._segments.child(name).uri).join(ok, "track_id", "left_semi")
            with storage_errors(f"cannot write to {self._output.path.uri}"):
                write_table(kept.coalesce(1), staged.uri)
            self._output.check_ours()
            (written,) = _parquet_names(staged)
            staged.child(written).replace(self._segments.child(name))
            staged.delete()

    def _next_shard(self) -> str:
        """A shard of its own for new tracks. The folder is not looked at once more for each."""
        if self._n_shards is None:
            committed = self.committed()
            self._n_shards = _numbers_of(f"{committed[-1]}.parquet")[0] + 1 if committed else 0
        return f"shard-{self._n_shards:05d}"

    def _remove_segments(self, shard: str) -> None:
        number = 0
        while (file := self._segments.child(f"{shard}-part-{number}.parquet")).exists():
            file.delete()
            number += 1


def _shard_column() -> Column:
    return F.regexp_extract(F.col("_metadata.file_name"), _NAME.pattern, 1)


def _parquet_names(folder: HadoopPath) -> Collection[str]:
    if not folder.exists():
        return []
    return [name for name in folder.names() if name.endswith(".parquet") and not name.startswith((".", "_"))]


def _shard_of(name: str, folder: HadoopPath) -> str:
    found = _NAME.fullmatch(name)
    if found is None:
        raise OutputError(
            f"{folder.uri} holds {name}, which this version of extract does not write: give another folder, or "
            "--overwrite to remove what is there"
        )
    return found[1]


def _numbers_of(name: str) -> tuple[int, int]:
    """Of a shard, and of the writing of it where that is told."""
    found = _NAME.fullmatch(name)
    return (int(found[2]), int(found[3] or 0)) if found else (-1, -1)
