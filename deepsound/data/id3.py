"""The few text frames of an ID3v2 tag that matter here, without its pictures.

mutagen reads a tag into memory as a whole, with what is embedded in it, and unpacks what is compressed. This
module steps over all that, frame by frame, and leaves a small tag with the rest for mutagen to read. Source:
id3.org, ID3v2.2.0, 2.3.0 and 2.4.0.
"""

import io
import re
from collections.abc import Iterator

from deepsound.data.tag_places import Readable

# Genre, artist, album artist, title: of ID3v2.3 and 2.4, and of 2.2.
_WANTED = frozenset({b"TCON", b"TPE1", b"TPE2", b"TIT2", b"TCO", b"TP1", b"TP2", b"TT2"})
_FRAME_ID = re.compile(rb"[A-Z][A-Z0-9]{2,3}\0?")
# A genre or a name is not longer, and nobody has more frames of them.
_MAX_TEXT_BYTES = 8192
_MAX_FRAMES = 32
_MAX_TAGS = 16
# An unsynchronised tag of ID3v2.3 has no frames that could be stepped over before it is read.
_MAX_UNSYNCHRONISED_BYTES = 1 << 24
# Flags of a frame that is compressed or encrypted, second byte, by version.
_PACKED = {3: 0xC0, 4: 0x0C}


def slim_id3(file: Readable, *, start: int) -> bytes | None:
    """An ID3v2 tag at ``start`` with nothing but its genre, artist, album artist and title.

    Returns
    -------
    bytes or None
        A tag of the same version, at most 256 KiB; None where there is none.
    """
    file.seek(start)
    header = file.read(10)
    if header[:3] != b"ID3" or len(header) < 10 or header[3] not in (2, 3, 4):
        return None
    version, flags = header[3], header[5]
    place, end = start + 10, start + 10 + _read_size(header[6:10], bits=7)
    if flags & 0x80 and version < 4:
        body = file.read(min(end - place, _MAX_UNSYNCHRONISED_BYTES)).replace(b"\xff\x00", b"\xff")
        file, place, end = io.BytesIO(body), 0, len(body)
        flags &= 0x7F
    if flags & 0x40:
        place = _skip_extended_header(file, place, version)
    frames = b"".join(_wanted_frames(file, place, end, version))
    return header[:5] + bytes([flags & 0x80]) + _write_size(len(frames)) + frames


def find_id3_tags(file: Readable) -> tuple[list[int], int]:
    """Where the ID3v2 tags at the beginning of a file start, one behind the other, and where the last one ends."""
    starts: list[int] = []
    end = 0
    while len(starts) < _MAX_TAGS:
        file.seek(end)
        header = file.read(10)
        if header[:3] != b"ID3" or len(header) < 10:
            break
        starts.append(end)
        end += 10 + _read_size(header[6:10], bits=7)
    return starts, end


def _skip_extended_header(file: Readable, place: int, version: int) -> int:
    file.seek(place)
    size = file.read(4)
    # Some set the flag and write no such header.
    if _FRAME_ID.fullmatch(size) or len(size) < 4:
        return place
    return place + (_read_size(size, bits=7) if version == 4 else 4 + _read_size(size, bits=8))


def _wanted_frames(file: Readable, place: int, end: int, version: int) -> Iterator[bytes]:
    n_header = 6 if version == 2 else 10
    n_found = 0
    while place + n_header <= end and n_found < _MAX_FRAMES:
        file.seek(place)
        header = file.read(n_header)
        if len(header) < n_header or not header[0]:
            return
        name = header[:3] if version == 2 else header[:4]
        size = _frame_size(file, header, place, end, version)
        place += n_header + size
        is_packed = version > 2 and header[9] & _PACKED[version]
        if name.rstrip(b"\0") not in _WANTED or is_packed or size > _MAX_TEXT_BYTES or place > end:
            continue
        file.seek(place - size)
        n_found += 1
        if version == 4:
            header = header[:4] + _write_size(size) + header[8:]
        yield header + file.read(size)


def _frame_size(file: Readable, header: bytes, place: int, end: int, version: int) -> int:
    if version < 4:
        return _read_size(header[3:6] if version == 2 else header[4:8], bits=8)
    sizes = [_read_size(header[4:8], bits=7), _read_size(header[4:8], bits=8)]
    # iTunes once wrote plain numbers: told by what stands behind the frame. Of two as likely it is the first.
    return (
        sizes[0]
        if sizes[0] == sizes[1]
        else max(sizes, key=lambda size: _likelihood(file, place + 10 + size, end))
    )


def _likelihood(file: Readable, place: int, end: int) -> int:
    """How well a frame may end here: before another or at the tag's end, before zeros (padding), or not at all."""
    if place >= end:
        return 2 * (place == end)
    file.seek(place)
    name = file.read(4)
    return 1 if name == bytes(4) else 2 * (_FRAME_ID.fullmatch(name) is not None)


def _read_size(data: bytes, *, bits: int) -> int:
    size = 0
    for byte in data:
        size = size << bits | byte & (1 << bits) - 1
    return size


def _write_size(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
