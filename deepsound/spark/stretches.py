"""Rows too many for the driver, some thousand at a time."""

import math
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.spark.contents import FileFunction, SourceFile, map_files, to_files
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.tables import read_table, stage_table, write_table

_ROWS_A_STRETCH = 8192


class Scratch:
    """A folder for tables of a run, on a file system that executors reach."""

    def __init__(self, folder: HadoopPath) -> None:
        self.folder = folder

    def stage(self, rows: DataFrame, name: str) -> DataFrame:
        """Write rows, and give them as they are read from there."""
        return stage_table(rows, self.folder.child(name))

    def in_stretches(self, rows: DataFrame, name: str, *, n_rows: int) -> Iterator[list[SourceFile]]:
        """So many rows of a listing by track_id, in stretches that the driver can hold."""
        n_stretches = math.ceil(n_rows / _ROWS_A_STRETCH)
        if n_stretches <= 1:
            yield sorted(to_files(rows), key=lambda file: file.track_id)
            return
        folder = self.folder.child(name)
        ordered = rows.repartitionByRange(n_stretches, "track_id").sortWithinPartitions("track_id")
        write_table(ordered, folder.uri)
        for file in sorted(name for name in folder.names() if name.endswith(".parquet")):
            some = to_files(read_table(rows.sparkSession, folder.child(file).uri, schema=rows.schema))
            if some:
                yield some

    def read_contents(
        self, rows: DataFrame, name: str, function: FileFunction, schema: pa.Schema, *, n_rows: int, max_bytes: int
    ) -> DataFrame:
        """What a function makes of the content of each of so many files of a listing, as a table."""
        spark, parts = rows.sparkSession, self.folder.child(f"{name}-read")
        parts.delete()
        for number, files in enumerate(self.in_stretches(rows, name, n_rows=n_rows)):
            found = map_files(spark, files, function, schema, max_bytes=max_bytes)
            write_table(found.coalesce(1), parts.child(f"{number:06d}").uri)
        return read_table(spark, parts.uri, schema=from_arrow_schema(schema), recursiveFileLookup="true")
