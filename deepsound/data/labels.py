"""Labels of a track from its path, from a table, or from its own tags."""

import pathlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO


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

    ``source`` is ``labels.from`` of the settings; ``table`` maps a track_id to its labels for ``csv``: of the
    tracks there are, not the whole CSV, as it goes to every executor.
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
