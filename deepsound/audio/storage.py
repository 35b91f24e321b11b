"""Audio files by their URIs, wherever they lie: one way for workers, for clips of pages and in notebooks."""

import io
import os
import stat
from typing import BinaryIO

_FILE = "file:"
# Of another machine no more than this is fetched for a page: a song of ten minutes as WAV.
_MAX_FETCHED_BYTES = 100 << 20


def open_file(uri: str, *, max_bytes: int) -> BinaryIO:
    """A file of this machine, or one that is fetched from where fsspec finds it, if it is small.

    Raises
    ------
    OSError
        It is not to be had.
    """
    if not uri:
        raise OSError("tracks/ does not say where it lies")
    if uri.startswith(_FILE):
        return _open_local(uri)
    with open_uri(uri) as remote:
        n_bytes = remote.seek(0, io.SEEK_END)
        if n_bytes > min(max_bytes, _MAX_FETCHED_BYTES):
            raise OSError(f"{n_bytes} bytes on another machine are more than are fetched")
        remote.seek(0)
        return io.BytesIO(remote.read())


def open_uri(uri: str) -> BinaryIO:
    """A file of any storage that fsspec knows, with the credentials of this machine.

    Raises
    ------
    OSError
        Whatever the storage, or fsspec of it, says.
    """
    # Only here: most collections need no fsspec.
    import fsspec

    try:
        # Not fsspec.open, to which a name with brackets is a pattern.
        file_system, path = fsspec.url_to_fs(uri)
        opened: BinaryIO = file_system.open(path, "rb")
    except Exception as exc:
        raise OSError(f"{type(exc).__name__}: {exc}") from exc
    return opened


def _open_local(uri: str) -> BinaryIO:
    # Opening a pipe without a writer would block.
    descriptor = os.open("/" + uri.removeprefix(_FILE).lstrip("/"), os.O_RDONLY | os.O_NONBLOCK)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError("it is no file")
    return file
