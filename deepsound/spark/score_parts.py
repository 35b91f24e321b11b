"""The scored parts of a run that is not over: what a run that was cut off does not have to score again.

::

    _scoring/<run>/<chunk>/parts       of a chunk of the input's files
    _scoring/<run>/<chunk>/timeline    their segments, where they were asked for
    _scoring/<run>/<chunk>/_DONE       written last: only then the chunk counts

``<run>`` is a hash of all that changes a score, ``<chunk>`` of the names, sizes and times of its files. A run
with other settings, or over other files, thus finds nothing of an earlier one.
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
from deepsound.spark.hadoop import HadoopPath, storage_errors
from deepsound.spark.inputs import binary_reader
from deepsound.spark.segment_files import FileReader, TableFile, deal_pieces
from deepsound.spark.segment_scores import PLACES, SegmentScorer, scored_schema
from deepsound.spark.session import count_cores

_DONE = "_DONE"
# Some 20 seconds of scoring on each core: what a kill costs at most.
_CHUNK_BYTES_A_CORE = 1 << 30
_MAX_CHUNK_FILES = 1024
_TASKS_A_CORE = 8


def list_table(spark: SparkSession, uri: str) -> list[TableFile]:
    """The Parquet files of a table, partitioned or not, by path."""
    files = (
        binary_reader(spark).option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet").load(uri)
    )
    rows = files.selectExpr("path", "length", "cast(modificationTime as string) as modified").collect()
    found = [TableFile(path=row["path"], size_bytes=row["length"], modified=row["modified"]) for row in rows]
    return sorted(found, key=lambda file: file.path)


class PartStore:
    """The parts of one scoring run.

    Parameters
    ----------
    folder : HadoopPath
        ``_scoring`` in the output.
    identity : mapping
        Everything that changes a score, as JSON can hold it.
    """

    def __init__(self, spark: SparkSession, folder: HadoopPath, *, identity: Mapping[str, Any]) -> None:
        self._spark = spark
        name = _digest(json.dumps(identity, sort_keys=True))
        self._folder = folder.child(name)
        if folder.exists():
            for other in folder.names():
                if other != name:
                    folder.child(other).delete()

    def chunk(self, files: Sequence[TableFile]) -> HadoopPath:
        """Where the parts of some files belong."""
        return self._folder.child(_digest("\n".join(f"{f.path}\t{f.size_bytes}\t{f.modified}" for f in files)))

    def is_done(self, chunk: HadoopPath) -> bool:
        """Whether all parts of a chunk are there."""
        return chunk.child(_DONE).exists()

    def write(self, chunk: HadoopPath, scored: DataFrame, *, has_timeline: bool) -> None:
        """Compute rows of :func:`~deepsound.spark.segment_scores.scored_schema` and keep them.

        Raises
        ------
        OutputError
            The storage refuses.
        """
        parts = scored.where("part is not null").select("part.*")
        with storage_errors(f"cannot write {chunk.uri}"), _reading_errors():
            if not has_timeline:
                parts.write.mode("overwrite").parquet(chunk.child("parts").uri)
            else:
                scored.persist(StorageLevel.DISK_ONLY)
                try:
                    parts.write.mode("overwrite").parquet(chunk.child("parts").uri)
                    timeline = scored.where("segment is not null").select("segment.*")
                    timeline.write.mode("overwrite").parquet(chunk.child("timeline").uri)
                finally:
                    scored.unpersist()
        chunk.child(_DONE).write_text("")


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
        # Names of files are names, not patterns.
        reader = spark.read.schema(self.rows.schema).option("__globPaths__", "false")
        rows = reader.option("basePath", self.uri).parquet(*(file.path for file in files)).select(*columns)
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
    """Score all segments that are not scored yet, chunk by chunk; the folders of all chunks."""
    files = table.files
    n_cores = count_cores(spark)
    limits = ShardLimits(n_files=_MAX_CHUNK_FILES, n_bytes=n_cores * _CHUNK_BYTES_A_CORE)
    planned = [
        (some, store.chunk(some)) for some in cut_into_shards(files, [f.size_bytes for f in files], limits=limits)
    ]
    to_do = [(some, chunk) for some, chunk in planned if not store.is_done(chunk)]
    if len(to_do) < len(planned):
        report(f"going on: {len(planned) - len(to_do)} of {len(planned)} chunks are scored already")
    for number, (some, chunk) in enumerate(to_do, start=1):
        store.write(chunk, table.score(spark, some, scorer), has_timeline=scorer.has_timeline)
        if len(to_do) > 1:
            report(f"{number} of {len(to_do)} chunks scored")
    return [chunk for _, chunk in planned]


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
