"""Tables and files as Spark reads and writes them here: by their literal names, whatever the session is set to."""

import re
from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

# What makes Spark take a path for a pattern.
_SPECIAL = re.compile(r"[\\{}\[\]*?]")


def read_table(spark: SparkSession, *paths: str, schema: StructType | None = None, **options: Any) -> DataFrame:
    """The rows of Parquet files or folders; a file that is damaged or gone is an error, never fewer rows."""
    reader = spark.read.options(ignoreCorruptFiles="false", ignoreMissingFiles="false", **options)
    return (reader if schema is None else reader.schema(schema)).parquet(*map(_as_pattern, paths))


def read_files(spark: SparkSession, paths: Iterable[str], **options: Any) -> DataFrame:
    """Whole files, or all of folders: path, modificationTime, length, content."""
    return spark.read.format("binaryFile").options(**options).load([_as_pattern(path) for path in paths])


def write_table(rows: DataFrame, path: str) -> None:
    """Write a folder of Parquet files, one a partition, in the place of what is there."""
    rows.write.mode("overwrite").option("maxRecordsPerFile", 0).parquet(path)


def _as_pattern(path: str) -> str:
    """The pattern that a path alone fits: a folder may be called 'live [1999]'.

    Spark can be told to take paths as they are, by ``__globPaths__``; but of n paths it then reads all n once for
    each that looks like a pattern.
    """
    return _SPECIAL.sub(r"\\\g<0>", path)
