"""Tables and files as Spark reads and writes them here: by their literal names, whatever the session is set to."""

import contextlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from deepsound.errors import DeepsoundError, first_line
from deepsound.spark.hadoop import HadoopPath

_PARQUET_MAGIC = b"PAR1"
# What makes Spark take a path for a pattern.
_SPECIAL = re.compile(r"[\\{}\[\]*?]")


def read_table(spark: SparkSession, *paths: str, schema: StructType | None = None, **options: Any) -> DataFrame:
    """The rows of Parquet files or folders; a file that is damaged or gone is an error, never fewer rows."""
    reader = spark.read.options(ignoreCorruptFiles="false", ignoreMissingFiles="false", **options)
    return (reader if schema is None else reader.schema(schema)).parquet(*map(as_pattern, paths))


def read_files(spark: SparkSession, paths: Iterable[str], **options: Any) -> DataFrame:
    """Whole files, or all of folders: path, modificationTime, length, content."""
    return spark.read.format("binaryFile").options(**options).load([as_pattern(path) for path in paths])


@contextlib.contextmanager
def table_errors(what: str, *, kind: type[DeepsoundError]) -> Iterator[None]:
    """Turn what Spark says of a table that it cannot read into one line, which begins with ``what``."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as exc:
        # Of an error in Java, the line that says it comes second.
        said = re.search(r"\[[A-Z0-9_.]+\] [^\n]+", str(exc))
        raise kind(f"{what}: {said[0][:300] if said else first_line(exc)}") from exc


def write_table(rows: DataFrame, path: str) -> None:
    """Write a folder of Parquet files, one a partition, in the place of what is there."""
    rows.write.mode("overwrite").option("maxRecordsPerFile", 0).parquet(path)


def stage_table(rows: DataFrame, folder: HadoopPath) -> DataFrame:
    """Write rows, and give them as they are read from there: gone through once, however often they are used."""
    write_table(rows, folder.uri)
    return read_table(rows.sparkSession, folder.uri, schema=rows.schema)


def quoted(column: str) -> str:
    """A column's name as Spark takes it literally, whatever stands in it."""
    doubled = column.replace("`", "``")
    return f"`{doubled}`"


def as_pattern(path: str) -> str:
    """The pattern that a path alone fits: a folder may be called 'live [1999]'.

    Spark can be told to take paths as they are, by ``__globPaths__``; but of n paths it then reads all n once for
    each that looks like a pattern.
    """
    return _SPECIAL.sub(r"\\\g<0>", path)


def plain_path(uri: str) -> str:
    """The path as ``binaryFile`` writes it: not percent-encoded, and ``file:/`` with one slash."""
    path = urllib.parse.unquote(uri)
    return path.replace("file:///", "file:/", 1) if path.startswith("file:///") else path


def read_parquet_schema(file: HadoopPath) -> pa.Schema:
    """The schema that stands at the end of a Parquet file, with what its writer added; no more of it is read."""
    n_bytes = int.from_bytes(file.read_tail(8)[:4], "little")
    return pq.read_schema(pa.BufferReader(_PARQUET_MAGIC + file.read_tail(n_bytes + 8)))
