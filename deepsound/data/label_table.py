"""A label CSV against the tracks there are: which row is which track, and which rows and tracks are left over."""

import csv
import io
import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deepsound.config import SPLIT_NAMES
from deepsound.data.labels import TrackLabels
from deepsound.errors import LabelError

_LABELS = ("genre", "artist", "split")
_WANTED = "wanted path and any of genre, artist, split"
_MAX_NAMED = 3
# file:/x, file:///x, s3a://bucket/x. A scheme of one letter is a drive of Windows.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/]*))?(/.*)?", re.DOTALL)
# Spark's name for S3 against that of other tools.
_SAME_SCHEMES = {"s3": "s3a", "s3n": "s3a"}


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """What a label CSV says of the tracks there are.

    Attributes
    ----------
    where : str
        The file's name, for messages.
    labels : mapping of str to TrackLabels
        track_id to its labels; tracks of which the table says nothing are not in it.
    n_tracks : int
        All tracks there are.
    track_example : str or None
        How one of them is called.
    unmatched : tuple of str
        Paths of the first rows that are no track.
    n_unmatched : int
        How many rows are none.
    unknown_columns : tuple of str
        Columns that were not read.
    """

    where: str
    labels: Mapping[str, TrackLabels]
    n_tracks: int
    track_example: str | None
    unmatched: tuple[str, ...]
    n_unmatched: int
    unknown_columns: tuple[str, ...]

    def describe(self) -> Iterator[str]:
        """Lines for people: what of the table was of use, and what was not."""
        if self.unknown_columns:
            yield f"{self.where}: columns not known and not read: {', '.join(self.unknown_columns)}; {_WANTED}"
        rows = f", {self._unmatched_rows()}" if self.n_unmatched else ""
        yield f"{self.where}: {len(self.labels)} of {self.n_tracks} tracks labelled{rows}"

    def check(self) -> None:
        """Refuse a table that labels none of the tracks there are.

        Raises
        ------
        LabelError
            Saying how rows and tracks are called.
        """
        if self.n_tracks and not self.labels:
            rows = self._unmatched_rows() if self.n_unmatched else "its rows say nothing"
            unread = f"; not read: the columns {', '.join(self.unknown_columns)}" if self.unknown_columns else ""
            raise LabelError(
                f"{self.where} labels none of the {self.n_tracks} tracks: {rows}; a track is called "
                f"{self.track_example!r}{unread}. Paths may be relative to the CSV or to the input, or absolute"
            )

    def _unmatched_rows(self) -> str:
        named = ", ".join(map(repr, self.unmatched))
        return f"{self.n_unmatched} rows without a file (e.g. {named})"


def read_label_table(
    text: str, *, where: str, folders: Sequence[str], roots: Sequence[str], track_ids: Iterable[str]
) -> LabelTable:
    r"""Find the tracks that the rows of a label CSV name.

    A path is relative to the CSV's folder or to the input, whichever makes tracks of more rows, or absolute, or a
    URI. Where no track is called so to the letter, ``\`` is ``/``, and letters with accents are the same whether
    written as one character or as two (NFC, NFD).

    Parameters
    ----------
    text : str
        CSV with a header: ``path`` and any of ``genre``, ``artist``, ``split``, in any case and with spaces
        around them. An empty cell is unknown.
    where : str
        The file's name, for messages.
    folders : sequence of str
        URIs, or absolute paths, of the folders that a path may be relative to; the first wins a tie.
    roots : sequence of str
        URIs, or absolute paths, of the input root, which may be known by several.
    track_ids : iterable of str
        The tracks there are.

    Raises
    ------
    LabelError
        No ``path`` column or none of labels, an unknown split name, one path with two different labels, or no CSV.
    """
    names = _TrackNames(track_ids, roots)
    readings = [_Reading(folder, names) for folder in folders]
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True, skipinitialspace=True)
    try:
        columns, unknown = _parse_header(next((row for row in reader if row), []), where)
        for row in reader:
            path = row[columns["path"]] if columns["path"] < len(row) else ""
            if path and not path.isspace():
                _add_row(readings, path, row, columns, where=f"{where}, line {reader.line_num}")
    except csv.Error as exc:
        raise LabelError(f"{where} is no CSV: {exc} (line {reader.line_num})") from exc
    best = max(readings, key=lambda reading: reading.n_matched)
    if best.conflict:
        raise LabelError(best.conflict)
    return LabelTable(
        where=where,
        labels={track_id: labels for track_id, labels in best.labels.items() if labels != TrackLabels()},
        n_tracks=len(names.track_ids),
        track_example=min(names.track_ids, default=None),
        unmatched=tuple(best.unmatched),
        n_unmatched=best.n_unmatched,
        unknown_columns=unknown,
    )


class _TrackNames:
    """The tracks there are, by all the ways in which a full path may name them."""

    def __init__(self, track_ids: Iterable[str], roots: Sequence[str]) -> None:
        self.track_ids = frozenset(track_ids)
        self._by_form = {_form(track_id): track_id for track_id in self.track_ids}
        # Most rows of a large table may be of other files; of those this is the only thing that is looked at.
        self._last_parts = {_last_part(track_id) for track_id in self.track_ids}
        self._roots = [_split_uri(root) for root in roots]
        self._prefixes = [f"{path.rstrip('/')}/" for _, path in self._roots]

    def may_hold(self, path: str) -> bool:
        """Whether a track of this path's last part is there, whatever its folders are."""
        return "%" in path or _last_part(path) in self._last_parts

    def find(self, path: str, *, folder: str) -> str | None:
        """The track at a path, which may be relative to ``folder``."""
        stripped = path.strip()
        for spelling in dict.fromkeys((path, stripped, stripped.replace("\\", "/"))):
            for full in _full_paths(spelling, folder):
                track_id = self._find_full(*_split_uri(full))
                if track_id is not None:
                    return track_id
        return None

    def _find_full(self, file_system: str, path: str) -> str | None:
        normal = posixpath.normpath(path)
        for (own, _), prefix in zip(self._roots, self._prefixes, strict=True):
            # An absolute path without a scheme is of the input's file system, as is a URI without a host.
            if file_system and own and file_system not in (own, own.partition("://")[0]):
                continue
            if normal.startswith(prefix) and normal[len(prefix) :] in self.track_ids:
                return normal[len(prefix) :]
            form, form_of_prefix = _form(normal), _form(prefix)
            if form.startswith(form_of_prefix) and form[len(form_of_prefix) :] in self._by_form:
                return self._by_form[form[len(form_of_prefix) :]]
        return None


class _Reading:
    """The rows of a table, whose paths are taken to be relative to one folder."""

    def __init__(self, folder: str, names: _TrackNames) -> None:
        self._folder, self._names = folder, names
        self.labels: dict[str, TrackLabels] = {}
        self.n_matched = self.n_unmatched = 0
        self.unmatched: list[str] = []
        self.conflict: str | None = None

    def find(self, path: str) -> str | None:
        """The track of a row."""
        return self._names.find(path, folder=self._folder) if self._names.may_hold(path) else None

    def pass_over(self, path: str) -> None:
        """Count a row without a track."""
        self.n_unmatched += 1
        if len(self.unmatched) < _MAX_NAMED:
            self.unmatched.append(path.strip())

    def add(self, track_id: str, labels: TrackLabels, *, where: str) -> None:
        """Take the labels of a row's track."""
        self.n_matched += 1
        if self.labels.setdefault(track_id, labels) != labels and self.conflict is None:
            self.conflict = f"{where}: labels {track_id!r} a second time, and differently"


def _add_row(
    readings: Sequence[_Reading], path: str, row: Sequence[str], columns: Mapping[str, int], *, where: str
) -> None:
    labels = None
    for reading in readings:
        track_id = reading.find(path)
        if track_id is None:
            reading.pass_over(path)
        else:
            labels = labels or _parse_labels(row, columns, where)
            reading.add(track_id, labels, where=where)


def _full_paths(path: str, folder: str) -> Iterator[str]:
    if path.startswith("/"):
        yield path
    elif _URI.fullmatch(path):
        # Spark writes 'file:/my music', others 'file:///my%20music'.
        yield path
        if "%" in path:
            yield urllib.parse.unquote(path)
    else:
        yield f"{folder.rstrip('/')}/{path}"


def _split_uri(uri: str) -> tuple[str, str]:
    """``hdfs://host/x`` to ``hdfs://host`` and ``/x``; without a host, only its scheme; without a scheme, ''."""
    found = _URI.fullmatch(uri)
    if found is None:
        return "", uri
    scheme = found[1].lower()
    host = found[2] if scheme != "file" else None
    return _SAME_SCHEMES.get(scheme, scheme) + (f"://{host}" if host else ""), found[3] or ""


def _last_part(path: str) -> str:
    return _form(path.replace("\\", "/").rpartition("/")[2].strip())


def _form(path: str) -> str:
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _parse_header(header: Sequence[str], where: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Positions of the known columns, and the names of the others."""
    names = [name.strip().casefold() for name in header]
    columns = {name: i for i, name in enumerate(names) if name in ("path", *_LABELS)}
    if "path" not in columns or len(columns) == 1:
        raise LabelError(f"{where} has the columns {', '.join(map(repr, header)) or 'none'}; {_WANTED}")
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise LabelError(f"{where} has the column {twice[0]} twice; {_WANTED}")
    return columns, tuple(name.strip() for name in header if name.strip().casefold() not in ("", *columns))


def _parse_labels(row: Sequence[str], columns: Mapping[str, int], where: str) -> TrackLabels:
    cells = {name: row[i].strip() or None for name, i in columns.items() if name in _LABELS and i < len(row)}
    split = cells.get("split")
    if split is not None and split not in SPLIT_NAMES:
        raise LabelError(f"{where}: split is {split!r}; wanted one of {', '.join(SPLIT_NAMES)}, or nothing")
    return TrackLabels(**cells)
