"""A table of paths: which of its columns are what, and which file each path means."""

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deepsound.errors import InputError

# The names in the wild, the most telling first; NeMo's manifests have audio_filepath, Hugging Face's file_name.
_PATH_NAMES = ("audio_filepath", "path", "uri", "file_name", "filename", "filepath", "audio")
_OTHER_NAMES = {
    "genre": ("genre", "label"),
    "artist": ("artist",),
    "split": ("split",),
    "size_bytes": ("size_bytes",),
    "modified_ms": ("modified_ms",),
}
_MAX_NAMED = 20
# file:/x, file:///x, s3a://bucket/x. A scheme of one letter is a drive of Windows; 'Title: part' is a name.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/]*))?(/.*)?", re.DOTALL)
_LOCAL = "file:"


@dataclass(frozen=True, kw_only=True)
class ManifestColumns:
    """The columns of a manifest that are read, by their names there; None for those that it lacks."""

    path: str
    genre: str | None
    artist: str | None
    split: str | None
    size_bytes: str | None
    modified_ms: str | None


def find_manifest_columns(names: Sequence[str], *, where: str) -> ManifestColumns:
    """The columns that are read, whatever the case of their names and the spaces around them.

    Parameters
    ----------
    names : sequence of str
        All columns of the manifest.
    where : str
        Its name, for messages.

    Raises
    ------
    InputError
        There is no column of paths, or one that is read stands there twice.
    """
    path = _find_column(names, _PATH_NAMES, where)
    if path is None:
        told = ", ".join(repr(name[:100]) for name in names[:_MAX_NAMED]) or "none"
        raise InputError(f"{where} has no column of paths ({', '.join(_PATH_NAMES)}); its columns: {told}")
    return ManifestColumns(
        path=path, **{field: _find_column(names, wanted, where) for field, wanted in _OTHER_NAMES.items()}
    )


def _find_column(names: Sequence[str], wanted: Sequence[str], where: str) -> str | None:
    # Spreadsheets begin a file with a byte order mark.
    forms = [name.strip("\ufeff \t\r\n").casefold() for name in names]
    form = next((form for form in wanted if form in forms), None)
    if form is None:
        return None
    if forms.count(form) > 1:
        raise InputError(f"{where} has the column {form} twice")
    return names[forms.index(form)]


def resolve(path: str, *, folder: str) -> tuple[str, str]:
    r"""The track_id and the URI of a file, however its path is written.

    A relative path is below ``folder``, an absolute one on its file system. ``.`` and ``..`` are resolved on that
    file system and on this machine's; a URI elsewhere stays as it is. Nothing is percent-decoded, and ``\`` is a
    character of a name.

    Parameters
    ----------
    path : str
        Relative, absolute or a URI.
    folder : str
        The URI of the manifest's folder.

    Returns
    -------
    track_id : str
        The path below ``folder``; of files elsewhere on this machine the absolute path without the leading ``/``,
        of all others the URI.
    uri : str
        As Spark writes it: ``file:/x``, ``s3a://bucket/x``.
    """
    own_system, own_path = _split_uri(folder) or (_LOCAL, folder)
    system, file_path = _split_uri(path) or (own_system, posixpath.join(own_path or "/", path))
    if system not in (own_system, _LOCAL):
        return path, path
    normal = _normalise(file_path)
    uri = system + normal
    root = _normalise(own_path).rstrip("/") + "/"
    if system == own_system and normal.startswith(root):
        return normal[len(root) :], uri
    return (normal.lstrip("/") if system == _LOCAL else uri), uri


def native_path(uri: str) -> bytes | None:
    """The path of a file on this machine as the system knows it, taken literally; None for other URIs."""
    system, path = _split_uri(uri) or ("", "")
    return os.fsencode(path) if system == _LOCAL else None


def _split_uri(uri: str) -> tuple[str, str] | None:
    """``s3a://bucket/x`` to ``s3a://bucket`` and ``/x``; None for a path."""
    found = _URI.fullmatch(uri)
    if found is None:
        return None
    scheme, host = found[1].lower(), found[2]
    if f"{scheme}:" == _LOCAL:  # with any host: file://localhost/x
        return _LOCAL, found[3] or "/"
    return f"{scheme}:" + (f"//{host}" if host else ""), found[3] or ""


def _normalise(path: str) -> str:
    # POSIX lets two slashes at the start mean something else, and normpath lets them stand.
    return posixpath.normpath("/" + path.lstrip("/"))
