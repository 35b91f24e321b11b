"""What ``deepsound doctor`` predicts from 24 of 400 clips, against the real job through ``spark-submit``."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from tests.bench.measure import BenchLine
from tests.sounds import encode

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_N_CLIPS = 400
_RATE_HZ = 22050
_FORMATS = ("wav", "flac", "ogg", "mp3", "m4a")
# Cheap features, where start-up is most of it, and a full-size network, where it is next to nothing.
_FEATURES = {"mfcc": (), "vggish": ("--set", "network=random:0", "--set", "features=[vggish]")}
_TARGET = 0.25


def run() -> Iterator[BenchLine]:
    """Wall time and size of the output, predicted and real."""
    with tempfile.TemporaryDirectory(prefix="deepsound-bench-") as scratch:
        folder = pathlib.Path(scratch)
        _write_clips(folder / "clips")
        environment = {
            **os.environ,
            "DEEPSOUND_CACHE_DIR": str(folder / "cache"),
            "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        for feature, settings in _FEATURES.items():
            predicted_s, predicted_mb = _ask(folder, settings, environment)
            real_s, real_mb = _run_job(folder, feature, settings, environment)
            yield _compare(f"{feature}, {_N_CLIPS} clips: wall time, s", predicted_s, real_s)
            yield _compare(f"  {feature}: size of the output, MB", predicted_mb, real_mb)


def _compare(name: str, predicted: float, real: float) -> BenchLine:
    error = predicted / real - 1
    return BenchLine(
        name=name,
        figure=f"predicted {predicted:.1f}, real {real:.1f}: {error:+.0%}",
        target=f"+-{_TARGET:.0%}",
        is_met=abs(error) <= _TARGET,
    )


def _ask(folder: pathlib.Path, settings: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    command = [sys.executable, "-m", "deepsound.cli", "doctor", "--input", str(folder / "clips"), *settings]
    output = _run(command, folder, environment)
    wall = re.search(r"wall time +([\d.]+) hours", output)
    size = re.search(r"output +([\d.]+) GB", output)
    if wall is None or size is None:
        raise RuntimeError(f"the doctor predicted nothing: {output[-2000:]}")
    return 3600 * float(wall[1]), 1000 * float(size[1])


def _run_job(
    folder: pathlib.Path, feature: str, settings: Sequence[str], environment: dict[str, str]
) -> tuple[float, float]:
    output = folder / f"features-{feature}"
    where = ("--properties-file", str(_ROOT / "conf" / "spark" / "local.conf"))
    paths = ("--input", str(folder / "clips"), "--output", str(output))
    command = ["spark-submit", *where, str(_ROOT / "jobs" / "extract.py"), *paths, *settings]
    started = time.monotonic()
    _run(command, folder, environment)
    wall_s = time.monotonic() - started
    tables = [path for table in ("segments", "tracks") for path in (output / table).glob("*.parquet")]
    return wall_s, sum(path.stat().st_size for path in tables) / 1e6


def _run(command: Sequence[str], folder: pathlib.Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def _write_clips(folder: pathlib.Path) -> None:
    """Clips of 5 to 60 s in five formats; a few of minutes among them, as collections have."""
    rng = np.random.default_rng(0)
    for number in range(_N_CLIPS):
        duration_s = rng.uniform(180, 300) if number % 80 == 7 else rng.uniform(5, 60)
        time_s = np.arange(round(duration_s * _RATE_HZ)) / _RATE_HZ
        tone = 0.4 * np.sin(2 * np.pi * rng.uniform(80, 3000) * time_s)
        waveform = (tone + 0.1 * rng.normal(size=len(time_s))).clip(-1, 1).astype(np.float32)
        name = _FORMATS[number % len(_FORMATS)]
        path = folder / f"genre{number % 3}" / f"{number:04d}.{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "m4a":
            path.write_bytes(encode("ipod", "aac", _RATE_HZ, "mono", seconds=duration_s))
        else:
            with soundfile.SoundFile(path, "w", _RATE_HZ, channels=1, format=name.upper()) as file:
                # In pieces: given minutes at once, libsndfile 1.2.2 overflows its stack over Ogg Vorbis.
                for first in range(0, len(waveform), _RATE_HZ):
                    file.write(waveform[first : first + _RATE_HZ])
