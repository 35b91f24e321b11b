"""Small files and folders on any file system that Spark reaches, through Hadoop's FileSystem.

pyspark offers no public API for single files, so this module goes through its gateway; nothing else does.
"""

import contextlib
import pathlib
import re
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame, SparkSession

from deepsound.errors import InputError, OutputError
from deepsound.spark.engine_errors import find_io_error

# What a file is called until it is whole: its own name, a word of its writer, and this.
PART = ".part"
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class HadoopPath:
    """A path with its file system. ``uri`` is absolute, with scheme and without a trailing slash.

    Raises
    ------
    InputError
        If no file system serves the path, it cannot be reached, or Java cannot spell it.
    """

    def __init__(self, spark: SparkSession, path: str) -> None:
        self.spark = spark
        if not path.isascii() and any("\ud800" <= char <= "\udfff" for char in path):
            raise InputError(f"the name {path!a} is not written in UTF-8, so that Java cannot open it; rename it")
        context: Any = spark.sparkContext
        self._jvm, self._gateway = context._jvm, context._gateway
        if not path:
            raise InputError("a path is empty; wanted the name of a file or folder")
        try:
            raw = self._parse(path, context._jsc.hadoopConfiguration())
            self._file_system = raw.getFileSystem(context._jsc.hadoopConfiguration())
            self._path = self._file_system.makeQualified(raw)
        except (Py4JJavaError, IllegalArgumentException) as exc:
            raise InputError(f"cannot open {path}: {_java_message(exc)}") from exc
        self.uri: str = self._path.toString().rstrip("/")
        if self.uri.startswith("file:") and ("?" in self.uri or not self.uri.isascii()):
            _check_spelled(path, encoding=str(self._jvm.java.lang.System.getProperty("sun.jnu.encoding")))

    def _parse(self, path: str, configuration: Any) -> Any:
        hadoop = self._jvm.org.apache.hadoop.fs
        if ":" not in path or path.startswith("/") or _URI.match(path):
            return hadoop.Path(path)
        # Hadoop takes what stands before the colon of 'take 5: live' for the name of a file system.
        here = hadoop.FileSystem.get(configuration).getWorkingDirectory().toString()
        return hadoop.Path(f"{here}/{path}")

    def child(self, name: str) -> "HadoopPath":
        """The entry ``name`` of this folder."""
        return HadoopPath(self.spark, f"{self.uri}/{name}")

    @property
    def parent(self) -> "HadoopPath | None":
        """The folder this lies in; None for a root."""
        parent = self._path.getParent()
        return None if parent is None else HadoopPath(self.spark, parent.toString())

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the path is of the file system that is mounted where driver and workers run."""
        return self.uri.startswith("file:")

    @property
    def local_path(self) -> pathlib.Path:
        """The path as Python opens it, where :attr:`is_on_this_machine`."""
        return pathlib.Path(self.uri.removeprefix("file:") or "/")

    def exists(self) -> bool:
        """Whether there is a file or folder."""
        return bool(self._file_system.exists(self._path))

    def is_folder(self) -> bool:
        """Whether there is a folder."""
        return self.exists() and bool(self._file_system.getFileStatus(self._path).isDirectory())

    def size_bytes(self) -> int:
        """Size of a file."""
        return int(self._file_system.getFileStatus(self._path).getLen())

    def names(self) -> list[str]:
        """Names of a folder's entries."""
        return [str(status.getPath().getName()) for status in self._file_system.listStatus(self._path)]

    def count_files(self) -> int | None:
        """How many files lie in this folder and all below it, hidden ones too; None where it may not be known."""
        try:
            return int(self._file_system.getContentSummary(self._path).getFileCount())
        except Py4JJavaError:  # a hidden folder that may not be entered is none of ours
            return None

    def delete(self) -> None:
        """Remove the file or the folder with all it holds; nothing happens where there is none."""
        self._file_system.delete(self._path, True)

    def copy_to(self, target: "HadoopPath") -> None:
        """Copy the file or the folder, between file systems if need be.

        Raises
        ------
        InputError
            If it cannot be read, or the target cannot be written.
        """
        copy = self._jvm.org.apache.hadoop.fs.FileUtil.copy
        configuration = self._file_system.getConf()
        try:
            copy(self._file_system, self._path, target._file_system, target._path, False, configuration)
        except Py4JJavaError as exc:
            raise InputError(f"cannot copy {self.uri} to {target.uri}: {_java_message(exc)}") from exc

    def move_to(self, target: "HadoopPath") -> None:
        """Rename within the file system; the target must not be there, its folder is made where it is missing.

        Raises
        ------
        OutputError
            If the file system refuses.
        """
        with storage_errors(f"cannot write {target.uri}"):
            self._file_system.mkdirs(target._path.getParent())
            if not self._file_system.rename(self._path, target._path):
                raise OutputError(f"cannot move {self.uri} to {target.uri}: is the target already there?")

    def replace(self, target: "HadoopPath") -> None:
        """Give this file the place of another, in one step where the file system has such a thing.

        Raises
        ------
        OutputError
            If the file system refuses.
        """
        with storage_errors(f"cannot write {target.uri}"):
            target._replace_by(self)

    @contextlib.contextmanager
    def on_this_machine(self) -> Iterator[pathlib.Path]:
        """The file on a disk of the driver: itself, or for the length of the block a copy."""
        if self.is_on_this_machine:
            yield self.local_path
            return
        with tempfile.TemporaryDirectory(prefix="deepsound-") as folder:
            copy = HadoopPath(self.spark, f"file:{folder}").child("copy")
            self.copy_to(copy)
            yield pathlib.Path(folder, "copy")

    def read_text(self) -> str:
        """The whole file as UTF-8 text.

        Raises
        ------
        InputError
            If it cannot be read or is not UTF-8.
        """
        try:
            stream = self._plain_file_system().open(self._path)
            try:
                return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream)).decode("utf-8")
            finally:
                stream.close()
        except (Py4JJavaError, UnicodeDecodeError) as exc:
            detail = _java_message(exc) if isinstance(exc, Py4JJavaError) else str(exc)
            raise InputError(f"cannot read {self.uri}: {detail}") from exc

    def read_tail(self, n_bytes: int) -> bytes:
        """The last bytes of the file, fewer where it is shorter."""
        stream = self._plain_file_system().open(self._path)
        try:
            stream.seek(max(0, self.size_bytes() - n_bytes))
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def write_text(self, text: str) -> None:
        """Write UTF-8 text: first beside its place, then moved over what is there.

        No reader sees half of it, and nobody who is killed leaves nothing: until the new file is there, the old
        one is. Two that write at the same time do not meet, as each has a name of its own for the time.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        part = HadoopPath(self.spark, f"{self.uri}.{time.time_ns()}{PART}")
        with storage_errors(f"cannot write {self.uri}"):
            if self.is_folder():
                raise OutputError(f"cannot write {self.uri}: a folder of this name is in the way")
            try:
                part._fill(text)
                self._replace_by(part)
            except Exception:
                part.delete()
                raise

    def _fill(self, text: str) -> None:
        stream = self._plain_file_system().create(self._path, True)
        try:
            stream.write(bytearray(text.encode("utf-8")))
        finally:
            stream.close()

    def _replace_by(self, part: "HadoopPath") -> None:
        """Give another file of the file system the name of this one; in one step where that can be had."""
        hadoop = self._jvm.org.apache.hadoop.fs
        plain = self._plain_file_system()
        if plain is not self._file_system:
            # The checksum of the old content, which Hadoop keeps in a file beside it, would damn the new.
            plain.delete(hadoop.Path(self._path.getParent(), f".{self._path.getName()}.crc"), False)
            if not plain.rename(part._path, self._path):
                raise OutputError(f"cannot write {self.uri}: the file system refuses to move it there")
            return
        try:
            context = hadoop.FileContext.getFileContext(self._path.toUri(), self._file_system.getConf())
        except Py4JJavaError:
            # A store that has no such thing: most give a file its name when it is complete.
            self.delete()
            part.move_to(self)
            return
        overwrite = self._gateway.new_array(hadoop.Options.Rename, 1)
        overwrite[0] = hadoop.Options.Rename.OVERWRITE
        context.rename(part._path, self._path, overwrite)

    def _plain_file_system(self) -> Any:
        """The file system; that of this machine without the checksums, which are files of their own."""
        is_local = is_instance_of(self._gateway, self._file_system, "org.apache.hadoop.fs.LocalFileSystem")
        return self._file_system.getRawFileSystem() if is_local else self._file_system


def serves(spark: SparkSession, scheme: str) -> bool:
    """Whether Spark's Hadoop reads files of a URI's scheme; '' is none."""
    context: Any = spark.sparkContext
    # Hadoop has a file system for these that cannot say how large a file is.
    if scheme in ("", "http", "https"):
        return False
    try:
        context._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(scheme, context._jsc.hadoopConfiguration())
    except Py4JJavaError:
        return False
    return True


def list_input_files(scan: DataFrame) -> list[str]:
    """The URIs of the files behind a DataFrame, those without a byte too."""
    # In one piece: py4j fetches the entries of a Java array one by one, which takes minutes for a million.
    jvm: Any = scan.sparkSession.sparkContext._jvm
    joined = str(jvm.org.apache.hadoop.util.StringUtils.join("\0", scan._jdf.inputFiles()))
    return joined.split("\0") if joined else []


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn an IOException of Java, however deep it lies, into an :class:`OutputError` that begins with ``what``.

    A full disk, a quota or a folder that may not be written to is no bug of ours; anything else passes.
    """
    try:
        yield
    except Exception as exc:
        reason = find_io_error(str(exc))
        if reason is None:
            raise
        raise OutputError(f"{what}: {reason}") from exc


def _check_spelled(path: str, *, encoding: str) -> None:
    """Java puts ``?`` for letters that its locale lacks, finds no such file, and would write another one.

    A name that came through spark-submit has its ``?`` already.
    """
    try:
        (path + "ü" * path.count("?")).encode(encoding)
    except UnicodeEncodeError as exc:
        raise InputError(
            f"Java cannot open {path}: its locale spells names in {encoding}, which lacks some of its letters; "
            "set LC_ALL=C.UTF-8 before Java or spark-submit is started"
        ) from exc
    except LookupError:  # an encoding that only Java knows
        return


def _java_message(exc: Py4JJavaError | IllegalArgumentException) -> str:
    said = exc.java_exception.getMessage() if isinstance(exc, Py4JJavaError) else exc
    return " ".join(str(said).split())[:300]
