"""The tables of a FEATURES folder as shards, each there in full or not at all, whenever a run is killed.

::

    segments/shard-00012-r1-part-0.parquet    all segments of shard 12, revision 1; more parts where they are many
    tracks/shard-00012-r1.parquet             all its tracks; this file makes the revision count

A revision is written in full below ``_staging`` first. Then its files are moved into place one by one, that of its
tracks last: the one step that commits it. Of the revisions of a shard the highest committed one counts;
:meth:`ShardStore.recover` removes all else. Object stores give a file its name when it is complete, so nothing
here asks for a folder to be renamed at once.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from deepsound.data.ledger import LEDGER_COLUMNS
from deepsound.errors import OutputError
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.output import STAGING, OutputFolder
from deepsound.spark.tables import read_table, write_table

_NAME = re.compile(r"shard-(\d+)-r(\d+)(?:-part-\d+)?\.parquet")
_SEGMENT_FILE_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, order=True)
class Revision:
    """One writing of one shard."""

    shard: int
    revision: int

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return f"shard-{self.shard:05d}-r{self.revision}"

    def next_shard(self) -> "Revision":
        """The first writing of the shard after this one."""
        return Revision(shard=self.shard + 1, revision=0)

    def successor(self) -> "Revision":
        """The next writing of the same shard."""
        return Revision(shard=self.shard, revision=self.revision + 1)


class ShardStore:
    """The shards of an output folder."""

    def __init__(self, spark: SparkSession, output: OutputFolder) -> None:
        self._spark = spark
        self._output = output
        self._tracks = output.path.child("tracks")
        self._segments = output.path.child("segments")

    def recover(self) -> None:
        """Remove what a run that was cut off left behind: all that belongs to no committed revision.

        Raises
        ------
        OutputError
            If the tables hold files of another kind.
        """
        self._output.path.child(STAGING).delete()
        committed = {revision.stem for revision in self.committed()}
        for table in (self._tracks, self._segments):
            for name in _parquet_names(table):
                if _stem_of(name, table) not in committed:
                    table.child(name).delete()

    def committed(self) -> list[Revision]:
        """The revision of each shard that counts, by shard."""
        latest: dict[int, Revision] = {}
        for name in _parquet_names(self._tracks):
            revision = _parse_name(name, self._tracks)
            latest[revision.shard] = max(revision, latest.get(revision.shard, revision))
        return sorted(latest.values())

    def next_shard(self) -> Revision:
        """A shard of its own for new tracks."""
        committed = self.committed()
        return committed[-1].next_shard() if committed else Revision(shard=0, revision=0)

    def read_ledger(self) -> pd.DataFrame:
        """All committed tracks: :data:`deepsound.data.ledger.LEDGER_COLUMNS`; their ``shard`` is a number."""
        if not self.committed():
            return pd.DataFrame({name: pd.Series(dtype="object") for name in LEDGER_COLUMNS})
        number = F.regexp_extract(F.col("_metadata.file_name"), _NAME.pattern, 1).cast("int")
        columns = [name for name in LEDGER_COLUMNS if name != "shard"]
        return self.read_tracks().select(*columns, number.alias("shard")).toPandas()

    def read_tracks(self) -> DataFrame:
        """All committed rows of ``tracks/``."""
        return read_table(self._spark, *(self._tracks_file(revision).uri for revision in self.committed()))

    def read_revision(self, revision: Revision) -> tuple[DataFrame, DataFrame]:
        """Tracks and segments of one committed revision."""
        segments = (self._segments.child(name).uri for name in self._segment_files(revision))
        return read_table(self._spark, self._tracks_file(revision).uri), read_table(self._spark, *segments)

    def segment_bytes(self, revision: Revision) -> int:
        """Size of the files that hold a revision's segments."""
        return sum(self._segments.child(name).size_bytes() for name in self._segment_files(revision))

    def commit(self, revision: Revision, *, tracks: DataFrame, segments: DataFrame, segment_bytes: int) -> None:
        """Write a revision, make it count, and remove the one before it.

        Parameters
        ----------
        segment_bytes : int
            Size of all segments, about: decides how many files hold them.

        Raises
        ------
        OutputError
            The storage refuses, or another run has begun in the same folder.
        """
        staged = self._output.staging.child(revision.stem)
        n_parts = math.ceil((segment_bytes + 1) / _SEGMENT_FILE_BYTES)
        with storage_errors(f"cannot write to {self._output.path.uri}"):
            write_table(segments.coalesce(n_parts), staged.child("segments").uri)
            write_table(tracks.coalesce(1), staged.child("tracks").uri)
        self._output.check_ours()
        # What a run left that was overtaken in the middle of its own commit would count with this one.
        for name in self._segment_files(revision):
            self._segments.child(name).delete()
        for number, name in enumerate(sorted(_parquet_names(staged.child("segments")))):
            target = self._segments.child(f"{revision.stem}-part-{number}.parquet")
            staged.child("segments").child(name).move_to(target)
        (name,) = _parquet_names(staged.child("tracks"))
        staged.child("tracks").child(name).move_to(self._tracks_file(revision))
        staged.delete()
        self._remove_older(revision)

    def _remove_older(self, revision: Revision) -> None:
        for older in (Revision(shard=revision.shard, revision=number) for number in range(revision.revision)):
            self._tracks_file(older).delete()
            for name in self._segment_files(older):
                self._segments.child(name).delete()

    def _tracks_file(self, revision: Revision) -> HadoopPath:
        return self._tracks.child(f"{revision.stem}.parquet")

    def _segment_files(self, revision: Revision) -> list[str]:
        return sorted(n for n in _parquet_names(self._segments) if _stem_of(n, self._segments) == revision.stem)


def _parquet_names(folder: HadoopPath) -> Iterable[str]:
    if not folder.exists():
        return []
    return [name for name in folder.names() if name.endswith(".parquet") and not name.startswith((".", "_"))]


def _parse_name(name: str, folder: HadoopPath) -> Revision:
    found = _NAME.fullmatch(name)
    if found is None:
        raise OutputError(
            f"{folder.uri} holds {name}, which this version of extract does not write: give another folder, or "
            "--overwrite to remove what is there"
        )
    return Revision(shard=int(found[1]), revision=int(found[2]))


def _stem_of(name: str, folder: HadoopPath) -> str:
    return _parse_name(name, folder).stem
