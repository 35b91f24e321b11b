"""What a Python process is and has: looked at in the driver's, and by the executors' in themselves."""

import hashlib
import importlib.metadata
import io
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np

import deepsound
from deepsound.config import ExtractSettings
from deepsound.doctor.check import FAIL, OK, WARN, Check
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track

# The distributions that setup.py lists under EXECUTOR.
LIBRARIES = (
    *("numpy", "scipy", "pandas", "pyarrow", "PyYAML", "pydantic"),
    *("soundfile", "av", "soxr", "onnxruntime", "mutagen", "fsspec"),
)
FORMATS = ("wav", "flac", "ogg", "mp3", "m4a")
HOW_TO_PACK = (
    "make executor-env, and --archives build/deepsound-executor.tar.gz#environment with "
    "PYSPARK_PYTHON=./environment/bin/python"
)


def list_versions() -> dict[str, str | None]:
    """Of ``LIBRARIES``, None where one is missing, and of deepsound by its source: two checkouts may differ."""
    package, digest = pathlib.Path(deepsound.__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    installed = {found.name.lower(): found.version for found in importlib.metadata.distributions()}
    return {"deepsound": digest.hexdigest(), **{name: installed.get(name.lower()) for name in LIBRARIES}}


def check_code(driver: Mapping[str, str | None]) -> Check:
    """Whether this Python runs the driver's deepsound."""
    found = f"deepsound {deepsound.__version__} in {pathlib.Path(deepsound.__file__).parent}"
    advice = f"bring both to one state; a packed environment is of the day it was packed: {HOW_TO_PACK}"
    is_same = list_versions()["deepsound"] == driver["deepsound"]
    return (OK, found) if is_same else (FAIL, f"{found} is not the driver's", advice)


def check_libraries(driver: Mapping[str, str | None] | None = None) -> Check:
    """Whether all that an executor needs is there, and in the driver's versions."""
    here = {name: version for name, version in list_versions().items() if name != "deepsound"}
    if missing := [name for name, version in here.items() if version is None]:
        advice = f"pip install {' '.join(missing)} there, or pack an environment: {HOW_TO_PACK}"
        return FAIL, f"{', '.join(missing)} missing from {sys.executable}", advice
    if driver is None:
        return OK, ", ".join(f"{name} {version}" for name, version in here.items())
    others = [f"{name} {here[name]} (driver {driver[name]})" for name in here if here[name] != driver[name]]
    advice = f"numbers may differ between machines; the same versions everywhere: {HOW_TO_PACK}"
    return (WARN, ", ".join(others), advice) if others else (OK, f"the driver's versions of all {len(here)}")


def check_formats() -> Check:
    """Whether tiny sounds can be decoded."""
    failed = complain(FORMATS, look=try_decoding)
    advice = "pip install --upgrade soundfile av; their wheels bring the decoders along"
    return (FAIL, failed, advice) if failed else (OK, f"{', '.join(FORMATS)} decoded")


def check_folders(folders: Sequence[str], *, advice: str) -> Check:
    """Whether there is somewhere to write, and room."""
    if failed := complain(folders, look=try_writing):
        return FAIL, f"cannot write to {failed}", advice
    free_gb = min(shutil.disk_usage(_existing(folder)).free for folder in folders) / 1e9
    found = f"{', '.join(folders)}; {free_gb:.0f} GB free"
    return OK if free_gb >= 2 else WARN, found, f"make room, or: {advice}"


def check_threads(cpus_per_task: int, *, n_tasks: int) -> Check:
    """Whether numeric libraries keep to a task's cores, and ``n_tasks`` at a time to the machine's."""
    # A container or taskset can make them fewer than there are.
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "not set")
    found = f"{n_cores} cores, {cpus_per_task} per task, OMP_NUM_THREADS {allowed}"
    if not allowed.isdecimal() or int(allowed) > cpus_per_task:
        advice = f"--conf spark.executorEnv.OMP_NUM_THREADS={cpus_per_task}, or tasks get into each other's way"
        return WARN, found, advice
    advice = f"at most local[{max(1, n_cores // cpus_per_task)}], as more tasks only wait for cores"
    return OK if n_tasks * cpus_per_task <= n_cores else WARN, f"{found}, {n_tasks} tasks at a time", advice


def complain(names: Sequence[str], *, look: Callable[[str], None]) -> str:
    """What is wrong with each of the names; nothing where all is well."""
    complaints = []
    for name in names:
        try:
            look(name)
        except Exception as exc:  # the system's, or of any decoder
            complaints.append(f"{name}: {getattr(exc, 'strerror', None) or str(exc)[:200]}")
    return "; ".join(complaints)


def try_writing(folder: str) -> None:
    """Write a file that is gone at once, an error where that cannot be; a missing folder is not made."""
    tempfile.TemporaryFile(dir=_existing(folder), prefix=".deepsound-doctor-").close()


def _existing(folder: str) -> pathlib.Path:
    path = pathlib.Path(folder).absolute()
    return next(there for there in (path, *path.parents) if there.exists())


def try_decoding(container: str) -> None:
    """Make a second of a tone in one of the ``FORMATS`` and its features, an error where that cannot be."""
    import av
    import soundfile

    if container == "m4a":
        av.Codec("aac", "r")
        return
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(np.arange(26460) / 8), 22050, format=container.upper())
    outcome = extract_track(file, extractors=load_extractors(find_features(["mfcc"])), settings=ExtractSettings())
    if outcome.failure:
        raise ValueError(outcome.failure.error_detail)
