"""Whose a folder of results is, and which of the runs that were started on it may write there: the latest."""

import json
import os
import socket
import time
from collections.abc import Collection, Mapping
from typing import Any

from deepsound.documents import parse_json
from deepsound.errors import InputError, OutputError
from deepsound.spark.hadoop import PART, HadoopPath


class Lease:
    """The lease of this run on a folder, kept in a file of it.

    No run waits for another: the one before may have been killed, and says so to nobody. Whoever begins last has
    the folder; whoever finds that out stops, and has changed nothing that counts since it last asked.

    Parameters
    ----------
    folder : HadoopPath
    name : str
        Of the file.
    work : str
        What runs there, for people: ``extraction``.

    Attributes
    ----------
    token : str
        The name of this run, like that of no other: a name for a folder of its own.
    """

    def __init__(self, folder: HadoopPath, name: str, *, work: str) -> None:
        self._folder, self._file, self._work = folder, folder.child(name), work
        self.token = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"

    def make(self, state: Mapping[str, Any] | None = None) -> None:
        """Say that this run is at work here, and what else there is to say; no run before it may write now."""
        self._file.write_text(json.dumps({**(state or {}), "run": self.token}, indent=2))

    def check(self) -> None:
        """Raise :class:`OutputError` if another run has begun here since."""
        found = read_json(self._file).get("run")
        if found != self.token:
            # The one that has finished takes its file away.
            by = f"({found})" if found else "and is over"
            raise OutputError(f"another {self._work} has begun in {self._folder.uri} {by}; this one stops")


def read_json(file: HadoopPath) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none, or half of one."""
    try:
        document = parse_json(file.read_text())
    except (ValueError, InputError):
        return {}
    return document if isinstance(document, dict) else {}


def check_holds_only(folder: HadoopPath, ours: Collection[str], *, output_path: str) -> None:
    """Refuse an output that is a file, or holds anything but entries of these names and what a killed run leaves.

    Raises
    ------
    OutputError
        Naming what is not ours.
    """
    if not folder.is_folder():
        raise OutputError(f"the output {output_path} is a file; wanted a folder")
    strangers = sorted(
        name for name in folder.names() if not (name in ours or _is_leftover(name, ours) or name.endswith(".crc"))
    )
    if strangers:
        raise OutputError(
            f"the output {output_path} holds {', '.join(strangers[:3])}, which is not ours; give a new folder"
        )


def remove_leftovers(folder: HadoopPath, ours: Collection[str]) -> None:
    """Remove the half-written files of runs that were killed."""
    for name in folder.names():
        if _is_leftover(name, ours):
            folder.child(name).delete()


def _is_leftover(name: str, ours: Collection[str]) -> bool:
    """Whether a file is named as one of ours that is not finished: ``name.part`` or ``name.<word>.part``."""
    stem = name.removesuffix(PART)
    return stem != name and (stem in ours or stem.rpartition(".")[0] in ours)
