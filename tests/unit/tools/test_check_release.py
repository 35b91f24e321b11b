"""What setup.py packs is what a release should hold; and what it should not is noticed."""

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tools import check_release
from tools.check_release import ROOT

_BUILD = """
import sys; from setuptools import build_meta
folder = sys.argv[1]
build_meta.build_sdist(folder), build_meta.build_wheel(folder)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Wheel and source distribution of this checkout, from a copy, as setuptools leaves traces where it builds."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, source)
    for name in ("deepsound", "conf", "jobs", "docs", "tests/unit/tools"):
        shutil.copytree(ROOT / name, source / name)
    (source / "demo").mkdir()
    for stray in ("demo/page.html", "mlflow.db", "tests/test_stray.py"):
        (source / stray).write_text("left behind")
    subprocess.run([sys.executable, "-c", _BUILD, dist], cwd=source, check=True, capture_output=True)
    return dist


@pytest.fixture
def dist(built, tmp_path):
    return shutil.copytree(built, tmp_path / "dist")


def faults(dist, capsys):
    """The lines of a check that fails."""
    assert check_release.main([str(dist)]) == 1
    return capsys.readouterr().err


def test_a_release_of_this_checkout_is_as_it_should_be(dist, capsys, monkeypatch):
    monkeypatch.chdir(dist.parent)
    assert check_release.main(["dist"]) == 0
    assert ".whl" in capsys.readouterr().out


def test_a_wheel_with_a_database_and_without_a_template_is_none(dist, capsys, monkeypatch):
    monkeypatch.setattr(check_release, "faults_of_installation", lambda _: [])
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    del content["deepsound/py.typed"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in (content | {"mlflow.db": b""}).items():
            archive.writestr(name, data)
    told = faults(dist, capsys)
    assert "lacks deepsound/py.typed\n" in told
    assert "should not hold mlflow.db\n" in told
    assert len(told.splitlines()) == 2


def test_a_source_distribution_with_tests_is_none(dist, capsys, monkeypatch):
    monkeypatch.setattr(check_release, "faults_of_installation", lambda _: [])
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        content = [(entry, archive.extractfile(entry).read()) for entry in archive if entry.isfile()]
    extra = tarfile.TarInfo(f"{content[0][0].name.partition('/')[0]}/tests/test_x.py")
    with tarfile.open(sdist, "w:gz") as archive:
        for entry, data in [*content, (extra, b"")]:
            archive.addfile(entry, io.BytesIO(data))
    assert faults(dist, capsys).endswith("should not hold tests/test_x.py\n")


def test_metadata_without_a_license_or_with_links_into_the_checkout_is_told():
    (fault,) = check_release.faults_of_metadata(
        "Name: deepsound\nAuthor: deepsound maintainers\n"
        "Description-Content-Type: text/markdown\n\n[Here](https://example.org/)\n"
    )
    assert fault == "License-Expression is None, not 'Apache-2.0'"
    told = check_release.faults_of_metadata("Name: deepsound\n\n![Picture](docs/scorecard.png)\n")
    assert told[-1] == "the description links to docs/scorecard.png, which a package index does not have"


def test_a_wheel_that_does_not_install_is_told(tmp_path):
    wheel = tmp_path / "deepsound-0-py3-none-any.whl"
    wheel.write_bytes(b"no archive")
    (fault,) = check_release.faults_of_installation(wheel)
    assert fault.startswith("installed by itself, '-P -m pip ")
