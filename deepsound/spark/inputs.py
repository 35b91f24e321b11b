"""What an extraction starts from: the audio files of a folder on any Hadoop file system, and their labels."""

import os
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from deepsound.config import LabelSettings
from deepsound.data.label_table import LabelTable, read_label_table
from deepsound.data.labels import Labeller
from deepsound.data.listing import AUDIO_EXTENSIONS, LeftOut, count_left_out, is_audio_name, list_folder
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
    left_out : LeftOut
        The files that are no inputs.
    is_local : bool
        Whether ``root`` lies on a file system that is mounted where the workers run.
    """

    root: HadoopPath
    files: pd.DataFrame
    left_out: LeftOut
    is_local: bool

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return int(self.files["size_bytes"].sum())


@dataclass(frozen=True, kw_only=True)
class ExtractInput:
    """Files and their labels; ``remarks`` are lines about where the labels are from."""

    listing: AudioListing
    labeller: Labeller
    remarks: tuple[str, ...] = ()

    def describe(self) -> Iterator[str]:
        """Lines for people."""
        listing = self.listing
        yield f"{len(listing.files)} files, {listing.n_bytes / 1e6:.1f} MB in {listing.root.uri}"
        left_out = listing.left_out.describe()
        if left_out:
            yield left_out
        yield from self.remarks


def load_input(spark: SparkSession, input_path: str, labels: LabelSettings) -> ExtractInput:
    """What an extraction of a folder starts from.

    Raises
    ------
    InputError
        As :func:`list_audio` does.
    LabelError
        The label CSV does not exist, is not what a label table should be, or labels none of the files.
    """
    listing = list_audio(spark, input_path)
    if not labels.csv:
        return ExtractInput(listing=listing, labeller=Labeller(source=labels.source))
    table = _load_label_table(spark, labels.csv, listing)
    table.check()
    labeller = Labeller(source=labels.source, table=table.labels)
    return ExtractInput(listing=listing, labeller=labeller, remarks=tuple(table.describe()))


def list_audio(spark: SparkSession, input_path: str) -> AudioListing:
    """Find the audio files of a folder and all its subfolders. Names that start with ``_`` or ``.`` are hidden.

    What is hidden, and what is not called as audio is, is left out and counted.

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
    files, left_out = _list_local(root) if is_local else _list_remote(spark, root)
    return AudioListing(root=root, files=files, left_out=left_out, is_local=is_local)


def check_not_empty(listing: AudioListing) -> None:
    """Raise :class:`InputError` for a listing without a file."""
    if listing.files.empty:
        left_out = listing.left_out.describe()
        raise InputError(
            f"{listing.root.uri} holds no audio file; looked for names ending in {', '.join(AUDIO_EXTENSIONS)}"
            + (f"; {left_out}" if left_out else "")
        )


def _list_local(root: HadoopPath) -> tuple[pd.DataFrame, LeftOut]:
    folder = root.uri.removeprefix(_LOCAL_SCHEME)
    try:
        listing = list_folder(folder or os.sep)
    except OSError as exc:
        raise InputError(f"cannot list {folder}: {exc.strerror}") from exc
    files = listing.files
    columns = {
        "track_id": [file.track_id for file in files],
        "path": [f"{root.uri}/{file.track_id}" for file in files],
        "size_bytes": pd.Series([file.size_bytes for file in files], dtype="int64"),
        "modified_ms": pd.Series([file.modified_ms for file in files], dtype="int64"),
        "native": [file.native for file in files],
        "problem": pd.Series([file.problem for file in files], dtype="object"),
    }
    return pd.DataFrame(columns), listing.left_out


def _list_remote(spark: SparkSession, root: HadoopPath) -> tuple[pd.DataFrame, LeftOut]:
    try:
        scan = read_files(spark, [root.uri], recursiveFileLookup="true")
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
    files = files.sort_values("track_id", ignore_index=True)
    is_audio = files["track_id"].map(is_audio_name).astype(bool)
    # Hidden ones are not in Spark's list; a million names would be too many to fetch for a count.
    n_hidden = max(0, (root.count_files() or 0) - len(files))
    left_out = replace(count_left_out(files.loc[~is_audio, "track_id"]), n_hidden=n_hidden)
    return files[is_audio].reset_index(drop=True), left_out


def _all_files(spark: SparkSession, scan: DataFrame) -> list[str]:
    # In one piece: py4j fetches the entries of a Java array one by one, which takes minutes for a million.
    jvm, files = spark.sparkContext._jvm, scan._jdf.inputFiles()
    joined = str(jvm.org.apache.hadoop.util.StringUtils.join("\0", files))  # type: ignore[union-attr]
    return [_plain_path(uri) for uri in joined.split("\0")] if joined else []


def _plain_path(uri: str) -> str:
    """The path as binaryFile writes it: not percent-encoded, and ``file:/`` with one slash."""
    path = urllib.parse.unquote(uri)
    return path.replace("file:///", "file:/", 1) if path.startswith("file:///") else path


def _load_label_table(spark: SparkSession, path: str, listing: AudioListing) -> LabelTable:
    """A label CSV as far as it concerns the files there are; read once, here on the driver."""
    file = HadoopPath(spark, path)
    if not file.exists() or file.is_folder() or file.parent is None:
        raise LabelError(f"the label file {path} does not exist")
    roots = _names_of(listing.root)
    return read_label_table(
        file.read_text(),
        where=path,
        folders=tuple(dict.fromkeys((*_names_of(file.parent), *roots[:1]))),
        roots=roots,
        track_ids=listing.files["track_id"],
    )


def _names_of(folder: HadoopPath) -> tuple[str, ...]:
    """A folder's URI, and that of where it lies if links lead there: a table may name either."""
    if not folder.uri.startswith(_LOCAL_SCHEME):
        return (folder.uri,)
    real = os.path.realpath(folder.uri.removeprefix(_LOCAL_SCHEME) or os.sep)
    return tuple(dict.fromkeys((folder.uri, f"{_LOCAL_SCHEME}{real}")))
