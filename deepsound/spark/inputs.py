"""What an extraction starts from: the audio files of a folder, their labels, and a safe place to write to."""

import json
import urllib.parse
from dataclasses import dataclass

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from deepsound.config import LabelSettings
from deepsound.data.labels import Labeller, parse_label_table
from deepsound.errors import InputError, LabelError, OutputError
from deepsound.spark.hadoop import HadoopPath

# Files with these endings are inputs, whether the decoder knows them or not: what it does not know is a failed
# row. Anything else in a music folder (covers, playlists, manifests) is no track.
AUDIO_EXTENSIONS = (
    *("wav", "wave", "flac", "ogg", "oga", "opus", "mp3", "au", "snd", "aiff", "aif", "aifc"),
    *("m4a", "m4b", "mp4", "aac", "wma", "mka", "webm", "wv", "ape", "mp2", "w64", "rf64", "caf"),
)


@dataclass(frozen=True, kw_only=True)
class AudioListing:
    """The audio files below ``root``.

    ``files`` has binaryFile's columns (path, length, content, ...) and no row for a file of 0 bytes, which
    Spark leaves out of every scan; ``listed`` has a row (path, length) for every file, as it was when listed.
    """

    root: HadoopPath
    files: DataFrame
    listed: DataFrame
    n_files: int
    n_bytes: int


def list_audio(spark: SparkSession, input_path: str) -> AudioListing:
    """Find the audio files of a folder and all its subfolders, on any Hadoop file system.

    Spark hides names that start with ``_`` or ``.``.

    Raises
    ------
    InputError
        The path does not exist, is no folder, cannot be listed, or holds no audio file.
    """
    root = HadoopPath(spark, input_path)
    if not root.exists():
        raise InputError(f"the input folder {input_path} does not exist")
    if not root.is_folder():
        raise InputError(f"the input {input_path} is a file; wanted a folder with audio files")
    reader = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", _any_case_glob(AUDIO_EXTENSIONS))
        # A folder may be called 'live [1999]': its name is a name, not a pattern.
        .option("__globPaths__", "false")
    )
    try:
        files = reader.load(root.uri)
        paths = [_plain_path(uri) for uri in files.inputFiles()]
    except AnalysisException as exc:
        raise InputError(f"cannot list {input_path}: {' '.join(str(exc).split())[:300]}") from exc
    if not paths:
        raise InputError(
            f"{input_path} holds no audio file; looked for names ending in {', '.join(AUDIO_EXTENSIONS)}"
        )
    sizes = {row["path"]: row["length"] for row in files.select("path", "length").toLocalIterator()}
    lengths = [sizes.get(path, 0) for path in paths]
    listed = spark.createDataFrame(pa.table({"path": paths, "length": pa.array(lengths, pa.int64())}))
    return AudioListing(root=root, files=files, listed=listed, n_files=len(paths), n_bytes=sum(lengths))


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


def prepare_output(spark: SparkSession, output_path: str, *, root: HadoopPath, fingerprint: str) -> HadoopPath:
    """A folder to write features to: new, empty, or an earlier extraction of the same definition.

    The earlier ``extract.json`` is removed, so that an interrupted rerun is not taken for a finished one.

    Raises
    ------
    OutputError
        The folder is the input, holds something else, or features of another fingerprint.
    """
    output = HadoopPath(spark, output_path)
    if output.uri == root.uri:
        raise OutputError(f"the output {output_path} is the input folder; give features a folder of their own")
    if not output.exists():
        return output
    if not output.is_folder():
        raise OutputError(f"the output {output_path} is a file; wanted a folder")
    strangers = [name for name in output.names() if name not in ("segments", "tracks", "extract.json")]
    if strangers:
        raise OutputError(
            f"the output {output_path} holds {', '.join(sorted(strangers)[:3])}, which is not ours; "
            "give a new folder"
        )
    summary = output.child("extract.json")
    if summary.exists():
        found = _fingerprint_in(summary)
        if found != fingerprint:
            raise OutputError(
                f"{output_path} holds features with the fingerprint {found[:12]}, these settings give "
                f"{fingerprint[:12]}: other settings need another folder"
            )
        summary.delete()
    return output


def _fingerprint_in(summary: HadoopPath) -> str:
    try:
        return str(json.loads(summary.read_text())["fingerprint"])
    except (ValueError, KeyError, TypeError, InputError):
        return "unreadable"
