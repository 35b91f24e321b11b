"""What a path means as the source of an extraction, told by what lies there."""

from pyspark.sql import SparkSession

from deepsound.config import SourceSettings
from deepsound.errors import InputError
from deepsound.sources.readers import find_reader
from deepsound.spark.audio_table_source import find_audio_table, list_audio_table
from deepsound.spark.folder_source import list_folder
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import Source
from deepsound.spark.manifest_source import list_manifest, list_with_reader
from deepsound.spark.tar_source import list_tar_shards

_MANIFESTS = (".csv", ".tsv", ".jsonl", ".parquet")


def check_source(spark: SparkSession, input_path: str, settings: SourceSettings) -> HadoopPath:
    """The place of a source; raises :class:`InputError` where there is none, before anything is listed."""
    root = HadoopPath(spark, input_path)
    if not root.exists():
        raise InputError(f"the input folder {input_path} does not exist")
    is_told_by_name = settings.reader is None and not root.is_folder()
    if is_told_by_name and not root.uri.lower().endswith((*_MANIFESTS, ".tar")):
        raise InputError(
            f"the input {input_path} is a file; wanted a folder with audio files, a manifest "
            f"({', '.join(_MANIFESTS)}), a Parquet table of audio or .tar shards"
        )
    return root


def open_source(spark: SparkSession, input_path: str, settings: SourceSettings, *, scratch: HadoopPath) -> Source:
    """List the tracks of a source.

    A file is a manifest, a Parquet table of audio or a tar shard. A folder without an audio file of its own is
    what its ``.tar`` or ``.parquet`` files are.

    Parameters
    ----------
    scratch : HadoopPath
        A folder that all executors reach; takes the listing, which is read from there as often as it is needed.

    Raises
    ------
    InputError
        The path does not exist, is no source, or cannot be listed.
    ConfigError, PluginError
        From the settings' reader.
    """
    root = check_source(spark, input_path, settings)
    if settings.reader is not None:
        return list_with_reader(spark, root, find_reader(settings.reader), scratch=scratch)
    if not root.is_folder():
        if root.uri.lower().endswith(".tar"):
            return list_tar_shards(spark, root, scratch=scratch)
        table = find_audio_table(spark, root) if root.uri.lower().endswith(".parquet") else None
        if table is not None:
            return list_audio_table(table, root, settings, scratch=scratch)
        return list_manifest(spark, root, scratch=scratch)
    source = list_folder(spark, root, scratch=scratch)
    if source.n_files:
        return source
    if source.left_out.by_ending[".tar"]:
        return list_tar_shards(spark, root, scratch=scratch)
    table = find_audio_table(spark, root) if source.left_out.by_ending[".parquet"] else None
    return source if table is None else list_audio_table(table, root, settings, scratch=scratch)
