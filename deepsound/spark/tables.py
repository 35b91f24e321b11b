"""Parquet tables as Spark reads and writes them here: by their literal names, whatever the session is set to."""

from typing import Any

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql.types import StructType


def literal_reader(spark: SparkSession) -> DataFrameReader:
    """A reader to which a path is a name: a folder may be called 'live [1999]', which is no pattern."""
    return spark.read.option("__globPaths__", "false")


def read_table(spark: SparkSession, *paths: str, schema: StructType | None = None, **options: Any) -> DataFrame:
    """The rows of Parquet files or folders; a file that is damaged or gone is an error, never fewer rows."""
    reader = literal_reader(spark).options(ignoreCorruptFiles="false", ignoreMissingFiles="false", **options)
    return (reader if schema is None else reader.schema(schema)).parquet(*paths)


def write_table(rows: DataFrame, path: str) -> None:
    """Write a folder of Parquet files, one a partition, in the place of what is there."""
    rows.write.mode("overwrite").option("maxRecordsPerFile", 0).parquet(path)
