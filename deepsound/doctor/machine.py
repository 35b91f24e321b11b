"""What one Python process is and has: looked at in the driver's and in the executors', and compared.

Whatever crosses from an executor to the driver does so as plain values, since the two may hold different versions
of this very module.
"""

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import deepsound
from deepsound.doctor.sounds import FORMATS, try_decoding

# The distributions that setup.py lists under EXECUTOR.
LIBRARIES = (
    *("numpy", "scipy", "pandas", "pyarrow", "PyYAML", "pydantic"),
    *("soundfile", "av", "soxr", "onnxruntime", "mutagen"),
)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A Python process and the machine it runs on.

    Attributes
    ----------
    host, python, executable : str
        ``python`` is the version.
    deepsound_version, deepsound_folder, deepsound_digest : str
        The digest is of the source: two checkouts of one version may differ.
    libraries : dict
        Version by distribution; None for one that is missing.
    formats : dict
        By container, why it cannot be decoded; None if it can.
    n_cores : int
        That this process may use.
    thread_limits : dict
        The variables that limit numeric libraries' threads, as far as they are set.
    unwritable : dict
        By folder, why nothing can be written there; None if it can.
    free_bytes : int
        In the fullest of those folders; -1 if that is not known.
    """

    host: str
    python: str
    executable: str
    deepsound_version: str
    deepsound_folder: str
    deepsound_digest: str
    libraries: dict[str, str | None]
    formats: dict[str, str | None]
    n_cores: int
    thread_limits: dict[str, str]
    unwritable: dict[str, str | None]
    free_bytes: int


def look_at_machine(folders: Sequence[str]) -> Machine:
    """The process that calls; ``folders`` are where it has to write."""
    unwritable = {folder: try_writing(pathlib.Path(folder)) for folder in folders}
    package = pathlib.Path(deepsound.__file__).parent
    return Machine(
        host=platform.node(),
        python=platform.python_version(),
        executable=sys.executable,
        deepsound_version=deepsound.__version__,
        deepsound_folder=str(package),
        deepsound_digest=_digest_sources(package),
        libraries={name: _version_of(name) for name in LIBRARIES},
        formats={container: try_decoding(container) for container in FORMATS},
        n_cores=count_cores(),
        thread_limits={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        unwritable=unwritable,
        free_bytes=min((_free_bytes(folder) for folder, why in unwritable.items() if why is None), default=-1),
    )


def count_cores() -> int:
    """The cores that this process may run on, which a container or ``taskset`` can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def try_writing(folder: pathlib.Path) -> str | None:
    """Why a file cannot be written into a folder; None if it can. A folder that is not there yet is not made."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing, prefix=".deepsound-doctor-") as file:
            file.write(b"deepsound")
    except OSError as exc:
        where = "" if existing == folder else f"{existing}: "
        return f"{where}{exc.strerror or exc}"
    return None


def _free_bytes(folder: str) -> int:
    existing = pathlib.Path(folder)
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def _version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _digest_sources(package: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
