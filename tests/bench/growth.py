"""What a file costs in a collection ten times as large, and what a second core brings."""

import pathlib
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from tests.bench.jobs import bench_environment, extract_command, write_noise
from tests.bench.measure import BenchLine, ProcessTree, measure_processes

# The first is for what every run costs, however few files there are.
_N_FILES = (40, 400, 4000)
_SHORT_S = (1.0, 1.25, 1.5, 1.75, 2.0)
_N_CLIPS = (40, 480)
_CLIP_S = 30.0
_N_ROUNDS = 2


def run() -> Iterator[BenchLine]:
    """Extraction of MFCCs by the real job; differences of runs, so that start-up falls out."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        root = pathlib.Path(scratch)
        yield from _growth(root)
        yield from _speedup(root)


def _growth(root: pathlib.Path) -> Iterator[BenchLine]:
    folders = [write_noise(root / f"short-{n}", n, seconds=_SHORT_S, sample_rate_hz=8000) for n in _N_FILES]
    # The least of each counts, as what else the machine does only adds.
    rounds = [[_extract(folder, n_cores=1) for folder in folders] for _ in range(_N_ROUNDS)]
    for name, cost_of in _COSTS.items():
        start_s, small_s, large_s = (min(cost_of(tree) for tree in trees) for trees in zip(*rounds, strict=True))
        small_ms = 1000 * (small_s - start_s) / (_N_FILES[1] - _N_FILES[0])
        large_ms = 1000 * (large_s - start_s) / (_N_FILES[2] - _N_FILES[0])
        ratio = large_ms / small_ms
        yield BenchLine(
            name=f"extract job, {name} a file of 1 to 2 s, {_N_FILES[1]} and {_N_FILES[2]} files",
            figure=f"{small_ms:.1f} ms, {large_ms:.1f} ms: {ratio:.2f} x",
            target="<= 1.10 x",
            is_met=ratio <= 1.10,
        )


def _speedup(root: pathlib.Path) -> Iterator[BenchLine]:
    folders = [write_noise(root / f"clips-{n}", n, seconds=[_CLIP_S], sample_rate_hz=22050) for n in _N_CLIPS]
    runs = [(folder, n_cores) for n_cores in (1, 2) for folder in folders]
    rounds = [[_extract(folder, n_cores=n_cores).wall_s for folder, n_cores in runs] for _ in range(_N_ROUNDS)]
    least = np.min(rounds, axis=0).reshape(2, 2)
    seconds = np.diff(least)[:, 0] / (_N_CLIPS[1] - _N_CLIPS[0])
    ratio = seconds[0] / seconds[1]
    yield BenchLine(
        name=f"extract job, wall time a clip of {_CLIP_S:g} s on one core and on two",
        figure=f"{1000 * seconds[0]:.0f} ms, {1000 * seconds[1]:.0f} ms: {ratio:.2f} x",
        target=">= 1.8 x",
        is_met=ratio >= 1.8,
    )


def _extract(folder: pathlib.Path, *, n_cores: int) -> ProcessTree:
    # A new folder each time: into an old one, a job might not do its work again.
    output = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
    return measure_processes(
        extract_command(folder, output=output, n_cores=n_cores), env=bench_environment(folder.parent)
    )


_COSTS: dict[str, Callable[[ProcessTree], float]] = {
    "wall time": lambda tree: tree.wall_s,
    "CPU time": lambda tree: tree.total_cpu_s,
}
