"""What audio files say of themselves: genre, artist and title, from the tags of all common formats.

=====================  =============================================
container              tags, the first that has a field
=====================  =============================================
flac, ogg, opus        Vorbis comments, ID3v2
mp4, m4a               iTunes atoms
wma (ASF)              ASF attributes
wav, aiff              an ID3 chunk, LIST/INFO, AIFF's own chunks
dsf                    the ID3v2 tag at its end
matroska, webm, dff    their own
mp3, aac, anything     each ID3v2 at the beginning, APEv2, ID3v1
=====================  =============================================

Read by mutagen, or by FFmpeg what mutagen does not read, within bounds of memory and time, whatever the file is; a
tag that breaks them counts as none.
"""

import contextlib
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from mutagen.apev2 import APEv2
from mutagen.asf import ASF
from mutagen.flac import VCFLACDict
from mutagen.id3 import ID3, TCON, Encoding, ParseID3v1, TextFrame
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLACStreamInfo, OggFLACVComment
from mutagen.oggopus import OggOpusInfo, OggOpusVComment
from mutagen.oggspeex import OggSpeexInfo, OggSpeexVComment
from mutagen.oggvorbis import OggVCommentDict, OggVorbisInfo

from deepsound.data.bounds import BoundedFile, BoundReachedError, run_bounded
from deepsound.data.id3 import find_id3_tags, slim_id3
from deepsound.data.tag_places import find_flac_comment, find_id3_chunk

# Of reading: what the largest embedded pictures need. Of computing: a hundred times what usual tags need.
_MAX_BYTES = 32 << 20
_MAX_READS = 200_000
_MAX_CPU_S = 1.0
# Longer is no name.
_MAX_CHARS = 1000
# What a stream begins with, and what reads it.
_OGG_CODECS = {
    b"\x01vorbis": (OggVorbisInfo, OggVCommentDict),
    b"OpusHead": (OggOpusInfo, OggOpusVComment),
    b"\x7fFLAC": (OggFLACStreamInfo, OggFLACVComment),
    b"Speex   ": (OggSpeexInfo, OggSpeexVComment),
}
_HEAD_BYTES = 4096
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11")
# Where formats keep genre, artist (else the album's) and title.
_Keys = Mapping[str, tuple[str, ...]]
_ID3_KEYS: _Keys = {"genre": ("TCON",), "artist": ("TPE1", "TPE2"), "title": ("TIT2",)}
_MP4_KEYS: _Keys = {"genre": ("\xa9gen",), "artist": ("\xa9ART", "aART"), "title": ("\xa9nam",)}
_ASF_KEYS: _Keys = {"genre": ("WM/Genre",), "artist": ("Author", "WM/AlbumArtist"), "title": ("Title",)}
# Vorbis comments and APEv2, which compare keys in any case.
_PLAIN_KEYS: _Keys = {
    "genre": ("genre",),
    "artist": ("artist", "albumartist", "album artist"),
    "title": ("title",),
}
# As FFmpeg names them all.
_FFMPEG_KEYS: _Keys = {"genre": ("genre",), "artist": ("artist", "album_artist"), "title": ("title",)}


@dataclass(frozen=True, kw_only=True)
class TrackTags:
    """What a file says of itself; null where it says nothing. Several values are joined by ``; ``."""

    genre: str | None = None
    artist: str | None = None
    title: str | None = None


def read_tags(file: BinaryIO) -> TrackTags:
    """Genre, artist and title of an audio file.

    Numbers of ID3's list become their names (``(17)`` is ``Rock``); all else stays as it was written, but for
    control characters. Without an artist, the album's.

    Parameters
    ----------
    file : BinaryIO
        Open and seekable; its position stays.

    Raises
    ------
    OSError
        The storage fails. Nothing else, whatever the file holds.
    """
    place = file.tell()
    found: dict[str, str] = {}
    try:
        bounded = BoundedFile(file, max_bytes=_MAX_BYTES, max_reads=_MAX_READS)
        with contextlib.suppress(BoundReachedError):  # what was found before stands
            collect = functools.partial(_collect_by_mutagen, bounded, found)
            run_bounded(collect, cpu_s=_MAX_CPU_S, within=("mutagen", "deepsound"))
        with contextlib.suppress(BoundReachedError):
            demuxer = _demuxer_of(bounded)
            if demuxer is not None:
                _collect(functools.partial(_load_by_ffmpeg, bounded, demuxer), _FFMPEG_KEYS, found)
        if bounded.failure is not None:
            raise bounded.failure
        return TrackTags(**found)
    finally:
        file.seek(place)


def _collect_by_mutagen(file: BoundedFile, found: dict[str, str]) -> None:
    for read, keys in _readers(file):
        _collect(functools.partial(read, file), keys, found)


def _collect(read: Callable[[], Any], keys: _Keys, found: dict[str, str]) -> None:
    """Fill what is missing in ``found`` from one kind of tags; these are not read where nothing is."""
    missing = [name for name in keys if name not in found]
    if not missing:
        return
    try:
        tags = read() or {}
    except Exception:  # mutagen raises all sorts of things at damage
        return
    for name in missing:
        text = next((text for key in keys[name] if (text := _text_of(tags, key))), None)
        if text:
            found[name] = text


def _readers(file: BoundedFile) -> list[tuple[Callable[[BoundedFile], Any], _Keys]]:
    """What may find tags in a file, told by what is behind an ID3 tag, the most trusted first."""
    starts, end = find_id3_tags(file)
    of_id3 = [(functools.partial(_load_id3, start=start), _ID3_KEYS) for start in starts]
    file.seek(end)
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"fLaC"):
        return [(functools.partial(_load_flac, start=end), _PLAIN_KEYS), *of_id3]
    if head.startswith(b"OggS"):
        return [(_load_ogg, _PLAIN_KEYS)]
    if head[4:8] == b"ftyp":
        return [(lambda file: _rewound(MP4, file).tags, _MP4_KEYS)]
    if head.startswith(_ASF_HEADER):
        return [(lambda file: _rewound(ASF, file).tags, _ASF_KEYS)]
    if head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        return [(_load_id3_chunk, _ID3_KEYS)]
    if head.startswith(b"DSD "):
        # Source: Sony, DSF File Format Specification 1.01: where the metadata begins, behind the size of the file.
        return [(functools.partial(_load_id3, start=int.from_bytes(head[20:28], "little")), _ID3_KEYS)]
    return [
        *of_id3,
        (lambda file: _rewound(APEv2, file), _PLAIN_KEYS),
        (_load_id3v1, _ID3_KEYS),
    ]


def _demuxer_of(file: BoundedFile) -> str | None:
    """Which of FFmpeg's demuxers reads tags that mutagen does not."""
    file.seek(0)
    head = file.read(12)
    if head[8:] in (b"WAVE", b"AIFF", b"AIFC"):
        return "wav" if head.endswith(b"WAVE") else "aiff"
    return {b"\x1aE\xdf\xa3": "matroska", b"FRM8": "iff"}.get(head[:4])


def _rewound(kind: Callable[[BoundedFile], Any], file: BoundedFile) -> Any:
    file.seek(0)
    return kind(file)


def _load_flac(file: BoundedFile, *, start: int) -> Any:
    comment = find_flac_comment(file, start=start)
    return {} if comment is None else VCFLACDict(comment)


def _load_ogg(file: BoundedFile) -> Any:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    read_info, read_comment = next(readers for magic, readers in _OGG_CODECS.items() if magic in head)
    return read_comment(file, _rewound(read_info, file))


def _load_id3(file: BoundedFile, *, start: int) -> Any:
    slim = slim_id3(file, start=start)
    return {} if slim is None else ID3(io.BytesIO(slim), load_v1=False)


def _load_id3_chunk(file: BoundedFile) -> Any:
    start = find_id3_chunk(file)
    return {} if start is None else _load_id3(file, start=start)


class _EndingFile:
    """A bounded file that ends where its bound is reached: what FFmpeg calls must not raise."""

    def __init__(self, file: BoundedFile) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, n_bytes: int) -> bytes:
        try:
            return self._file.read(n_bytes)
        except BoundReachedError:
            return b""


def _load_by_ffmpeg(file: BoundedFile, demuxer: str) -> Any:
    # Only here, as its libraries take a while to load and most files need none of them for their tags.
    import av

    file.seek(0)
    # Bytes that are no UTF-8 come as lone surrogates, from which they can be had again.
    with av.open(cast(BinaryIO, _EndingFile(file)), format=demuxer, metadata_errors="surrogateescape") as opened:
        found = [*(stream.metadata for stream in opened.streams.audio[:1]), opened.metadata]
    pairs = (pair for metadata in found for pair in metadata.items())
    return {key.lower(): [_decode_text(text.encode(errors="surrogateescape"))] for key, text in pairs}


def _load_id3v1(file: BoundedFile) -> Any:
    file.seek(max(0, file.n_bytes - 128))
    return ParseID3v1(file.read(128)) or {}


def _text_of(tags: Any, key: str) -> str | None:
    """The values of a key as one text, clean: without control characters, lone surrogates and repetitions."""
    try:
        values = _values_of(tags.get(key))
    except Exception:  # text that is not what its encoding says, which mutagen finds out here
        return None
    words = [" ".join(part.split()) for value in values for part in str(value).split("\0")]
    texts = ["".join(char for char in word if char.isprintable()).strip() for word in words]
    return "; ".join(dict.fromkeys(text for text in texts if text))[:_MAX_CHARS] or None


def _values_of(value: Any) -> list[Any]:
    if not isinstance(value, TextFrame):
        return list(value or ())
    # What is called Latin-1 is often UTF-8, or a code page of Windows.
    is_latin1 = value.encoding == Encoding.LATIN1
    texts = [_decode_text(str(text).encode("latin-1")) if is_latin1 else text for text in value.text]
    return list(TCON(encoding=Encoding.UTF8, text=texts).genres) if isinstance(value, TCON) else texts


def _decode_text(text: bytes) -> str:
    """Text of an unknown encoding: UTF-8 where it is that, as no other text is by chance, else Windows-1252."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", errors="replace")
