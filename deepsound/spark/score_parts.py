"""The scored parts of a run that is not over: what a run that was cut off does not have to score again.

::

    _scoring/_RUN.json                         which run is at work
    _scoring/<scores>/<chunk>/<run>/parts      of a chunk of the input's files
    _scoring/<scores>/<chunk>/<run>/timeline   their segments, where they were asked for
    _scoring/<scores>/<chunk>/_DONE            written last: only then the chunk counts; names the run that did it

``<scores>`` is a hash of all that changes a score, ``<chunk>`` of the names, sizes and times of its files. A run
with other settings, or over other files, thus finds nothing of an earlier one; one with the same goes on where it
was. As each run writes to folders of its own, two of them cannot mix their files.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.data.ledger import ShardLimits, cut_into_shards
from deepsound.errors import SchemaMismatchError
from deepsound.spark.claim import Claim, read_json
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.segment_files import FileReader, TableFile, deal_pieces
from deepsound.spark.segment_scores import PLACES, SegmentScorer, scored_schema
from deepsound.spark.session import count_cores
from deepsound.spark.tables import read_files, read_table, write_table

CLAIM, _DONE = "_RUN.json", "_DONE"
# Some 20 seconds of scoring on each core: what a kill costs at most.
_CHUNK_BYTES_A_CORE = 1 << 30
_MAX_CHUNK_FILES = 1024
_TASKS_A_CORE = 8


def list_table(spark: SparkSession, uri: str) -> list[TableFile]:
    """The Parquet files of a table, partitioned or not, by path."""
    files = read_files(spark, [uri], recursiveFileLookup="true", pathGlobFilter="*.parquet")
    rows = files.selectExpr("path", "length", "cast(modificationTime as string) as modified").collect()
    found = [TableFile(path=row["path"], size_bytes=row["length"], modified=row["modified"]) for row in rows]
    return sorted(found, key=lambda file: file.path)


class PartStore:
    """The parts of one scoring run.

    Parameters
    ----------
    folder : HadoopPath
        ``_scoring`` in the output.
    claim : Claim
        Of this run on the output.
    identity : mapping
        Everything that changes a score, as JSON can hold it.
    """

    def __init__(self, folder: HadoopPath, *, claim: Claim, identity: Mapping[str, Any]) -> None:
        self._claim = claim
        name = _digest(json.dumps(identity, sort_keys=True))
        self._folder = folder.child(name)
        for other in folder.names():
            if other not in (name, CLAIM):
                folder.child(other).delete()

    def find(self, files: Sequence[TableFile]) -> HadoopPath | None:
        """Where the parts of some files are, if all of them are there."""
        chunk = self._chunk(files)
        done = read_json(chunk.child(_DONE))
        return chunk.child(str(done["run"])) if "run" in done else None

    def write(self, files: Sequence[TableFile], scored: DataFrame, *, has_timeline: bool) -> HadoopPath:
        """Compute rows of :func:`~deepsound.spark.segment_scores.scored_schema` and keep them; where they are.

        Raises
        ------
        OutputError
            The storage refuses, or another run has begun.
        """
        self._claim.check()
        chunk = self._chunk(files)
        own = chunk.child(self._claim.token)
        parts = scored.where("part is not null").select("part.*")
        with storage_errors(f"cannot write {own.uri}"), _reading_errors():
            if not has_timeline:
                write_table(parts, own.child("parts").uri)
            else:
                scored.persist(StorageLevel.DISK_ONLY)
                try:
                    write_table(parts, own.child("parts").uri)
                    timeline = scored.where("segment is not null").select("segment.*")
                    write_table(timeline, own.child("timeline").uri)
                finally:
                    scored.unpersist()
        chunk.child(_DONE).write_text(json.dumps({"run": self._claim.token}))
        return own

    def _chunk(self, files: Sequence[TableFile]) -> HadoopPath:
        return self._folder.child(_digest("\n".join(f"{f.path}\t{f.size_bytes}\t{f.modified}" for f in files)))


@dataclass(frozen=True, kw_only=True)
class SegmentTable:
    """``segments/`` of a FEATURES folder.

    Attributes
    ----------
    files : tuple of TableFile
    rows : DataFrame
        As Spark found it: it lends its schema.
    picked : DataFrame or None
        track_ids to score; None for all.
    batch_size : int
        Segments that a worker scores at a time.
    """

    uri: str
    files: tuple[TableFile, ...]
    rows: DataFrame
    picked: DataFrame | None
    batch_size: int

    @property
    def is_opened_by_workers(self) -> bool:
        """Whether workers read the files themselves, which saves each number a way through the JVM.

        It takes a file system that is mounted where they run, and columns that are all in the files.
        """
        return self.uri.startswith("file:") and self.picked is None

    def score(self, spark: SparkSession, files: Sequence[TableFile], scorer: SegmentScorer) -> DataFrame:
        """Rows of :func:`~deepsound.spark.segment_scores.scored_schema`."""
        features = dict.fromkeys(model.feature for model in scorer.models)
        columns = ["track_id", *(name for name in PLACES if name in self.rows.columns), *features]
        schema = from_arrow_schema(scored_schema(len(scorer.models)))
        if self.is_opened_by_workers:
            n_tasks = _TASKS_A_CORE * count_cores(spark)
            tasks = spark.sparkContext.broadcast(deal_pieces(files, n_tasks=n_tasks))
            read = FileReader(columns=tuple(columns), batch_size=self.batch_size)
            numbers = spark.range(0, len(tasks.value), 1, max(1, len(tasks.value)))
            return numbers.mapInArrow(
                lambda batches: scorer(read(piece for n in _numbers(batches) for piece in tasks.value[n])), schema
            )
        paths = [file.path for file in files]
        rows = read_table(spark, *paths, schema=self.rows.schema, basePath=self.uri).select(*columns)
        if self.picked is not None:
            rows = rows.join(self.picked, "track_id", "left_semi")
        return rows.mapInArrow(scorer, schema)


def _numbers(batches: Iterator[pa.RecordBatch]) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def score_segments(
    spark: SparkSession,
    store: PartStore,
    table: SegmentTable,
    *,
    scorer: SegmentScorer,
    report: Callable[[str], None],
) -> list[HadoopPath]:
    """Score all segments that are not scored yet, chunk by chunk; the folders of all parts."""
    files = table.files
    n_cores = count_cores(spark)
    limits = ShardLimits(n_files=_MAX_CHUNK_FILES, n_bytes=n_cores * _CHUNK_BYTES_A_CORE)
    chunks = cut_into_shards(files, [file.size_bytes for file in files], limits=limits)
    planned = [(some, store.find(some)) for some in chunks]
    done = [parts for _, parts in planned if parts is not None]
    to_do = [some for some, parts in planned if parts is None]
    if done:
        report(f"going on: {len(done)} of {len(planned)} chunks are scored already")
    for number, some in enumerate(to_do, start=1):
        done.append(store.write(some, table.score(spark, some, scorer), has_timeline=scorer.has_timeline))
        if len(to_do) > 1:
            report(f"{number} of {len(to_do)} chunks scored")
    return done


@contextlib.contextmanager
def _reading_errors() -> Iterator[None]:
    """Turn what a worker says of a damaged file into the error that it raised there."""
    try:
        yield
    except PythonException as exc:
        found = re.search(rf"{SchemaMismatchError.__name__}: (cannot read [^\n]+)", str(exc))
        if found is None:
            raise
        raise SchemaMismatchError(found[1]) from exc


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
