"""Parquet tables of audio as sources, as Hugging Face's ``datasets`` writes them: structs of bytes and path."""

from dataclasses import replace
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from deepsound.config import SourceSettings
from deepsound.data.listing import LeftOut
from deepsound.errors import InputError
from deepsound.sources.audio_table import AudioColumns, find_audio_columns, has_audio, split_of_file
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import Source, stage_listing
from deepsound.spark.tables import plain_path, quoted, read_parquet_schema, read_table, table_errors

_RECURSIVE = {"recursiveFileLookup": "true", "pathGlobFilter": "*.parquet"}


def find_audio_table(spark: SparkSession, root: HadoopPath) -> DataFrame | None:
    """The Parquet that lies there, if it has a column of audio; raises InputError where it cannot be read."""
    options: dict[str, Any] = _RECURSIVE if root.is_folder() else {}
    with table_errors(f"cannot read {root.uri}", kind=InputError):
        table = read_table(spark, root.uri, **options)
    return table if has_audio(to_arrow_schema(table.schema)) else None


def list_audio_table(
    table: DataFrame, root: HadoopPath, settings: SourceSettings, *, scratch: HadoopPath
) -> Source:
    """The rows of a Parquet file, or of all Parquet files of a folder, of whose bytes none are read here.

    A track is called as its row's ``path`` says, or where it says nothing, as its file and the row's number there.
    The split is the row's own, or what the file's name tells of it.

    Raises
    ------
    InputError
        The columns are not there, or two tracks have one name.
    """
    columns = _find_columns(table, root, settings)
    with table_errors(f"cannot read {root.uri}", kind=InputError):
        return _list_rows(table, root, columns, scratch)


def _find_columns(table: DataFrame, root: HadoopPath, settings: SourceSettings) -> AudioColumns:
    """The columns by the schema as a file has it: what ``datasets`` says of classes stands there alone."""
    schema = to_arrow_schema(table.schema)
    files = table.select("_metadata.file_path").limit(1).collect()
    if files:
        written = read_parquet_schema(HadoopPath(root.spark, plain_path(files[0][0])))
        schema = schema.with_metadata(written.metadata)
    return find_audio_columns(schema, audio=settings.audio, label=settings.label, where=root.uri)


def _list_rows(table: DataFrame, root: HadoopPath, columns: AudioColumns, scratch: HadoopPath) -> Source:
    file, row = F.col("_metadata.file_path"), F.col("_metadata.row_index")
    rows = table.select(
        F.nullif(F.col(quoted(columns.audio))["path"], F.lit("")).alias("name"),
        _genre(columns).alias("genre"),
        _optional(columns.artist).alias("artist"),
        _optional(columns.split).alias("own_split"),
        file.alias("file"),
        row.alias("offset"),
        F.unix_millis("_metadata.file_modification_time").alias("modified_ms"),
        F.col("_metadata.file_size").alias("file_size"),
    )
    files = rows.select("file", "file_size").distinct().collect()
    known = [(f["file"], plain_path(f["file"]), *_told_by_name(plain_path(f["file"]), root.uri)) for f in files]
    of_files = root.spark.createDataFrame(known, "file string, plain string, stem string, file_split string")
    joined = rows.join(F.broadcast(of_files), "file")
    track_id = F.coalesce("name", F.concat_ws("/", "stem", "offset"))
    listed = joined.withColumns(
        {
            "track_id": track_id,
            "path": F.concat_ws("/", F.col("plain"), track_id),
            "container": F.concat(F.col("file"), F.lit(f"#{columns.audio}")),
            "split": F.coalesce("own_split", "file_split"),
        }
    )
    source = stage_listing(listed, root, scratch, left_out=LeftOut())
    return replace(source, n_bytes=sum(f["file_size"] for f in files))


def _told_by_name(file: str, root: str) -> tuple[str, str | None]:
    """The name of a file below the root without its ending, and the split that it tells of."""
    name = file.removeprefix(root).lstrip("/") or file.rpartition("/")[2]
    return name.removesuffix(".parquet"), split_of_file(name)


def _genre(columns: AudioColumns) -> Column:
    if columns.label is None:
        return F.lit(None).cast("string")
    label = F.col(quoted(columns.label))
    if not columns.class_names:
        return label.cast("string")
    names = F.array(*(F.lit(name) for name in columns.class_names))
    # -1 is a row without a label.
    return F.when(label.between(0, len(columns.class_names) - 1), F.get(names, label.cast("int")))


def _optional(column: str | None) -> Column:
    return F.lit(None).cast("string") if column is None else F.col(quoted(column)).cast("string")
