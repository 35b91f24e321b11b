"""The audio files of a folder on this machine, whatever else lies there: loops of links, pipes, closed doors."""

import os
import pathlib
import posixpath
import re
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Files with these endings are inputs, whether the decoder knows them or not: what it does not know is a failed
# row. Anything else in a music folder (covers, playlists, manifests) is no track.
AUDIO_EXTENSIONS = (
    *("wav", "wave", "flac", "ogg", "oga", "opus", "mp3", "au", "snd", "aiff", "aif", "aifc"),
    *("m4a", "m4b", "mp4", "aac", "wma", "mka", "webm", "wv", "ape", "mp2", "w64", "rf64", "caf"),
    *("spx", "weba", "mpc", "tta", "tak", "dsf", "dff", "ac3", "eac3", "ec3", "dts", "amr", "awb", "3gp", "3ga"),
)
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_MAX_ENDINGS_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    r"""An input of an extraction.

    Attributes
    ----------
    track_id : str
        Path below the root, ``/`` between parts; bytes of a name that are no UTF-8 are written ``\xff``.
    native : bytes
        The absolute path as the system knows it.
    size_bytes, modified_ms : int
        ``modified_ms`` is in milliseconds since 1970, 0 where it cannot be told.
    problem : str or None
        Why this cannot be read: no file but a pipe, a broken link, a folder that may not be entered.
    """

    track_id: str
    native: bytes
    size_bytes: int = 0
    modified_ms: int = 0
    problem: str | None = None


class LeftOut:
    """The files of a folder that are no inputs, counted one by one, by their paths below the root.

    Attributes
    ----------
    by_ending : Counter of str
        ``.jpg`` and the like, in lower case; '' for names without one.
    n_hidden : int
        Files that are hidden, or lie in a hidden folder, whatever their ending.
    """

    def __init__(self, track_ids: Iterable[str] = ()) -> None:
        self.by_ending: Counter[str] = Counter()
        self.n_hidden = 0
        # One of each, of the hidden ones an audio file if any is.
        self._example: str | None = None
        self._hidden_example: str | None = None
        for track_id in track_ids:
            self.add(track_id)

    def add(self, track_id: str) -> None:
        """Count a file."""
        if any(map(is_hidden, track_id.split("/"))):
            self.n_hidden += 1
            if self._hidden_example is None or (
                is_audio_name(track_id) and not is_audio_name(self._hidden_example)
            ):
                self._hidden_example = track_id
        else:
            found = _ENDING.search(track_id)
            self.by_ending[found[0].lower() if found else ""] += 1
            self._example = self._example or track_id

    def counts(self) -> dict[str, int]:
        """``left_out`` of ``extract.json``: the most frequent ending first, ``hidden`` last."""
        ordered = sorted(self.by_ending.items(), key=lambda item: (-item[1], item[0]))
        named = {ending or "without an ending": n for ending, n in ordered}
        return {**named, "hidden": self.n_hidden} if self.n_hidden else named

    def describe(self) -> str | None:
        """One line for people; None where nothing was left out."""
        endings = self.counts()
        endings.pop("hidden", None)
        told = [f"{n} {ending}" for ending, n in list(endings.items())[:_MAX_ENDINGS_TOLD]]
        n_others = sum(list(endings.values())[_MAX_ENDINGS_TOLD:])
        told += [f"{n_others} others"] if n_others else []
        told += [f"{self.n_hidden} hidden"] if self.n_hidden else []
        if not told:
            return None
        examples = ", ".join(repr(name) for name in (self._hidden_example, self._example) if name is not None)
        n_files = sum(endings.values()) + self.n_hidden
        return f"{n_files} files left out: {', '.join(told)}" + (f" (e.g. {examples})" if examples else "")


def is_hidden(name: str) -> bool:
    """Whether Spark, and so everything here, passes over a name."""
    return name.startswith(("_", "."))


def is_audio_name(name: str) -> bool:
    """Whether a name ends as one of an audio file does."""
    return name.rpartition(".")[2].lower() in AUDIO_EXTENSIONS and "." in name


def walk_folder(root: str, *, left_out: LeftOut) -> Iterator[ListedFile]:
    """All audio files below a folder, folder by folder; the others are counted.

    Links are followed. A folder that can be reached in several ways is read once, by its own path rather than by
    a link's, so that loops of links end. What stands in the way of a file or of a whole folder becomes its
    ``problem``, so that it is seen.

    Parameters
    ----------
    root : str
        An absolute path.
    left_out : LeftOut
        Counts what is no input.

    Raises
    ------
    OSError
        If the root itself cannot be listed.
    """
    plain: deque[tuple[str, str]] = deque([(root, "")])
    linked: deque[tuple[str, str]] = deque()
    hidden: list[tuple[str, str]] = []
    visited: set[tuple[int, int]] = set()
    while plain or linked:
        # Own paths first: what a link leads to may turn up on its own.
        folder, track_id = (plain or linked).popleft()
        try:
            if not _is_first_visit(folder, visited):
                continue
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as exc:
            if not track_id:
                raise
            yield _problem(folder, track_id, f"the folder cannot be listed: {exc.strerror}")
            continue
        for entry in entries:
            below = posixpath.join(track_id, entry.name)
            if is_hidden(entry.name):
                if entry.is_dir(follow_symlinks=False):
                    hidden.append((entry.path, below))
                else:
                    left_out.add(_printable(below))
            elif _is_folder(entry):
                (linked if entry.is_symlink() else plain).append((entry.path, below))
            elif is_audio_name(entry.name):
                yield _look_at(entry.path, below)
            else:
                left_out.add(_printable(below))
    # Last: a link may lead into a hidden folder, whose files are then none that are left out.
    for place in hidden:
        for name in _files_below(*place, visited):
            left_out.add(name)


def _is_first_visit(folder: str, visited: set[tuple[int, int]]) -> bool:
    status = pathlib.Path(folder).stat()
    is_first = (status.st_dev, status.st_ino) not in visited
    visited.add((status.st_dev, status.st_ino))
    return is_first


def _files_below(path: str, track_id: str, visited: set[tuple[int, int]]) -> Iterator[str]:
    """All files below a folder; no link is followed, and what cannot be listed is passed over."""
    for folder, folders, names in os.walk(path):
        if not _is_first_visit(folder, visited):
            folders.clear()
            continue
        for name in names:
            yield _printable(posixpath.join(track_id, os.path.relpath(folder, path), name)).replace("/./", "/")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _look_at(path: str, track_id: str) -> ListedFile:
    try:
        status = pathlib.Path(path).stat()
    except OSError as exc:
        what = "a link that leads nowhere" if pathlib.Path(path).is_symlink() else "it cannot be looked at"
        return _problem(path, track_id, f"{what}: {exc.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return _problem(path, track_id, f"no file but a {_kind_of(status.st_mode)}")
    return ListedFile(
        track_id=_printable(track_id),
        native=os.fsencode(path),
        size_bytes=status.st_size,
        modified_ms=status.st_mtime_ns // 1_000_000,
    )


def _problem(path: str, track_id: str, problem: str) -> ListedFile:
    return ListedFile(track_id=_printable(track_id), native=os.fsencode(path), problem=problem)


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _kind_of(mode: int) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(mode), "special file")
