"""What a model was made of, as far as it can be told: code, libraries, data."""

import functools
import hashlib
import importlib.metadata
import pathlib

import deepsound

_LIBRARIES = ("keras", "mlflow", "numpy", "onnxruntime", "scikit-learn", "scipy", "tensorflow")


@functools.lru_cache(maxsize=1)
def compute_code_fingerprint() -> str:
    """sha256 (64 hex digits) of every Python file of this package: its path and its content.

    It tells two states of a working copy apart, which a version number or a commit does not.
    """
    root = pathlib.Path(deepsound.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """The versions of the libraries that numbers depend on."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
