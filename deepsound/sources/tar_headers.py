"""The members of a tar by their headers alone: where each one's data lies, in bounded memory whatever the tar is.

Python's own ``tarfile`` parses the blocks. It does not go from one to the next here: it remembers all members,
takes damage behind the first one for the end, and reads extended headers of any size.
"""

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from deepsound.errors import InputError

_BLOCK = tarfile.BLOCKSIZE
# Holds the longest path and many extended attributes.
_MAX_EXTENSION_BYTES = 1 << 20
_NAME_TYPES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_PAX_TYPES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
# A global header comments on the tar (git writes the commit). It is passed over, as libarchive does.
_EXTENSIONS = (*_NAME_TYPES, *_PAX_TYPES, tarfile.XGLTYPE)
# Where blocks of GNU's old sparse format say that another one follows: the header itself, the others.
_SPARSE_FLAGS = 482, 504
_PAX_LENGTH = re.compile(rb"(\d{1,8}) ")
_MAGICS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True, kw_only=True)
class TarHeader:
    r"""A member of a tar.

    Attributes
    ----------
    name : str
        As it stands there; bytes that are no UTF-8 are written ``\xff``.
    is_file, is_link, is_sparse : bool
        A sparse member is a file of which only parts are stored; a folder or a pipe is none of the three.
    offset, size_bytes : int
        Where its data is, all of which the tar holds.
    modified_ms : int
        In milliseconds since 1970, 0 where it cannot be told.
    """

    name: str
    is_file: bool
    is_link: bool
    is_sparse: bool
    offset: int
    size_bytes: int
    modified_ms: int


class _DamageError(Exception):
    """What is wrong with a tar."""


def walk_tar(file: BinaryIO, *, name: str) -> Iterator[TarHeader]:
    """All members of a tar, in order. The file's position may be moved in between.

    Parameters
    ----------
    file : BinaryIO
        Open and seekable; the tar begins at its start.
    name : str
        The tar's, for messages.

    Raises
    ------
    InputError
        It is no tar, compressed, damaged or cut off, or has a header that is too large.
    OSError
        The storage fails.
    """
    n_members = offset = 0
    end = file.seek(0, io.SEEK_END)
    _check_start(file, name)
    while True:
        try:
            found = _find_member(file, offset, end)
        except _DamageError as exc:
            raise InputError(f"{name} {exc}; members read before: {n_members}") from exc
        if found is None:
            return
        member, offset = found
        yield member
        n_members += 1


def _check_start(file: BinaryIO, name: str) -> None:
    file.seek(0)
    block = file.read(_BLOCK)
    if block == bytes(_BLOCK):  # the end mark: an empty tar
        return
    try:
        _parse_block(block)
    except tarfile.HeaderError as exc:
        packed = next((kind for magic, kind in _MAGICS.items() if block.startswith(magic)), None)
        if packed is not None:
            raise InputError(
                f"{name} is compressed ({packed}) and cannot be read member by member: unpack it to a plain .tar"
            ) from exc
        raise InputError(f"{name} is no tar: {exc}") from exc


def _parse_block(block: bytes) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")


def _find_member(file: BinaryIO, offset: int, end: int) -> tuple[TarHeader, int] | None:
    """The member whose first header is at ``offset``, and where the next one's is; None at the end mark."""
    extended: dict[str, str] = {}
    start = offset
    while True:
        block = _read(file, offset, _BLOCK, end)
        if block == bytes(_BLOCK) and offset == start:
            return None
        try:
            info = _parse_block(block)
        except tarfile.HeaderError as exc:
            raise _DamageError(f"is damaged: no header at byte {offset} ({exc})") from exc
        offset += _BLOCK
        if info.type not in _EXTENSIONS:
            return _finish(file, info, extended, block=block, offset=offset, end=end)
        if info.size < 0:
            raise _DamageError(f"is damaged: the header before byte {offset} has a size of {info.size}")
        if info.type != tarfile.XGLTYPE:
            # The first wins, as with tarfile.
            extended = {**_read_extension(file, info, offset, end), **extended}
        offset += _padded(info.size)


def _read(file: BinaryIO, offset: int, n_bytes: int, end: int) -> bytes:
    if offset + n_bytes <= end:
        file.seek(offset)
        data = file.read(n_bytes)
        if len(data) == n_bytes:
            return data
    raise _DamageError(f"is cut off: a header or the end mark should be at byte {offset}")


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // _BLOCK) * _BLOCK


def _read_extension(file: BinaryIO, info: tarfile.TarInfo, offset: int, end: int) -> dict[str, str]:
    """What a header that goes before a member's own says of it."""
    if info.size > _MAX_EXTENSION_BYTES:
        raise _DamageError(
            f"has a header of {info.size} bytes at byte {offset}, of which at most {_MAX_EXTENSION_BYTES} are read"
        )
    data = _read(file, offset, info.size, end)
    if info.type in _PAX_TYPES:
        return dict(_parse_pax(data, offset))
    text = data.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return {"path": text} if info.type == tarfile.GNUTYPE_LONGNAME else {}


def _parse_pax(data: bytes, offset: int) -> Iterator[tuple[str, str]]:
    """Records such as ``18 path=a/b.mp3`` and a newline, whose length counts all of it."""
    position = 0
    while position < len(data) and data[position] != 0:
        found = _PAX_LENGTH.match(data, position)
        end = position + int(found[1]) if found else 0
        if found is None or end <= found.end() or data[end - 1 : end] != b"\n":
            raise _DamageError(f"is damaged: no pax record at byte {offset + position}")
        keyword, _, value = data[found.end() : end - 1].partition(b"=")
        yield keyword.decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace")
        position = end


def _finish(
    file: BinaryIO, info: tarfile.TarInfo, extended: Mapping[str, str], *, block: bytes, offset: int, end: int
) -> tuple[TarHeader, int]:
    name = extended.get("GNU.sparse.name") or extended.get("path") or info.name
    is_old_sparse = info.type == tarfile.GNUTYPE_SPARSE
    flag = block[_SPARSE_FLAGS[0]] if is_old_sparse else 0
    while flag:
        flag = _read(file, offset, _BLOCK, end)[_SPARSE_FLAGS[1]]
        offset += _BLOCK
    size = _size_of(info, extended)
    if size < 0 or offset + size > end:
        raise _DamageError(f"is cut off or damaged within {name[:200]!r}, of {size} bytes at byte {offset}")
    header = TarHeader(
        name=name,
        is_file=info.isreg(),
        is_link=info.issym() or info.islnk(),
        is_sparse=is_old_sparse or any(keyword.startswith("GNU.sparse.") for keyword in extended),
        offset=offset,
        size_bytes=size,
        modified_ms=_modified_ms(extended.get("mtime") or str(info.mtime)),
    )
    return header, offset + _padded(size)


def _size_of(info: tarfile.TarInfo, extended: Mapping[str, str]) -> int:
    """How many bytes of data follow; links and folders have none, whatever their headers say."""
    if not info.isreg() and info.type in tarfile.SUPPORTED_TYPES:
        return 0
    text = extended.get("size")
    if text is None:
        return info.size
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else -1


def _modified_ms(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]*))?", text)
    if found is None:  # before 1970, or no time of a file
        return 0
    return int(found[1]) * 1000 + int(f"{found[2] or ''}000"[:3])
