"""Where MPEG audio (MP3) begins in a file, and whether its header tells how long it is.

Source: ISO 11172-3 and 13818-3, section 2.4.1 (frame header), with MPEG 2.5's rates; the Xing header as LAME
writes it (http://gabriel.mp3-tech.org/mp3infotag.html).
"""

from dataclasses import dataclass

# By layer I, II, III for MPEG-1; layer I, then II and III, for MPEG-2 and 2.5. Index 0 is "free", 15 forbidden.
_KBPS_1 = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_KBPS_2 = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MPEG1 = 3
_RATES_HZ = {_MPEG1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
# So many headers in a row, each where the one before says: no other content does that by chance.
_FRAMES_IN_A_ROW = 4


@dataclass(frozen=True, kw_only=True)
class MpegAudio:
    """MPEG audio in a file.

    Attributes
    ----------
    first_byte : int
        Of the first frame.
    n_bytes : int or None
        What a Xing header with a count of frames says of its own stream; None without one.
    """

    first_byte: int
    n_bytes: int | None


def find_mpeg_audio(head: bytes) -> MpegAudio | None:
    """The first frame that others follow, behind whatever stands before it; None without one.

    Parameters
    ----------
    head : bytes
        The beginning of a file. A file of fewer than four frames is found if the last ends where the file does.
    """
    place = head.find(b"\xff")
    while place >= 0:
        if _begins_a_row(head, place):
            return MpegAudio(first_byte=place, n_bytes=_bytes_by_xing(head[place : place + 4096]))
        place = head.find(b"\xff", place + 1)
    return None


def _begins_a_row(head: bytes, place: int) -> bool:
    kind = None
    for _ in range(_FRAMES_IN_A_ROW):
        if kind is not None and place == len(head):
            return True
        header = _parse_header(head[place : place + 4])
        if header is None or kind not in (None, header[0]):
            return False
        kind = header[0]
        place += header[1]
    return True


def _parse_header(header: bytes) -> tuple[tuple[int, int, int], int] | None:
    """(version, layer, rate in Hz), which no stream changes, and the frame's length in bytes."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    rate_hz = _RATES_HZ[version][rate]
    bits_per_s = 1000 * (_KBPS_1 if version == _MPEG1 else _KBPS_2)[layer - 1][bitrate]
    if layer == 1:
        n_bytes = 4 * (12 * bits_per_s // rate_hz + padding)
    else:
        # A frame of layer III has half the samples in MPEG-2.
        n_bytes = (72 if layer == 3 and version != _MPEG1 else 144) * bits_per_s // rate_hz + padding
    return (version, layer, rate_hz), n_bytes


def _bytes_by_xing(frame: bytes) -> int | None:
    """Bytes of the stream by a Xing header that counts frames and bytes (flags 1 and 2)."""
    is_mono = frame[3] >> 6 == 3
    is_mpeg1 = frame[1] >> 3 & 3 == _MPEG1
    tag = 4 + ((17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17))
    if frame[tag : tag + 4] not in (b"Xing", b"Info") or len(frame) < tag + 16:
        return None
    has_both = frame[tag + 7] & 3 == 3
    return int.from_bytes(frame[tag + 12 : tag + 16], "big") if has_both else None
