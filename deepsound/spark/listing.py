"""The inputs of an extraction as one DataFrame, wherever they are from."""

import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.data.listing import AUDIO_EXTENSIONS, LeftOut
from deepsound.errors import InputError
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.schemas import LISTING_FIELDS
from deepsound.spark.tables import read_table, stage_table

LISTING_SCHEMA = pa.schema(LISTING_FIELDS)
# Rows that are held at a time.
_ROWS_A_BATCH = 65_536


@dataclass(frozen=True, kw_only=True)
class Source:
    """What an extraction starts from.

    Attributes
    ----------
    root : HadoopPath
        The folder that its tracks are named below.
    rows : DataFrame
        :data:`~deepsound.spark.schemas.LISTING_FIELDS`, a row a track; labels where the source has its own.
    n_files, n_bytes : int
    n_labelled : int
        Tracks with a genre that the source itself names.
    left_out : LeftOut
        What lies there and is no input.
    """

    root: HadoopPath
    rows: DataFrame
    n_files: int
    n_bytes: int
    left_out: LeftOut
    n_labelled: int = 0

    def describe(self) -> Iterator[str]:
        """Lines for people."""
        yield f"{self.n_files} files, {self.n_bytes / 1e6:.1f} MB in {self.root.uri}"
        left_out = self.left_out.describe()
        if left_out:
            yield left_out

    def check_not_empty(self) -> None:
        """Raise :class:`InputError` where there is no track."""
        if not self.n_files:
            left_out = self.left_out.describe()
            raise InputError(
                f"{self.root.uri} holds no audio file; looked for names ending in {', '.join(AUDIO_EXTENSIONS)}"
                + (f"; {left_out}" if left_out else "")
            )


def in_batches(rows: Iterable[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as Arrow batches, of which one at a time is in memory."""
    iterator = iter(rows)
    while some := list(islice(iterator, _ROWS_A_BATCH)):
        yield pa.RecordBatch.from_pylist(some, schema=schema)


def write_rows(
    spark: SparkSession, rows: Iterable[dict[str, Any]], schema: pa.Schema, target: HadoopPath
) -> DataFrame:
    """Rows that come up on the driver, through a file that executors reach: few are in memory at a time."""
    with tempfile.TemporaryDirectory(prefix="deepsound-") as folder:
        written = pathlib.Path(folder, "rows.parquet")
        with pq.ParquetWriter(written, schema) as writer:
            for batch in in_batches(rows, schema):
                writer.write_batch(batch)
        target.delete()
        HadoopPath(spark, f"file:{written}").copy_to(target)
    return read_table(spark, target.uri, schema=from_arrow_schema(schema))


def as_listing(rows: DataFrame) -> DataFrame:
    """The columns of a listing, null where a source does not have them."""
    fields = from_arrow_schema(LISTING_SCHEMA).fields
    return rows.select(
        *(
            (F.col(f.name) if f.name in rows.columns else F.lit(None)).cast(f.dataType).alias(f.name)
            for f in fields
        )
    )


def stage_listing(rows: DataFrame, root: HadoopPath, scratch: HadoopPath, *, left_out: LeftOut) -> Source:
    """Rows of a listing as a source: gone through once, and read from where they are then.

    Raises
    ------
    InputError
        Two tracks have one name.
    """
    staged = stage_table(as_listing(rows), scratch.child("listing"))
    if _find_twice(staged) is not None:
        # The same to the letter is one.
        staged = stage_table(staged.distinct(), scratch.child("listing-once"))
        twice = _find_twice(staged)
        if twice is not None:
            raise InputError(
                f"{root.uri} names {twice['n']} tracks {twice['track_id']!r}, such as {twice['first']} and "
                f"{twice['last']}: each needs a name of its own"
            )
    totals = staged.agg(F.count("*"), F.coalesce(F.sum("size_bytes"), F.lit(0)), F.count("genre")).collect()[0]
    n_files, n_bytes, n_labelled = totals
    return Source(
        root=root, rows=staged, n_files=n_files, n_bytes=n_bytes, n_labelled=n_labelled, left_out=left_out
    )


def _find_twice(rows: DataFrame) -> Row | None:
    """The first track_id that several rows have, if there is one."""
    names = rows.groupBy("track_id").agg(F.count("*").alias("n")).where("n > 1")
    first = names.orderBy("track_id").first()
    if first is None:
        return None
    places = rows.where(F.col("track_id") == first["track_id"]).agg(F.min("path"), F.max("path")).collect()[0]
    return Row(track_id=first["track_id"], n=first["n"], first=places[0], last=places[1])
