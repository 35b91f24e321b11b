"""Which embedding the demo takes: VGGish where it can be had within seconds, else MusiCNN."""

import hashlib
import shutil
import socket
import threading
import time

import pytest

from deepsound.commands.demo import choose_embedding
from deepsound.errors import NetworkUnavailableError
from deepsound.networks import source


@pytest.fixture(autouse=True)
def hub_cache(network_cache, tmp_path, monkeypatch):  # noqa: ARG001
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_vggish_when_its_host_answers(hub, capsys):
    assert choose_embedding(network=hub.handle) == "vggish"
    assert f"embedding: VGGish from {hub.handle}" in capsys.readouterr().err


def test_vggish_when_the_hub_cache_has_it(tiny_vggish, hub_cache):
    handle = "http://127.0.0.1:9/google/vggish/1"
    shutil.copytree(tiny_vggish, hub_cache / hashlib.sha1(handle.encode()).hexdigest())
    assert choose_embedding(network=handle) == "vggish"


def test_musicnn_when_nobody_answers(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens here
        handle = f"http://127.0.0.1:{taken.getsockname()[1]}/google/vggish/1"
        assert choose_embedding(network=handle) == "musicnn"
    assert "embedding: MusiCNN, as VGGish cannot be had (" in capsys.readouterr().err


def test_musicnn_when_the_host_has_something_else(hub, capsys):
    assert choose_embedding(network=f"{hub.handle}/missing") == "musicnn"
    said = capsys.readouterr().err
    assert "embedding: MusiCNN" in said
    assert "could not be fetched" in said


def test_a_slow_look_up_is_left_behind(monkeypatch):
    end = threading.Event()

    def never(*_, **__):
        end.wait(30)
        raise OSError

    monkeypatch.setattr(source.socket, "create_connection", never)
    started = time.monotonic()
    assert not source.is_reachable("https://nowhere.example/x", timeout_s=0.05)
    assert time.monotonic() - started < 20
    end.set()


def test_a_path_of_the_users_own_is_no_guess(tmp_path):
    with pytest.raises(NetworkUnavailableError, match="VGGish cannot be had from"):
        choose_embedding(network=str(tmp_path / "absent"))


def test_neither_can_be_had(monkeypatch):
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NetworkUnavailableError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        choose_embedding(network="http://127.0.0.1:9/x")
