"""The extraction job as a bench runs it, and folders of noise for it."""

import os
import pathlib
import sys
from collections.abc import Iterable

import numpy as np
import soundfile

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def bench_environment(scratch: pathlib.Path) -> dict[str, str]:
    """One numeric thread a process, and a cache of networks that ends with the bench."""
    return {
        **os.environ,
        "DEEPSOUND_CACHE_DIR": str(scratch / "cache"),
        "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }


def extract_command(folder: pathlib.Path, *settings: str, output: pathlib.Path, n_cores: int = 1) -> list[str]:
    """``spark-submit jobs/extract.py`` on so many cores of this machine."""
    log_settings = (_ROOT / "deepsound" / "spark" / "log4j2.properties").as_uri()
    return [
        *("spark-submit", "--master", f"local[{n_cores}]", "--conf", "spark.ui.enabled=false"),
        *("--driver-java-options", f"-Dlog4j2.configurationFile={log_settings}"),
        *(str(_ROOT / "jobs" / "extract.py"), "--input", str(folder), "--output", str(output)),
        *(part for setting in settings for part in ("--set", setting)),
    ]


def write_noise(
    folder: pathlib.Path, n_files: int, *, seconds: Iterable[float], sample_rate_hz: int
) -> pathlib.Path:
    """16-bit WAV files of these lengths in turn, in one genre's folder; the same every time."""
    rng = np.random.default_rng(n_files)
    (folder / "noise").mkdir(parents=True)
    lengths = list(seconds)
    for i in range(n_files):
        clip = rng.uniform(-0.5, 0.5, round(lengths[i % len(lengths)] * sample_rate_hz)).astype(np.float32)
        soundfile.write(folder / "noise" / f"noise.{i:05d}.wav", clip, sample_rate_hz)
    return folder
