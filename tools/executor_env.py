"""The executors' environment as one archive for Spark's ``--archives``: ``make executor-env``.

What setup.py lists under EXECUTOR, in the versions of constraints.txt, deepsound itself, and the interpreter that
runs this script with its standard library: an executor needs Linux with a C library at least as new as this
machine's, and no Python. A virtual environment, packed by venv-pack or by conda-pack, would only point at a Python
that every machine had to have at the same place; no package index has a relocatable one.

    executor_env.py ARCHIVE        the folder of the archive is Spark's: --archives ARCHIVE#environment
"""

import argparse
import compileall
import gzip
import pathlib
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_SOURCE = ("deepsound", "conf", "jobs", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
# Parts of the standard library that no worker imports; EXTERNALLY-MANAGED is Debian's, against pip.
_LEFT_OUT = (
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3"),
    *("ensurepip", "config-*", "__pycache__", "EXTERNALLY-MANAGED", "_tkinter*", "_curses*", "readline*", "nis*"),
)
# The C library's parts belong together and to the machine.
_MACHINES_OWN = re.compile(r"(ld-linux.*|lib(c|m|mvec|dl|rt|util|pthread|resolv|nsl))\.so\.\d+")
_LAUNCHER = f"""#!/bin/sh
# Where this was unpacked is known only now; its libraries lie beside it.
here=$(cd "$(dirname "$0")/.." && pwd -P)
unset PYTHONHOME
export PYTHONNOUSERSITE=1
export LD_LIBRARY_PATH="$here/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
exec "$here/bin/python{_VERSION}" "$@"
"""
# Run by the packed interpreter: everything that is mapped or imported lies in the archive or is the C library's.
_CHECK = """
import importlib.metadata, pathlib, re, sys
import av, deepsound, mutagen, numpy, onnxruntime, pandas, pyarrow, scipy, soundfile, soxr, yaml
import bz2, ctypes, lzma, sqlite3, ssl, zlib
import deepsound.features.registry
here = str(pathlib.Path(sys.argv[1]).resolve()) + "/"
mapped = set(re.findall(r" (/.+\\.so.*)", pathlib.Path("/proc/self/maps").read_text()))
loaded = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
strays = [path for path in sorted(mapped | loaded | {p for p in sys.path if p}) if not path.startswith(here)]
print("\\n".join(path for path in strays if not re.fullmatch(sys.argv[2], path.rpartition("/")[2])))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the archive; the exit code."""
    parser = argparse.ArgumentParser(
        prog="executor_env.py", description="Pack the environment of Spark's executors."
    )
    parser.add_argument("archive", type=pathlib.Path, metavar="ARCHIVE", help="ends in .tar.gz")
    archive = parser.parse_args(argv).archive.absolute()
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".executor-env-") as scratch:
        environment = pathlib.Path(scratch) / "environment"
        copy_interpreter(environment)
        install_packages(environment, scratch=pathlib.Path(scratch))
        check_environment(environment)
        part = pathlib.Path(scratch) / archive.name
        pack(environment, part)
        part.replace(archive)
    print(f"{archive}: {archive.stat().st_size / 1e6:.0f} MB")
    return 0


def copy_interpreter(environment: pathlib.Path) -> None:
    """The interpreter that runs this, its standard library and the libraries that both are linked against."""
    if not sys.platform.startswith("linux"):
        sys.exit("executor_env.py: executors run Linux, so make their environment on Linux")
    library = environment / "lib" / f"python{_VERSION}"
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignore, ignore_dangling_symlinks=True)
    (environment / "bin").mkdir()
    interpreter = environment / "bin" / f"python{_VERSION}"
    shutil.copy2(pathlib.Path(sys.executable).resolve(), interpreter)
    copy_libraries(environment)
    for name in ("python", "python3"):
        launcher = environment / "bin" / name
        launcher.write_text(_LAUNCHER)
        launcher.chmod(0o755)


def copy_libraries(environment: pathlib.Path) -> None:
    """Bring in what all binaries of the environment are linked against outside of it, but for the C library."""
    binaries = [path for path in environment.rglob("*") if re.fullmatch(r"python[\d.]+|.+\.so[\d.]*", path.name)]
    listing = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    for path in map(pathlib.Path, sorted(set(re.findall(r"=> (/\S+)", listing)))):
        if not (_MACHINES_OWN.fullmatch(path.name) or path.is_relative_to(environment)):
            shutil.copy2(path, environment / "lib" / path.name)


def copy_source(folder: pathlib.Path) -> pathlib.Path:
    """What the package is built from, in a new folder."""
    folder.mkdir()
    for name in _SOURCE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    return folder


def install_packages(environment: pathlib.Path, *, scratch: pathlib.Path) -> None:
    """What EXECUTOR lists, from wheels of the tested versions, and deepsound."""
    # From a copy: setuptools would also pack what an earlier build left in build/.
    source = copy_source(scratch / "source")
    command = [
        *(sys.executable, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check"),
        *("--python", str(environment / "bin" / "python"), "install", "--root-user-action", "ignore"),
        *("--no-compile", "--no-warn-script-location", "--only-binary", ":all:"),
        *("--constraint", str(ROOT / "constraints.txt"), str(source)),
    ]
    if subprocess.run(command, check=False).returncode:
        sys.exit("executor_env.py: pip could not install the packages; it said why above")
    copy_libraries(environment)
    # The packages' commands name this folder, which is about to go.
    for path in (environment / "bin").iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH  # the archive keeps no times
    compileall.compile_dir(environment, quiet=2, workers=0, invalidation_mode=mode, stripdir=str(environment))


def check_environment(environment: pathlib.Path) -> None:
    """Leave with a message if the packed interpreter reaches for anything outside its folder."""
    command = [str(environment / "bin" / "python"), "-I", "-c", _CHECK, str(environment), _MACHINES_OWN.pattern]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={}, cwd="/")
    if done.returncode:
        sys.exit(f"executor_env.py: the packed environment does not work: {done.stderr.strip()[-500:]}")
    if done.stdout.strip():
        sys.exit(f"executor_env.py: the packed environment still needs {', '.join(done.stdout.split())}")


def pack(folder: pathlib.Path, archive: pathlib.Path) -> None:
    """A folder's content as ``.tar.gz``: the same content gives the same bytes, whoever packs it when."""

    def without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=without_owner)


if __name__ == "__main__":
    sys.exit(main())
