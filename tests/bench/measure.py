"""What a bench line is, and how processes are measured (Linux)."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

_POLL_S = 0.1
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class BenchLine:
    """One figure against its target. ``is_met`` is None for a figure without a target."""

    name: str
    figure: str
    target: str = ""
    is_met: bool | None = None


@dataclass(frozen=True)
class ProcessTree:
    """What a command and all its descendants used, by process id, and how long the command took."""

    cpu_s: dict[int, float] = field(default_factory=dict)
    peak_gb: dict[int, float] = field(default_factory=dict)
    command_lines: dict[int, str] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def total_cpu_s(self) -> float:
        """User and system time of all of them."""
        return sum(self.cpu_s.values())

    def peak_gb_of(self, marker: str) -> float:
        """The largest peak resident memory among the processes with ``marker`` in their command line."""
        return max(gb for pid, gb in self.peak_gb.items() if marker in self.command_lines[pid])


def measure_alternately(
    *runs: Callable[[], object],
    n_rounds: int,
    n_in_a_row: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each run, the least of all: what else a machine does only adds.

    The runs take turns, so that a slow minute hits all of them, but several in a row, as each leaves threads
    behind that look for more work for a while. By ``time.process_time``, seconds of all cores together.
    """
    best = [float("inf")] * len(runs)
    for _ in range(n_rounds):
        for i, run in enumerate(runs):
            for _ in range(n_in_a_row):
                started = clock()
                run()
                best[i] = min(best[i], clock() - started)
    return best


def measure_processes(command: Sequence[str], *, env: dict[str, str]) -> ProcessTree:
    """Run a command and watch all processes of its session; each may lose its last tenth of a second.

    Raises
    ------
    RuntimeError
        If the command fails; with the end of what it said.
    """
    seen = ProcessTree()
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        # A session of its own: Spark's workers change their group and outlive their parent, but stay in it.
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
        while process.poll() is None:
            _look(process.pid, seen)
            time.sleep(_POLL_S)
        wall_s = time.perf_counter() - started
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {output.read()[-2000:]}")
    return replace(seen, wall_s=wall_s)


def _look(session: int, seen: ProcessTree) -> None:
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        # A process may end between two looks at it.
        with contextlib.suppress(OSError, StopIteration):
            # The name, in parentheses, may hold spaces; state is the first field behind it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) != session:
                continue
            pid = int(folder.name)
            command_line = (folder / "cmdline").read_text()
            if not command_line:
                continue  # it has ended and only waits to be reaped
            seen.command_lines[pid] = command_line
            seen.cpu_s[pid] = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
            status = (folder / "status").read_text().splitlines()
            peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
            seen.peak_gb[pid] = int(peak) * 1024 / 1e9
