"""Containers told by their first bytes, whatever a file is called, and which decoder is to open them."""

from dataclasses import dataclass

from deepsound.audio.mpeg import find_mpeg_audio
from deepsound.audio.source import AudioSource

# Sources: ISO 14496-12 (ftyp), the ASF specification's header object GUID, RFC 9559 (EBML header).
_ASF = bytes.fromhex("3026b2758e66cf11")
_EBML = bytes.fromhex("1a45dfa3")
# What libsndfile opens. Sources: RFC 3533 (Ogg), RFC 9639 (FLAC), the RIFF, AIFF, AU, CAF and W64 specifications.
_SNDFILE_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"FORM", b".snd", b"dns.", b"caff", b"riff")
_OGG_PAGE_BYTES = 65307
_MAX_ID3_TAGS = 16
# How far MPEG audio is looked for behind zeros, web headers, the tail of a cut frame and other junk.
_SEARCHED_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Container:
    """How to open a file.

    Attributes
    ----------
    demuxer : str or None
        FFmpeg's name of the container; None where libsndfile opens the file.
    first_byte : int
        Where it begins.
    """

    demuxer: str | None
    first_byte: int


def identify_container(source: AudioSource) -> Container:
    """Which decoder opens the file: FFmpeg what libsndfile does not open or would not read to its end.

    Raises
    ------
    AudioUnreadableError
        The storage failed.
    """
    start = _end_of_id3(source)
    head = source.peek(start, 64)
    demuxer = _detect_demuxer(head)
    if demuxer is not None:
        return Container(demuxer=demuxer, first_byte=start)
    if head.startswith(b"OggS") and _is_chained(source, start):
        return Container(demuxer="ogg", first_byte=start)
    if head.startswith(_SNDFILE_MAGIC):
        return Container(demuxer=None, first_byte=start)
    mpeg = find_mpeg_audio(source.peek(start, _SEARCHED_BYTES))
    if mpeg is None:
        return Container(demuxer=None, first_byte=0)
    first_byte = start + mpeg.first_byte
    # Where no header counts the frames of an MP3, libsndfile estimates its length, and stops there: of one with a
    # variable bit rate, three quarters may be lost. Of two that were joined, it reads as much as the first counts.
    is_whole = mpeg.n_bytes is not None and not find_mpeg_audio(
        source.peek(first_byte + mpeg.n_bytes, _SEARCHED_BYTES)
    )
    return Container(demuxer=None if is_whole else "mp3", first_byte=first_byte)


def is_known_container(source: AudioSource) -> bool:
    """Whether a file begins as a sound container does: what cannot be opened then is damage."""
    head = source.peek(0, 64)
    is_mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    # As GTZAN's jazz.00054.wav: a WAV without its first bytes, or a file whose beginning was never written.
    is_beheaded = b"WAVE" in head or b"fmt " in head or head[:16] == bytes(16)
    return head.startswith((*_SNDFILE_MAGIC, b"ID3")) or is_mpeg or is_beheaded


def _detect_demuxer(head: bytes) -> str | None:
    """``mp4``, ``asf``, ``matroska``, ``aac`` (ADTS) or an endless ``flac``; None for anything else."""
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(_ASF):
        return "asf"
    if head.startswith(_EBML):
        return "matroska"
    # ISO 13818-7: twelve bits of sync and layer 0, which MPEG audio (MP3) never has.
    if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    # RFC 9639, section 8.2: 36 bits of samples, 0 if unknown, as when it was written to a pipe. libsndfile fails
    # on the end of such a file.
    if head.startswith(b"fLaC\0") and len(head) >= 26 and head[21] & 0x0F == 0 and head[22:26] == bytes(4):
        return "flac"
    return None


def _is_chained(source: AudioSource, start: int) -> bool:
    """Whether an Ogg file ends with a stream that does not begin at its start, as a recorded web radio does.

    libsndfile reads the first link of such a chain. Source: RFC 3533, sections 4 (chaining) and 6 (page header).
    """
    head = source.peek(start, _OGG_PAGE_BYTES)
    tail = source.peek(max(start, source.n_bytes - 2 * _OGG_PAGE_BYTES), 2 * _OGG_PAGE_BYTES)
    serials = set()
    page = 0
    while head[page : page + 4] == b"OggS" and len(head) > page + 26 and head[page + 5] & 2:
        serials.add(head[page + 14 : page + 18])
        n_segments = head[page + 26]
        page += 27 + n_segments + sum(head[page + 27 : page + 27 + n_segments])
    last = tail.rfind(b"OggS")
    return tail[last + 14 : last + 18] not in serials


def _end_of_id3(source: AudioSource) -> int:
    """Where ID3v2 tags at the beginning end; 0 without one, or where that lies beyond the file.

    Source: id3.org, ID3v2.4.0, section 3.1.
    """
    end = 0
    for _ in range(_MAX_ID3_TAGS):
        header = source.peek(end, 10)
        if header[:3] != b"ID3" or len(header) < 10:
            break
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        if end + 10 + size >= source.n_bytes:
            break
        end += 10 + size
    return end
