"""A label CSV against the tracks there are: which row is which track, and which rows and tracks are left over."""

import contextlib
import csv
import posixpath
import re
import unicodedata
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deepsound.data.labels import LABEL_NAMES, TrackLabels
from deepsound.errors import LabelError

_WANTED = "wanted path and any of genre, artist, split"
MAX_NAMED = 3
# file:/x, file:///x, s3a://bucket/x. A scheme of one letter is a drive of Windows.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://([^/]*))?(/.*)?", re.DOTALL)
# Spark's name for S3 against that of other tools.
_SAME_SCHEMES = {"s3": "s3a", "s3n": "s3a"}


@dataclass(frozen=True, kw_only=True)
class LabelRow(TrackLabels):
    """A row of a label CSV.

    Attributes
    ----------
    line : int
        Where it stands in the file.
    path : str
        As it stands there.
    names : tuple of tuple of str
        For each folder that the path may be relative to, the track_ids that it may mean, the likeliest first.
    """

    line: int
    path: str
    names: tuple[tuple[str, ...], ...]


class LabelReader:
    r"""The rows of a label CSV, one after the other.

    A path is relative to the CSV's folder or to the input, whichever makes tracks of more rows, or absolute, or a
    URI. Where no track is called so to the letter, ``\`` is ``/``, and letters with accents are the same whether
    written as one character or as two (NFC, NFD; see :func:`canonical_name`).

    Parameters
    ----------
    file : iterable of str
        The lines of a CSV with a header: ``path`` and any of ``genre``, ``artist``, ``split``, in any case and
        with spaces around them. An empty cell is unknown.
    where : str
        The file's name, for messages.
    folders : sequence of str
        URIs, or absolute paths, of the folders that a path may be relative to; the first wins a tie.
    roots : sequence of str
        URIs, or absolute paths, of the input root, which may be known by several.

    Attributes
    ----------
    unknown_columns : tuple of str
        Columns that are not read.

    Raises
    ------
    LabelError
        No ``path`` column or none of labels, or no CSV.
    """

    def __init__(self, file: Iterable[str], *, where: str, folders: Sequence[str], roots: Sequence[str]) -> None:
        self._where, self._folders = where, tuple(folders)
        parts = [_split_uri(root) for root in roots]
        prefixes = [(own, f"{path.rstrip('/')}/") for own, path in parts]
        self._roots = [(own, prefix, canonical_name(prefix)) for own, prefix in prefixes]
        self._reader = csv.reader(_without_mark(file), strict=True, skipinitialspace=True)
        with self._csv_errors():
            header = next((row for row in self._reader if row), [])
        self._columns, self.unknown_columns = _parse_header(header, where)

    def rows(self) -> Iterator[LabelRow]:
        """All rows with a path; raises :class:`LabelError` where the file ceases to be a CSV."""
        with self._csv_errors():
            for row in self._reader:
                cells = {name: row[i] for name, i in self._columns.items() if i < len(row)}
                path = cells.pop("path", "")
                if path and not path.isspace():
                    labels = {name: cells.get(name, "").strip() or None for name in LABEL_NAMES}
                    names = tuple(tuple(self._names_of(path, folder)) for folder in self._folders)
                    yield LabelRow(line=self._reader.line_num, path=path.strip(), names=names, **labels)

    def _names_of(self, path: str, folder: str) -> Iterable[str]:
        """What a track at a path, which may be relative to ``folder``, may be called, each name once."""
        stripped = path.strip()
        spellings = dict.fromkeys((path, stripped, stripped.replace("\\", "/")))
        fulls = (full for spelling in spellings for full in _full_paths(spelling, folder))
        return dict.fromkeys(name for full in fulls for name in self._names_below(*_split_uri(full)))

    def _names_below(self, file_system: str, path: str) -> Iterator[str]:
        normal = posixpath.normpath(path)
        canonical = canonical_name(normal)
        for own, prefix, canonical_prefix in self._roots:
            # An absolute path without a scheme is of the input's file system, as is a URI without a host.
            if file_system and own and file_system not in (own, own.partition("://")[0]):
                continue
            if normal.startswith(prefix):
                yield normal[len(prefix) :]
            elif canonical.startswith(canonical_prefix):
                yield canonical[len(canonical_prefix) :]

    @contextlib.contextmanager
    def _csv_errors(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as exc:
            raise LabelError(f"{self._where} is no CSV: {exc} (line {self._reader.line_num})") from exc


@dataclass(frozen=True, kw_only=True)
class LabelMatch:
    """What came of holding a label CSV against the tracks there are.

    Attributes
    ----------
    where : str
        The file's name, for messages.
    n_labelled, n_tracks : int
        Tracks that have got a label, and all.
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
    n_labelled: int
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
        yield f"{self.where}: {self.n_labelled} of {self.n_tracks} tracks labelled{rows}"

    def check(self) -> None:
        """Refuse a table that labels none of the tracks there are.

        Raises
        ------
        LabelError
            Saying how rows and tracks are called.
        """
        if self.n_tracks and not self.n_labelled:
            rows = self._unmatched_rows() if self.n_unmatched else "its rows say nothing"
            unread = f"; not read: the columns {', '.join(self.unknown_columns)}" if self.unknown_columns else ""
            raise LabelError(
                f"{self.where} labels none of the {self.n_tracks} tracks: {rows}; a track is called "
                f"{self.track_example!r}{unread}. Paths may be relative to the CSV or to the input, or absolute"
            )

    def _unmatched_rows(self) -> str:
        named = ", ".join(map(repr, self.unmatched))
        return f"{self.n_unmatched} rows without a file (e.g. {named})"


def canonical_name(name: str) -> str:
    """A name as it compares: letters with accents in one way of writing (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    """Lines without the mark that some editors put before the first."""
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if number == 0 else line


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


def _parse_header(header: Sequence[str], where: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Positions of the known columns, and the names of the others."""
    names = [name.strip().casefold() for name in header]
    columns = {name: i for i, name in enumerate(names) if name in ("path", *LABEL_NAMES)}
    if "path" not in columns or len(columns) == 1:
        raise LabelError(f"{where} has the columns {', '.join(map(repr, header)) or 'none'}; {_WANTED}")
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise LabelError(f"{where} has the column {twice[0]} twice; {_WANTED}")
    return columns, tuple(name.strip() for name in header if name.strip().casefold() not in ("", *columns))
