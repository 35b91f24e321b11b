"""What audio files say of themselves: genre, artist and title, from the tags of all common formats.

=====================  =============================================
container              tags, the first that has a field
=====================  =============================================
flac, ogg, opus        Vorbis comments, ID3v2
mp4, m4a               iTunes atoms
wma (ASF)              ASF attributes
wav, aiff              an ID3 chunk
mp3, aac, anything     ID3v2, APEv2, ID3v1
=====================  =============================================

Read by mutagen within bounds of memory and time, whatever the file is; a tag that breaks them counts as none.
"""

import contextlib
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from mutagen.apev2 import APEv2
from mutagen.asf import ASF
from mutagen.flac import VCFLACDict
from mutagen.id3 import ID3, TCON, ParseID3v1, TextFrame
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLACStreamInfo, OggFLACVComment
from mutagen.oggopus import OggOpusInfo, OggOpusVComment
from mutagen.oggspeex import OggSpeexInfo, OggSpeexVComment
from mutagen.oggvorbis import OggVCommentDict, OggVorbisInfo

from deepsound.data.bounds import BoundedFile, BoundReachedError, run_bounded
from deepsound.data.id3 import end_of_id3, slim_id3
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
            collect = functools.partial(_collect, bounded, found)
            run_bounded(collect, cpu_s=_MAX_CPU_S, within=("mutagen", "deepsound"))
        if bounded.failure is not None:
            raise bounded.failure
        return TrackTags(**found)
    finally:
        file.seek(place)


def _collect(file: BoundedFile, found: dict[str, str]) -> None:
    """Fill ``found`` from one kind of tags after the other, until nothing is missing."""
    for read, keys in _readers(file):
        try:
            tags = read(file) or {}
        except Exception:  # mutagen raises all sorts of things at damage
            continue
        for name in [name for name in keys if name not in found]:
            text = next((text for key in keys[name] if (text := _text_of(tags, key))), None)
            if text:
                found[name] = text
        if len(found) == len(keys):
            return


def _readers(file: BoundedFile) -> list[tuple[Callable[[BoundedFile], Any], _Keys]]:
    """What may find tags in a file, told by what is behind an ID3 tag, the most trusted first."""
    file.seek(end_of_id3(file))
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"fLaC"):
        return [(_load_flac, _PLAIN_KEYS), (_load_id3, _ID3_KEYS)]
    if head.startswith(b"OggS"):
        return [(_load_ogg, _PLAIN_KEYS)]
    if head[4:8] == b"ftyp":
        return [(lambda file: _rewound(MP4, file).tags, _MP4_KEYS)]
    if head.startswith(_ASF_HEADER):
        return [(lambda file: _rewound(ASF, file).tags, _ASF_KEYS)]
    if head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        return [(_load_id3_chunk, _ID3_KEYS)]
    return [
        (_load_id3, _ID3_KEYS),
        (lambda file: _rewound(APEv2, file), _PLAIN_KEYS),
        (_load_id3v1, _ID3_KEYS),
    ]


def _rewound(kind: Callable[[BoundedFile], Any], file: BoundedFile) -> Any:
    file.seek(0)
    return kind(file)


def _load_flac(file: BoundedFile) -> Any:
    comment = find_flac_comment(file, start=end_of_id3(file))
    return {} if comment is None else VCFLACDict(comment)


def _load_ogg(file: BoundedFile) -> Any:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    read_info, read_comment = next(readers for magic, readers in _OGG_CODECS.items() if magic in head)
    return read_comment(file, _rewound(read_info, file))


def _load_id3(file: BoundedFile, *, start: int = 0) -> Any:
    slim = slim_id3(file, start=start)
    return {} if slim is None else ID3(io.BytesIO(slim), load_v1=False)


def _load_id3_chunk(file: BoundedFile) -> Any:
    start = find_id3_chunk(file)
    return {} if start is None else _load_id3(file, start=start)


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
    if isinstance(value, TCON):
        return list(value.genres)
    if isinstance(value, TextFrame):
        return list(value.text)
    return list(value or ())
