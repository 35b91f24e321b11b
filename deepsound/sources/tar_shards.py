"""The tracks in a tar, and what stands beside them of their labels, as WebDataset writes both."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from deepsound.data.labels import TrackLabels
from deepsound.data.listing import is_audio_name, is_hidden
from deepsound.documents import parse_json
from deepsound.sources.tar_headers import TarHeader, walk_tar

_MAX_SIDECAR_BYTES = 1_000_000
# Longer is no name.
_MAX_CHARS = 1000
# A sample of WebDataset has a few members. In a tar of music, all of 'vol.1.mp3', 'vol.2.mp3', ... have one key.
_MAX_PENDING = 100


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """A track in a tar.

    Attributes
    ----------
    track_id : str
        The member's name, without ``./`` and the like.
    offset, size_bytes : int
        Where in the tar its bytes are.
    genre, artist, split : str or None
        What members of the same key say.
    modified_ms : int
        In milliseconds since 1970, 0 where it cannot be told.
    problem : str or None
        Why it cannot be read from there.
    """

    track_id: str
    offset: int
    size_bytes: int
    genre: str | None
    artist: str | None
    split: str | None
    modified_ms: int
    problem: str | None


@dataclass(kw_only=True)
class _Sample:
    """Neighbours of one key."""

    key: str
    members: list[TarMember] = field(default_factory=list)
    class_name: str | None = None
    labels: TrackLabels = field(default_factory=TrackLabels)

    def take(self) -> Iterator[TarMember]:
        """The tracks so far, labelled; none is left."""
        # A .cls is often a number where the .json has its name.
        genre = self.labels.genre or self.class_name
        members, self.members = self.members, []
        for member in members:
            yield replace(member, genre=genre, artist=self.labels.artist, split=self.labels.split)


def list_tar(file: BinaryIO, *, name: str) -> Iterator[TarMember]:
    """The audio files in a tar, in order; nothing of their contents is read.

    Labels stand in members of the same key (the path up to the first dot of the file name) next to them:
    ``.cls`` is the name or number of a class, ``.json`` an object with any of ``genre`` (or ``label``),
    ``artist`` and ``split``. What is too large, damaged or of another type there is passed over, as are hidden
    members.

    Parameters
    ----------
    file : BinaryIO
        Open and seekable; its position is anywhere afterwards.
    name : str
        The tar's, for messages.

    Raises
    ------
    InputError
        It is no tar, compressed, damaged or cut off.
    OSError
        The storage fails.
    """
    sample = _Sample(key="")
    for header in walk_tar(file, name=name):
        track_id = posixpath.normpath(header.name)
        if _is_passed_over(header, track_id):
            continue
        key, _, ending = _split_key(track_id)
        if key != sample.key:
            yield from sample.take()
            sample = _Sample(key=key)
        elif len(sample.members) >= _MAX_PENDING:
            yield from sample.take()
        if is_audio_name(track_id):
            sample.members.append(_member_of(header, track_id))
        elif _problem_of(header) is None and header.size_bytes <= _MAX_SIDECAR_BYTES:
            _read_sidecar(file, header, ending.lower(), sample)
    yield from sample.take()


def _is_passed_over(header: TarHeader, track_id: str) -> bool:
    # '..' is no hidden name but a problem, which is told.
    is_hidden_somewhere = any(is_hidden(part) for part in track_id.split("/") if part != "..")
    return is_hidden_somewhere or not (header.is_file or header.is_link)


def _split_key(track_id: str) -> tuple[str, str, str]:
    folder, slash, file_name = track_id.rpartition("/")
    stem, dot, ending = file_name.partition(".")
    return folder + slash + stem, dot, ending


def _member_of(header: TarHeader, track_id: str) -> TarMember:
    return TarMember(
        track_id=track_id,
        offset=header.offset,
        size_bytes=header.size_bytes,
        genre=None,
        artist=None,
        split=None,
        modified_ms=header.modified_ms,
        problem=_problem_of(header),
    )


def _problem_of(header: TarHeader) -> str | None:
    if header.name.startswith("/") or ".." in header.name.split("/"):
        return "its name leads out of the tar"
    if header.is_link:
        return "no file but a link within the tar"
    return "a sparse file, of which the tar holds parts" if header.is_sparse else None


def _read_sidecar(file: BinaryIO, header: TarHeader, ending: str, sample: _Sample) -> None:
    if ending not in ("cls", "json"):
        return
    file.seek(header.offset)
    content = file.read(header.size_bytes)
    if ending == "cls":
        sample.class_name = _text_of(content.decode("utf-8-sig", "replace"))
    else:
        sample.labels = _parse_labels(content)


def _parse_labels(content: bytes) -> TrackLabels:
    try:
        document = parse_json(content)
    except ValueError:
        return TrackLabels()
    if not isinstance(document, dict):
        return TrackLabels()
    texts = {key: _text_of(document.get(key)) for key in ("genre", "label", "artist", "split")}
    return TrackLabels(genre=texts["genre"] or texts["label"], artist=texts["artist"], split=texts["split"])


def _text_of(value: Any) -> str | None:
    """A label as text; None for what is none: several lines, what was no text, other types."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    is_text = "\ufffd" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
    return text if is_text and len(text) <= _MAX_CHARS and len(text.splitlines()) == 1 else None
