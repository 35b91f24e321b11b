"""The example package of docs/howto/extend.md, installed into folders of the tests' own."""

import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent / "example_package"


def install(target: pathlib.Path) -> None:
    """As a user's pip would, but without an index."""
    copy = target.with_name(f"{target.name}-source")
    for path in ROOT.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            (copy / path.relative_to(ROOT)).write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", str(target), str(copy)], check=True)


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where the example is installed; not yet on the path."""
    target = tmp_path_factory.mktemp("example") / "installed"
    install(target)
    return target


@pytest.fixture
def example(example_folder: pathlib.Path, forgotten_plugins: None) -> Iterator[pathlib.Path]:  # noqa: ARG001
    """The example, as if it were installed beside deepsound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(example_folder)
        yield example_folder


@pytest.fixture
def forgotten_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers, imports or finds installed is gone after it."""
    from deepsound.config import HEADS
    from deepsound.features.registry import FEATURES
    from deepsound.label_maps.read import LABEL_MAPS
    from deepsound.sources.readers import READERS

    for registry in (FEATURES, HEADS, READERS, LABEL_MAPS):
        monkeypatch.setattr(registry, "_registered", {})
        monkeypatch.setattr(registry, "_installed", {})
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "deepsound_radio"]:
        del sys.modules[name]
