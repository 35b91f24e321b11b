"""Converted networks on disk, so that a conversion is done once per machine and a second run starts at once.

::

    <cache>/<name>-<key>.json     what became of one source: digest, engine, sha256 of the ONNX file
    <cache>/<name>-<digest>.onnx  the converted network

Both appear under their names only when they are complete. ``<cache>`` is ``DEEPSOUND_CACHE_DIR``, or the
user's cache folder. What another user left where everybody may write is not used.
"""

import errno
import hashlib
import json
import os
import pathlib
import re
import stat
import tempfile
from dataclasses import asdict, dataclass

from deepsound.documents import parse_json
from deepsound.errors import OutputError

# Raised whenever the same weights would be converted into another graph; 1 for a kind that is not named.
_CONVERSION_VERSIONS = {"musicnn": 2}
_BLOCK_BYTES = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")
_SYSTEM_USER = 0


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """What is known of one source of weights. ``onnx_sha256`` is None for the TensorFlow engine."""

    digest: str
    engine: str
    onnx_sha256: str | None

    def __post_init__(self) -> None:
        digests = [self.digest, *([self.onnx_sha256] if self.engine == "onnx" else [])]
        is_known = self.engine == "onnx" or (self.engine == "tensorflow" and self.onnx_sha256 is None)
        if not is_known or not all(_SHA256.fullmatch(digest or "") for digest in digests):
            raise ValueError(f"{self} is no entry of a cache")


def cache_folder() -> pathlib.Path:
    """What a user keeps between jobs on this machine: ``DEEPSOUND_CACHE_DIR``, or a part of the user's cache.

    Raises
    ------
    OutputError
        If neither is said and the user has no home.
    """
    if chosen := os.environ.get("DEEPSOUND_CACHE_DIR"):
        return pathlib.Path(chosen)
    try:
        return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "deepsound"
    except RuntimeError as exc:
        raise OutputError(
            "this user has no home folder to keep anything in; DEEPSOUND_CACHE_DIR names one"
        ) from exc


class NetworkCache:
    """The folder of converted networks of one kind (``vggish``, ``musicnn``)."""

    def __init__(self, name: str) -> None:
        self.folder = cache_folder()
        self._name = name
        self._version = _CONVERSION_VERSIONS.get(name, 1)

    def onnx_path(self, digest: str) -> pathlib.Path:
        """Where the converted network of these weights lies."""
        return self.folder / f"{self._name}-{digest[:32]}-v{self._version}.onnx"

    def find(self, source_key: str) -> CacheEntry | None:
        """What became of a source before; None if it is new, or if its file is gone, damaged or another user's."""
        try:
            entry_path = self._entry_path(source_key)
            entry = CacheEntry(**parse_json(entry_path.read_bytes()))
            path = self.onnx_path(entry.digest)
            used = [entry_path] if entry.onnx_sha256 is None else [entry_path, path]
            is_intact = entry.onnx_sha256 is None or hash_files([path]) == entry.onnx_sha256
            return entry if is_intact and not any(map(find_foreign, used)) else None
        except (OSError, ValueError, TypeError):
            return None

    def put_onnx(self, digest: str, onnx_bytes: bytes) -> CacheEntry:
        """Keep a converted network; the entry that :meth:`put_entry` wants for it.

        Raises
        ------
        OutputError
            If the cache cannot be written to.
        """
        keep_file(self.onnx_path(digest), onnx_bytes, what="the converted network")
        return CacheEntry(digest=digest, engine="onnx", onnx_sha256=hashlib.sha256(onnx_bytes).hexdigest())

    def put_entry(self, source_key: str, entry: CacheEntry) -> None:
        """Remember what became of a source; last, when its network is in place."""
        keep_file(self._entry_path(source_key), json.dumps(asdict(entry)).encode(), what="the converted network")

    def _entry_path(self, source_key: str) -> pathlib.Path:
        return self.folder / f"{self._name}-{source_key[:32]}-v{self._version}.json"


def keep_file(path: pathlib.Path, content: bytes, *, what: str, mode: int = 0o600) -> None:
    """Put a whole file into the cache at once; in messages it is called ``what``.

    Raises
    ------
    OutputError
        If the cache cannot be written to, or another user may have a hand in it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if foreign := find_foreign(path if path.is_symlink() or path.exists() else path.parent):
            raise PermissionError(
                errno.EPERM, f"{foreign} is another user's, in a folder where everybody may write"
            )
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
            try:
                part.write(content)
                part.flush()
                os.fchmod(part.fileno(), mode)
                os.fsync(part.fileno())
                pathlib.Path(part.name).replace(path)
            except BaseException:
                pathlib.Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise OutputError(
            f"{what} cannot be kept in {path.parent}: {exc.strerror or exc}; "
            "DEEPSOUND_CACHE_DIR names another folder"
        ) from exc


def find_foreign(path: pathlib.Path) -> pathlib.Path | None:
    """What another user may have put in the way of a path, in a folder where everybody may write; None if nothing.

    Raises OSError if the path is not there.
    """
    for place in (path.absolute(), path.resolve()):
        for entry in (place, *place.parents):
            is_open_to_all = entry.parent.stat().st_mode & stat.S_IWOTH
            if is_open_to_all and entry.lstat().st_uid not in (_SYSTEM_USER, os.geteuid()):
                return entry
    return None


def hash_files(paths: list[pathlib.Path]) -> str:
    """sha256 of the files' contents, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()
