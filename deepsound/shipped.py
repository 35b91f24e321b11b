"""The files beside the code that people read and change: ``conf/``, and the scripts of ``jobs/``.

They lie beside the package in a checkout, and within it where deepsound is installed.
"""

import pathlib

_PACKAGE = pathlib.Path(__file__).resolve().parent


def shipped_folder(name: str) -> pathlib.Path:
    """``conf`` or ``jobs``, wherever it lies."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def conf_files() -> dict[str, pathlib.Path]:
    """The files of ``conf/`` by name: ``gtzan``, ``taxonomy/fma``, ``spark/local.conf``."""
    folder = shipped_folder("conf")
    paths = sorted([*folder.rglob("*.yaml"), *folder.rglob("*.conf")])
    return {path.relative_to(folder).as_posix().removesuffix(".yaml"): path for path in paths}


def settings_files() -> dict[str, pathlib.Path]:
    """The settings that ``--config`` takes by name."""
    return {name: path for name, path in conf_files().items() if "/" not in name}
