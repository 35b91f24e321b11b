"""Containers told by their first bytes, whatever a file is called, and which decoders are to open them."""

from dataclasses import dataclass

from deepsound.audio.mpeg import find_mpeg_audio
from deepsound.audio.source import AudioSource

# FFmpeg's demuxers by how a file begins. Sources: the ASF specification's header object GUID; RFC 9559 (EBML);
# RFC 4867, section 5 (AMR); ETSI TS 102 114 (DTS); for the others, FFmpeg's libavformat, which probes for these.
_FFMPEG_MAGIC = {
    bytes.fromhex("3026b2758e66cf11"): "asf",
    bytes.fromhex("1a45dfa3"): "matroska",
    # libsndfile opens it in 8, 16 and 24 bits only, and believes the count of samples in its header.
    b"fLaC": "flac",
    **{b"wvpk": "wv", b"MAC ": "ape", b"MP+": "mpc", b"MPCK": "mpc8", b"DSD ": "dsf", b"FRM8": "iff"},
    **{b"TTA1": "tta", b"tBaK": "tak", b"#!AMR": "amr", b"\x7f\xfe\x80\x01": "dts"},
}
# What libsndfile opens, and FFmpeg where it does not. Sources: RFC 3533 (Ogg), the RIFF, AIFF, AU, CAF and W64
# specifications.
SNDFILE_MAGIC = {
    **{b"RIFF": "wav", b"RIFX": "wav", b"RF64": "wav", b"riff": "w64"},
    **{b"OggS": "ogg", b"FORM": "aiff", b".snd": "au", b"caff": "caf"},
}
_SOUND_FORMS = (b"WAVE", b"AIFF", b"AIFC", b"8SVX", b"16SV")
_OGG_PAGE_BYTES = 65307
_MAX_ID3_TAGS = 16
# How far MPEG audio is looked for behind zeros, web headers, the tail of a cut frame and other junk.
_SEARCHED_BYTES = 1 << 18
# Tags before the sound of a WAV.
_RIFF_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Container:
    """How to open a file.

    Attributes
    ----------
    demuxer : str or None
        FFmpeg's name of the container; None where the content is of none.
    by_sndfile : bool
        Whether libsndfile opens the file, and FFmpeg only if it cannot; else the other way round.
    is_known : bool
        Whether the file begins as a sound container does, so that what cannot be opened is damaged.
    first_byte : int
    """

    demuxer: str | None
    by_sndfile: bool
    is_known: bool = True
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
        return Container(demuxer=demuxer, by_sndfile=False, first_byte=start)
    demuxer = SNDFILE_MAGIC.get(head[:4])
    # Both also hold pictures and films.
    is_sound = head[8:12] in _SOUND_FORMS or head[:4] not in (b"RIFF", b"FORM")
    if demuxer is not None and is_sound:
        is_partial = _is_partial_to_sndfile(source, start)
        return Container(demuxer=demuxer, by_sndfile=not is_partial, first_byte=start)
    mpeg = find_mpeg_audio(source.peek(start, _SEARCHED_BYTES))
    if mpeg is None:
        return Container(demuxer=None, by_sndfile=True, is_known=_is_known(source, head), first_byte=0)
    first_byte = start + mpeg.first_byte
    # Where no header counts the frames of an MP3, libsndfile estimates its length, and stops there: of one with a
    # variable bit rate, three quarters may be lost. Of two that were joined, it reads as much as the first counts.
    is_whole = mpeg.n_bytes is not None and not find_mpeg_audio(
        source.peek(first_byte + mpeg.n_bytes, _SEARCHED_BYTES)
    )
    return Container(demuxer="mp3", by_sndfile=is_whole, first_byte=first_byte)


def _is_known(source: AudioSource, head: bytes) -> bool:
    """Whether what no decoder opens was a sound file once, by the bytes ``head`` behind its tags."""
    is_tagged = _is_id3(source.peek(0, 10))
    # Not layer I (6), which is not in use: a text in UTF-16 begins like it.
    is_mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4)
    # As GTZAN's jazz.00054.wav: a WAV without its first bytes, or a file whose beginning was never written.
    is_beheaded = head[8:12] == b"WAVE" or head[12:16] == b"fmt " or head[:16] == bytes(16)
    is_cut = len(head) < 12 and head[:4] in SNDFILE_MAGIC
    return is_tagged or is_mpeg or is_beheaded or is_cut


def _detect_demuxer(head: bytes) -> str | None:
    """What FFmpeg is to open; None for anything else."""
    # ISO 14496-12.
    if head[4:8] == b"ftyp":
        return "mp4"
    # ISO 13818-7: twelve bits of sync and layer 0, which MPEG audio (MP3) never has.
    if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    # ETSI TS 102 366, 5.3 and E.1.2: the identification of the bit stream, up to 10 AC-3, then E-AC-3.
    if len(head) > 5 and head.startswith(b"\x0b\x77") and head[5] >> 3 <= 16:
        return "ac3" if head[5] >> 3 <= 10 else "eac3"
    return next((demuxer for magic, demuxer in _FFMPEG_MAGIC.items() if head.startswith(magic)), None)


def _is_partial_to_sndfile(source: AudioSource, start: int) -> bool:
    """Whether libsndfile would lose sound of a container that it opens."""
    head = source.peek(start, _RIFF_HEAD_BYTES)
    if head.startswith(b"OggS"):
        return _is_opus(head) or _is_chained(source, start)
    # A recording that was interrupted: the data has a size of 0, and the whole ends where it begins, or has none.
    data = head.find(b"data" + bytes(4))
    return head.startswith(b"RIFF") and data > 0 and int.from_bytes(head[4:8], "little") <= data


def _is_opus(head: bytes) -> bool:
    """Whether it is Opus, which libsndfile decodes at the rate that the encoder was given, and in twice the time.

    Source: RFC 7845, section 5.1: the sound is of 48 kHz.
    """
    return b"OpusHead" in head[:64]


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
        if not _is_id3(header):
            break
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        if end + 10 + size >= source.n_bytes:
            break
        end += 10 + size
    return end


def _is_id3(header: bytes) -> bool:
    """Whether these ten bytes begin a tag, and not a text about tags."""
    return header[:3] == b"ID3" and len(header) == 10 and header[3] in (2, 3, 4) and max(header[6:10]) < 0x80
