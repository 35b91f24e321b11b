"""What a Python worker takes for a mix of hours, beside what it takes for a clip."""

import pathlib
import tempfile
from collections.abc import Iterator

from tests.bench.jobs import bench_environment, extract_command
from tests.bench.measure import BenchLine, measure_processes
from tests.sounds import write_long

_MIX_S = 3 * 3600
_CLIP_S = 30
_SAMPLE_RATE_HZ = 16000


def run() -> Iterator[BenchLine]:
    """Peak resident memory of the largest worker, by the real job over one file each."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        root = pathlib.Path(scratch)
        for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16")):
            clip_gb, mix_gb = (
                _measure_peak_gb(root, container, subtype, seconds) for seconds in (_CLIP_S, _MIX_S)
            )
            yield BenchLine(
                name=f"largest worker, peak memory: one {container} of {_CLIP_S} s and of {_MIX_S / 3600:g} h",
                figure=f"{clip_gb:.2f} GB, {mix_gb:.2f} GB: {mix_gb - clip_gb:+.2f} GB",
                target="<= +0.30 GB",
                is_met=mix_gb - clip_gb <= 0.3,
            )


def _measure_peak_gb(root: pathlib.Path, container: str, subtype: str, seconds: int) -> float:
    folder = root / f"{container}-{seconds}"
    (folder / "noise").mkdir(parents=True)
    path = folder / "noise" / f"noise.00000.{container.lower()}"
    write_long(path, container=container, subtype=subtype, sample_rate_hz=_SAMPLE_RATE_HZ, seconds=seconds)
    command = extract_command(folder, output=root / f"{folder.name}-features")
    peak_gb = measure_processes(command, env=bench_environment(root)).peak_gb_of("pyspark.daemon")
    path.unlink()
    return peak_gb
