"""What Spark adds to the bare functions, and how much memory a worker takes; full-size VGGish, random weights."""

import pathlib
import sys
import tempfile
from collections.abc import Iterator

from tests.bench.jobs import bench_environment, extract_command, write_noise
from tests.bench.measure import BenchLine, measure_processes

_N_FILES = (40, 160)
_CLIP_S = 30
_NETWORK = "random:0"
_SEGMENT_S = 10.0

_BARE_LOOP = f"""
import pathlib, sys
from deepsound.config import ExtractSettings
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track
from deepsound.networks.prepare import prepare_networks
settings = ExtractSettings(features=("vggish",), network="{_NETWORK}", segment_s={_SEGMENT_S})
extractors = load_extractors(
    find_features(settings.features),
    networks=prepare_networks(settings.features, network=settings.network, report=print),
)
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.wav")):
    with path.open("rb") as file:
        outcome = extract_track(file, extractors=extractors, settings=settings)
    assert outcome.failure is None, outcome
"""


def run() -> Iterator[BenchLine]:
    """CPU time per file, from two sizes, so that start-up falls out; one core on both sides."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        environment = bench_environment(pathlib.Path(scratch))
        folders = [
            write_noise(pathlib.Path(scratch) / str(n), n, seconds=[_CLIP_S], sample_rate_hz=22050)
            for n in _N_FILES
        ]
        loop = [sys.executable, "-c", _BARE_LOOP]
        # Converts the network, so that no measured run has to.
        measure_processes([*loop, str(pathlib.Path(scratch) / "none")], env=environment)
        bare = [measure_processes([*loop, str(folder)], env=environment) for folder in folders]
        spark = [measure_processes(_spark_job(folder), env=environment) for folder in folders]
    n_more = _N_FILES[1] - _N_FILES[0]
    bare_s, spark_s = ((large.total_cpu_s - small.total_cpu_s) / n_more for small, large in (bare, spark))
    ratio = spark_s / bare_s
    yield BenchLine(
        name=f"extract job and bare loop, CPU time a file of {_CLIP_S} s ({_N_FILES[0]} to {_N_FILES[1]} files)",
        figure=f"Spark {spark_s:.3f} s, loop {bare_s:.3f} s: {ratio:.3f} x",
        target="<= 1.10 x",
        is_met=ratio <= 1.10,
    )
    peak = max(tree.peak_gb_of("pyspark.daemon") for tree in spark)
    yield BenchLine(
        name="  largest Python worker of the job, peak resident memory",
        figure=f"{peak:.2f} GB",
        target="<= 1.2 GB",
        is_met=peak <= 1.2,
    )


def _spark_job(folder: pathlib.Path) -> list[str]:
    settings = ("features=[vggish]", f"network={_NETWORK}", f"segment_s={_SEGMENT_S}")
    return extract_command(folder, *settings, output=folder.with_name(f"{folder.name}-features"))
