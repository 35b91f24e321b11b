"""Splits as published: one text file a split, one track a line, such as GTZAN's fault-filtered lists.

Source of that custom: C. Kereliuk, B. L. Sturm, J. Larsen, "Deep learning and music adversaries", IEEE
Transactions on Multimedia 17(11), 2015; their ``train_filtered.txt`` has lines such as ``blues/blues.00029.wav``.
"""

import pathlib
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepsound.errors import SplitError, first_line

# A number is no extension: blues.00029 is a whole name.
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_MAX_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class ListedSplits:
    """What lists make of a collection.

    Attributes
    ----------
    splits : dict of str to str
        track_id to split, of the tracks that a list names.
    unknown : dict of str to list of str
        Split to the lines of its list that name no track.
    """

    splits: dict[str, str]
    unknown: dict[str, list[str]]

    def describe_unknown(self) -> list[str]:
        """One line about each list of which lines name nothing."""
        return [
            f"{len(lines)} lines of the {split} list name no readable, labelled track: "
            + ", ".join(lines[:_MAX_NAMED])
            + (", …" if len(lines) > _MAX_NAMED else "")
            for split, lines in self.unknown.items()
            if lines
        ]


def read_split_list(path: str) -> list[str]:
    """The lines of a list; empty ones and those that start with ``#`` are left out.

    Raises
    ------
    SplitError
        If the file cannot be read as text.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise SplitError(f"cannot read the split list {path}: {first_line(exc)}") from exc
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def match_split_lists(track_ids: Sequence[str], lists: Mapping[str, Sequence[str]]) -> ListedSplits:
    """Find the tracks that lists name.

    A line names a track if both end in the same parts, as far as the shorter goes; the extension counts only where
    it tells two tracks apart. So ``blues/blues.00029.wav``, ``blues.00029`` and ``genres/blues/blues.00029.au``
    are all the track ``blues/blues.00029.au``. Letters with accents are the same written as one character or two.

    Parameters
    ----------
    lists : mapping of str to sequence of str
        Split to lines.

    Raises
    ------
    SplitError
        No line is a track, a line could be several, or a track is in two lists.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for track_id in track_ids:
        for name in _names_of(track_id):
            by_name[name].append(track_id)
    splits: dict[str, str] = {}
    unknown: dict[str, list[str]] = {split: [] for split in lists}
    for split, lines in lists.items():
        for line in lines:
            found = _find_track(line, by_name)
            if found is None:
                unknown[split].append(line)
            elif splits.setdefault(found, split) != split:
                raise SplitError(f"the track {found} is in two split lists: {splits[found]} and {split}")
    if not splits:
        n_lines = sum(map(len, lists.values()))
        example = next((line for lines in lists.values() for line in lines), "nothing")
        raise SplitError(
            f"none of the {n_lines} lines of the split lists is a track: they say {example!r}, "
            f"the tracks are called {next(iter(track_ids), 'nothing')!r}"
        )
    return ListedSplits(splits=splits, unknown=unknown)


def _names_of(path: str) -> list[str]:
    """The last part of a path, as it is and without its extension."""
    name = unicodedata.normalize("NFC", posixpath.basename(path))
    return list(dict.fromkeys([name, _EXTENSION.sub("", name)]))


def _find_track(line: str, by_name: Mapping[str, Sequence[str]]) -> str | None:
    path = posixpath.normpath(line.replace("\\", "/"))
    folders = _folders_of(path)
    for name in _names_of(path):
        found = [track_id for track_id in by_name.get(name, ()) if _agree(folders, _folders_of(track_id))]
        # Two that differ in the extension alone are told apart by it.
        found = [track_id for track_id in found if track_id.endswith(posixpath.basename(path))] or found
        if len(found) > 1:
            raise SplitError(
                f"the line {line!r} of a split list could be {' or '.join(sorted(found)[:_MAX_NAMED])}"
            )
        if found:
            return found[0]
    return None


def _folders_of(path: str) -> list[str]:
    return unicodedata.normalize("NFC", path).split("/")[:-1]


def _agree(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two chains of folders are the same, as far up as the shorter goes."""
    return all(a == b for a, b in zip(reversed(one), reversed(other), strict=False))
