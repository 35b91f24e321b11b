"""What ``make release`` built holds what it should and nothing else, and installs: wheel and source distribution.

check_release.py FOLDER        one .whl and one .tar.gz of this checkout
"""

import argparse
import email
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Where each folder of a checkout lies in the wheel: deepsound/shipped.py.
_PACKAGED = {"deepsound": "deepsound", "conf": "deepsound/conf", "jobs": "deepsound/jobs"}
_LICENSES = ("LICENSE", "NOTICE")
_BESIDE = (
    *("README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "constraints.txt"),
    *("setup.py", "pyproject.toml", "MANIFEST.in", *_LICENSES),
)
# Written by setuptools.
_GENERATED = re.compile(r"PKG-INFO|setup\.cfg|deepsound\.egg-info/.+")
_PIP = (sys.executable, "-P", "-m", "pip", "--quiet", "--disable-pip-version-check")
_METADATA = {
    "Name": "deepsound",
    "Author": "deepsound maintainers",
    "License-Expression": "Apache-2.0",
    "Description-Content-Type": "text/markdown",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Check the two files of a folder; the exit code."""
    parser = argparse.ArgumentParser(prog="check_release.py", description="Check what make release built.")
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER", help="holds one .whl and one .tar.gz")
    folder = parser.parse_args(argv).folder
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    faults = [*faults_of_wheel(wheel), *faults_of_sdist(sdist), *faults_of_installation(wheel)]
    for fault in faults:
        print(f"check_release.py: {fault}", file=sys.stderr)
    if not faults:
        print(f"{wheel} ({wheel.stat().st_size / 1e6:.1f} MB)\n{sdist} ({sdist.stat().st_size / 1e6:.1f} MB)")
    return 1 if faults else 0


def files_below(folder: pathlib.Path) -> list[str]:
    """The files of a folder of the checkout by their paths in it, without what Python leaves there."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [path.as_posix() for path in paths if "__pycache__" not in path.parts]


def faults_of_wheel(wheel: pathlib.Path) -> list[str]:
    """What a wheel lacks, what should not be in it, and what its metadata says otherwise."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (record,) = (name.removesuffix("/RECORD") for name in names if name.endswith(".dist-info/RECORD"))
        metadata = archive.read(f"{record}/METADATA").decode("utf-8")
    expected = [f"{to}/{name}" for at, to in _PACKAGED.items() for name in files_below(ROOT / at)]
    expected += [f"{record}/licenses/{name}" for name in _LICENSES]
    generated = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt")
    expected += [f"{record}/{name}" for name in generated]
    return [*differences(wheel, found=names, expected=expected), *faults_of_metadata(metadata)]


def faults_of_sdist(sdist: pathlib.Path) -> list[str]:
    """What a source distribution lacks, and what should not be in it."""
    with tarfile.open(sdist) as archive:
        names = [entry.name.partition("/")[2] for entry in archive if entry.isfile()]
    expected = [f"{at}/{name}" for at in (*_PACKAGED, "docs") for name in files_below(ROOT / at)]
    found = [name for name in names if not _GENERATED.fullmatch(name)]
    return differences(sdist, found=found, expected=[*expected, *_BESIDE])


def differences(archive: pathlib.Path, *, found: Iterable[str], expected: Iterable[str]) -> list[str]:
    """Two lists of files held against each other."""
    lacking, surplus = sorted({*expected} - {*found}), sorted({*found} - {*expected})
    return [f"{archive.name} lacks {name}" for name in lacking] + [
        f"{archive.name} should not hold {name}" for name in surplus
    ]


def faults_of_metadata(text: str) -> list[str]:
    """What METADATA says otherwise than it should; links that no reader of a package index could follow."""
    metadata = email.message_from_string(text)
    faults = [
        f"{name} is {metadata[name]!r}, not {value!r}"
        for name, value in _METADATA.items()
        if metadata[name] != value
    ]
    links = re.findall(r"\]\((?!https://)([^)]*)\)", str(metadata.get_payload()))
    return faults + [f"the description links to {link}, which a package index does not have" for link in links]


def faults_of_installation(wheel: pathlib.Path) -> list[str]:
    """What goes wrong where the wheel is installed by itself: its command answers, and its files are found."""
    with tempfile.TemporaryDirectory() as scratch:
        venv.create(scratch, symlinks=True)
        python = f"{scratch}/bin/python"
        look = "from deepsound.shipped import settings_files as s; assert 'demo' in s(), s()"
        version = wheel.name.split("-")[1]
        alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        for command, wanted in (
            ([*_PIP, "--python", scratch, "install", "--no-deps", "--no-index", str(wheel.resolve())], None),
            ([f"{scratch}/bin/deepsound", "--version"], f"deepsound {version}\n"),
            ([python, "-I", "-c", look], None),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch, env=alone)
            if done.returncode or wanted not in (None, done.stdout):
                words = " ".join(command[1:])
                return [f"installed by itself, {words!r} fails: {(done.stdout + done.stderr).strip()[-500:]}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
