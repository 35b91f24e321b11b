"""A cache of its own for every test, and one network at a time."""

import pytest

from deepsound.networks.prepare import prepare_networks


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(folder))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return folder


@pytest.fixture
def lines():
    return []


@pytest.fixture
def prepare(lines):
    def prepare_one(network, feature="vggish"):
        (prepared,) = prepare_networks((feature,), network=str(network), report=lines.append)
        return prepared

    return prepare_one
