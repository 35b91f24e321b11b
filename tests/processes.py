"""The processes of this machine (Linux), to find one of Spark's and to see what it does."""

import contextlib
import os
import pathlib
from dataclasses import dataclass

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process; ``cpu_s`` is its user and system time so far."""

    pid: int
    parent: int
    session: int
    cpu_s: float
    command: str


def list_processes():
    """All processes that run; one that has ended and waits to be reaped is left out."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        # A process may end between two looks at it.
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold spaces; state is the first field behind it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_text().replace("\0", " ").strip()
            if command:
                cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
                ids = {"pid": int(folder.name), "parent": int(fields[1]), "session": int(fields[3])}
                found.append(Process(**ids, cpu_s=cpu_s, command=command))
    return found
