"""What an extraction starts from: the audio files of a folder on any Hadoop file system, and their labels."""

import os
import urllib.parse
from dataclasses import dataclass

import pandas as pd
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from deepsound.config import LabelSettings
from deepsound.data.labels import Labeller, parse_label_table
from deepsound.data.listing import AUDIO_EXTENSIONS, list_folder
from deepsound.errors import InputError, LabelError
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.tables import read_files

_LOCAL_SCHEME = "file:"


@dataclass(frozen=True, kw_only=True)
class AudioListing:
    """The audio files below ``root``, by track_id.

    Attributes
    ----------
    files : pd.DataFrame
        track_id, path (as Spark writes it), size_bytes, modified_ms, native (bytes; the path for ``open``, None
        on other file systems), problem (None, or why a file cannot be read).
    is_local : bool
        Whether ``root`` lies on a file system that is mounted where the workers run.
    """

    root: HadoopPath
    files: pd.DataFrame
    is_local: bool

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return int(self.files["size_bytes"].sum())


def list_audio(spark: SparkSession, input_path: str) -> AudioListing:
    """Find the audio files of a folder and all its subfolders. Names that start with ``_`` or ``.`` are hidden.

    Raises
    ------
    InputError
        The path does not exist, is no folder, or cannot be listed.
    """
    root = HadoopPath(spark, input_path)
    if not root.exists():
        raise InputError(f"the input folder {input_path} does not exist")
    if not root.is_folder():
        raise InputError(f"the input {input_path} is a file; wanted a folder with audio files")
    is_local = root.uri.startswith(_LOCAL_SCHEME)
    files = _list_local(root) if is_local else _list_remote(spark, root)
    return AudioListing(root=root, files=files, is_local=is_local)


def check_not_empty(listing: AudioListing) -> None:
    """Raise :class:`InputError` for a listing without a file."""
    if listing.files.empty:
        raise InputError(
            f"{listing.root.uri} holds no audio file; looked for names ending in {', '.join(AUDIO_EXTENSIONS)}"
        )


def _list_local(root: HadoopPath) -> pd.DataFrame:
    folder = root.uri.removeprefix(_LOCAL_SCHEME)
    try:
        files = list_folder(folder or os.sep)
    except OSError as exc:
        raise InputError(f"cannot list {folder}: {exc.strerror}") from exc
    columns = {
        "track_id": [file.track_id for file in files],
        "path": [f"{root.uri}/{file.track_id}" for file in files],
        "size_bytes": pd.Series([file.size_bytes for file in files], dtype="int64"),
        "modified_ms": pd.Series([file.modified_ms for file in files], dtype="int64"),
        "native": [file.native for file in files],
        "problem": pd.Series([file.problem for file in files], dtype="object"),
    }
    return pd.DataFrame(columns)


def _list_remote(spark: SparkSession, root: HadoopPath) -> pd.DataFrame:
    options = {"recursiveFileLookup": "true", "pathGlobFilter": _any_case_glob(AUDIO_EXTENSIONS)}
    try:
        scan = read_files(spark, [root.uri], **options)
        names = _all_files(spark, scan)
        found = scan.selectExpr(
            "path", "length as size_bytes", "unix_millis(modificationTime) as modified_ms"
        ).toPandas()
    except AnalysisException as exc:
        raise InputError(f"cannot list {root.uri}: {' '.join(str(exc).split())[:300]}") from exc
    # Spark leaves files of 0 bytes out of every scan, but not out of the list of files.
    empty = sorted(set(names) - set(found["path"]))
    files = pd.concat([found, pd.DataFrame({"path": empty, "size_bytes": 0, "modified_ms": 0})])
    files["track_id"] = files["path"].str[len(root.uri) + 1 :]
    files["native"] = files["problem"] = None
    return files.sort_values("track_id", ignore_index=True)


def _all_files(spark: SparkSession, scan: DataFrame) -> list[str]:
    # In one piece: py4j fetches the entries of a Java array one by one, which takes minutes for a million.
    jvm, files = spark.sparkContext._jvm, scan._jdf.inputFiles()
    joined = str(jvm.org.apache.hadoop.util.StringUtils.join("\0", files))  # type: ignore[union-attr]
    return [_plain_path(uri) for uri in joined.split("\0")] if joined else []


def _plain_path(uri: str) -> str:
    """The path as binaryFile writes it: not percent-encoded, and ``file:/`` with one slash."""
    path = urllib.parse.unquote(uri)
    return path.replace("file:///", "file:/", 1) if path.startswith("file:///") else path


def _any_case_glob(extensions: tuple[str, ...]) -> str:
    """``*.{[wW][aA][vV],...}``: Hadoop's patterns have no flag for case."""
    patterns = ("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in name) for name in extensions)
    return "*.{" + ",".join(patterns) + "}"


def load_labeller(spark: SparkSession, settings: LabelSettings, *, root: HadoopPath) -> Labeller:
    """The labeller that the settings ask for; a label table is read once, here on the driver.

    Raises
    ------
    LabelError
        The CSV does not exist, or is not what a label table should be.
    """
    if not settings.csv:
        return Labeller(source=settings.source)
    table = HadoopPath(spark, settings.csv)
    if not table.exists() or table.parent is None:
        raise LabelError(f"the label file {settings.csv} does not exist")
    rows = parse_label_table(table.read_text(), where=settings.csv, folder=table.parent.uri, root=root.uri)
    return Labeller(source=settings.source, table=rows)
