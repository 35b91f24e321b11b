"""Where tags lie in containers of blocks, so that nothing else of the file is read."""

from typing import Literal, Protocol

# More than any real file has.
_MAX_BLOCKS = 1000
_FLAC_COMMENT = 4


class Readable(Protocol):
    """A binary file that can be read anywhere."""

    def read(self, n_bytes: int, /) -> bytes:
        """The next bytes."""
        ...

    def seek(self, offset: int, /) -> int:
        """The new position."""
        ...


def find_flac_comment(file: Readable, *, start: int) -> bytes | None:
    """The first block of Vorbis comments of a FLAC stream at ``start``; None without one.

    Source: RFC 9639, section 8.1: one byte of type, whose first bit marks the last block, three of length.
    """
    place = start + 4
    for _ in range(_MAX_BLOCKS):
        file.seek(place)
        header = file.read(4)
        if len(header) < 4:
            return None
        size = int.from_bytes(header[1:], "big")
        if header[0] & 0x7F == _FLAC_COMMENT:
            return file.read(size)
        if header[0] & 0x80:
            return None
        place += 4 + size
    return None


def find_id3_chunk(file: Readable) -> int | None:
    """Where the ID3 tag of a WAV or AIFF file begins, in a chunk of its own; None without one.

    Source: the RIFF and AIFF specifications; chunks begin at even places.
    """
    file.seek(0)
    order: Literal["big", "little"] = "big" if file.read(4) == b"FORM" else "little"
    place = 12
    for _ in range(_MAX_BLOCKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            return None
        if header[:4].lower() == b"id3 ":
            return place + 8
        size = int.from_bytes(header[4:], order)
        place += 8 + size + size % 2
    return None
