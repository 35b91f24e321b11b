"""Labels of a track from its path, from a table, or from its own tags."""

import csv
import io
import pathlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from deepsound.config import SPLIT_NAMES
from deepsound.errors import LabelError


@dataclass(frozen=True, kw_only=True)
class TrackLabels:
    """Labels of one track; null where unknown."""

    genre: str | None = None
    artist: str | None = None
    split: str | None = None


_UNLABELLED = TrackLabels()


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """Gives each track its labels. Small, picklable, and the same on every executor.

    ``source`` is ``labels.from`` of the settings; ``table`` maps a track_id to its labels for ``csv``.
    """

    source: str
    table: Mapping[str, TrackLabels] = field(default_factory=dict)

    @property
    def reads_files(self) -> bool:
        """Whether labels stand in the files themselves, so that :meth:`labels_of` has none."""
        return self.source == "tags"

    def labels_in(self, file: BinaryIO, *, track_id: str) -> TrackLabels:
        """Labels of a track whose file is open; its position stays.

        Raises
        ------
        OSError
            The storage fails.
        """
        if not self.reads_files:
            return self.labels_of(track_id)
        # Only here: most extractions need no mutagen.
        from deepsound.data.tags import read_tags

        tags = read_tags(file)
        return TrackLabels(genre=tags.genre, artist=tags.artist)

    def labels_of(self, track_id: str) -> TrackLabels:
        """Labels of the track at ``track_id`` (path relative to the input root, ``/`` between parts)."""
        if self.source == "parent_dir":
            # A file that lies directly in the root has no genre folder.
            return TrackLabels(genre=posixpath.basename(posixpath.dirname(track_id)) or None)
        if self.source == "filename_prefix":
            return TrackLabels(genre=_prefix_of(posixpath.basename(track_id)))
        return self.table.get(track_id, _UNLABELLED)


def _prefix_of(file_name: str) -> str | None:
    """``hiphop_3.wav`` and ``blues.00000.wav`` to their genre: up to the first underscore, else to the number."""
    stem = pathlib.PurePosixPath(file_name).stem
    prefix, underscore, _ = stem.partition("_")
    if not underscore:
        prefix = stem.rstrip("0123456789")
        if prefix == stem:
            return None
    return prefix.rstrip(" .-") or None


def parse_label_table(text: str, *, where: str, folder: str, root: str) -> dict[str, TrackLabels]:
    """Rows of a label CSV by track_id.

    Parameters
    ----------
    text : str
        CSV with a header: ``path`` and any of ``genre``, ``artist``, ``split``. An empty cell is unknown.
    where : str
        The file's name, for messages.
    folder, root : str
        Absolute paths (or URIs of one file system) of the CSV's folder, which ``path`` is relative to, and of
        the input root, which a track_id is relative to. Rows that lead outside the root are left out.

    Raises
    ------
    LabelError
        No ``path`` column, an unknown split name, or one path with two different labels.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if "path" not in (reader.fieldnames or ()):
        raise LabelError(f"{where} has the columns {reader.fieldnames}; wanted path, genre, artist, split")
    prefix = posixpath.normpath(root).rstrip("/") + "/"
    table: dict[str, TrackLabels] = {}
    for row in reader:
        path = (row["path"] or "").strip()
        if not path:
            continue
        absolute = posixpath.normpath(posixpath.join(folder, path))
        if not absolute.startswith(prefix):
            continue
        track_id = absolute[len(prefix) :]
        labels = TrackLabels(
            genre=_cell(row, "genre"), artist=_cell(row, "artist"), split=_checked_split(row, where)
        )
        if table.get(track_id, labels) != labels:
            raise LabelError(
                f"{where} labels {path!r} twice and differently (second time in line {reader.line_num})"
            )
        table[track_id] = labels
    return table


def _cell(row: Mapping[str, str | None], column: str) -> str | None:
    return (row.get(column) or "").strip() or None


def _checked_split(row: Mapping[str, str | None], where: str) -> str | None:
    split = _cell(row, "split")
    if split is not None and split not in SPLIT_NAMES:
        raise LabelError(f"{where}: split is {split!r}; wanted one of {', '.join(SPLIT_NAMES)}, or nothing")
    return split
