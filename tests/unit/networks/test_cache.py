"""The cache of converted networks where others can write, too, and where nobody can."""

import hashlib
import json
import os
import pathlib
import pwd
import stat

import pytest

from deepsound.errors import NetworkUnavailableError, OutputError
from deepsound.networks.cache import CacheEntry, NetworkCache, cache_folder, find_foreign
from deepsound.networks.source import checkpoint_files, locate_vggish

KEY, DIGEST = "k" * 64, "0123456789abcdef" * 4
STRANGER = 54321
HANDLE = "https://tfhub.dev/google/vggish/1"


@pytest.fixture
def give_away(monkeypatch):
    """A function that makes a file or a folder another user's."""
    chosen, real_lstat = set(), pathlib.Path.lstat

    def lstat(path):
        status = real_lstat(path)
        return os.stat_result((*status[:4], STRANGER, *status[5:])) if str(path) in chosen else status

    def give(path):
        if os.geteuid() == 0:
            os.lchown(path, STRANGER, -1)
        else:
            chosen.add(str(path))
            monkeypatch.setattr(pathlib.Path, "lstat", lstat)

    return give


@pytest.fixture
def shared(cache):
    """As /tmp is."""
    cache.mkdir()
    cache.chmod(0o1777)
    return NetworkCache("vggish")


def fill(cache):
    entry = cache.put_onnx(DIGEST, b"network")
    cache.put_entry(KEY, entry)
    assert cache.find(KEY) == entry
    return cache.folder / f"vggish-{KEY[:32]}-v1.json", cache.onnx_path(DIGEST)


@pytest.mark.parametrize("which", [0, 1], ids=["entry", "network"])
def test_what_another_user_left_where_all_may_write_is_not_used(shared, give_away, which):
    give_away(fill(shared)[which])
    assert shared.find(KEY) is None
    with pytest.raises(OutputError, match=r"another user.*DEEPSOUND_CACHE_DIR"):
        fill(shared)


@pytest.mark.parametrize("which", [0, 1], ids=["entry", "network"])
def test_nor_is_what_another_users_link_leads_to(shared, give_away, tmp_path, which):
    path = fill(shared)[which]
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert shared.find(KEY) is not None
    give_away(path)
    assert shared.find(KEY) is None


def test_a_folder_of_another_user_where_all_may_write_is_not_used(shared, give_away, monkeypatch):
    (shared.folder / "folder").mkdir()
    (shared.folder / "link").symlink_to(shared.folder)
    for path in (shared.folder / "folder", shared.folder / "link"):
        monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(path))
        fill(NetworkCache("vggish"))
        give_away(path)
        assert NetworkCache("vggish").find(KEY) is None
        with pytest.raises(OutputError, match="another user"):
            NetworkCache("vggish").put_onnx(DIGEST, b"network")


def test_a_cache_that_somebody_keeps_for_all_is_used(cache, give_away):
    """The rights of its folder say that nobody else could put anything there."""
    cache.mkdir(mode=0o755)
    kept = NetworkCache("vggish")
    for path in fill(kept):
        give_away(path)
    assert find_foreign(cache) is None
    assert kept.find(KEY) is not None


def test_a_network_that_was_converted_into_another_graph_is_not_used(monkeypatch):
    entries = {}
    for name in ("vggish", "musicnn"):
        with monkeypatch.context() as as_before:
            as_before.setattr("deepsound.networks.cache._CONVERSION_VERSIONS", {})
            before = NetworkCache(name)
            before.put_entry(KEY, before.put_onnx(DIGEST, b"network"))
        entries[name] = NetworkCache(name).find(KEY)
    assert entries["vggish"] is not None, "whose graph is what it was"
    assert entries["musicnn"] is None


def test_one_that_cannot_be_read_is_as_none(monkeypatch):
    kept = NetworkCache("vggish")
    fill(kept)
    monkeypatch.setattr(
        "deepsound.networks.cache.hash_files", lambda _: (_ for _ in ()).throw(PermissionError(13))
    )
    assert kept.find(KEY) is None


GOOD = {"digest": DIGEST, "engine": "onnx", "onnx_sha256": "0" * 64}
ENTRIES = {
    **{name: {**GOOD, "digest": value} for name, value in {
        "digest a number": 3, "digest a list": [DIGEST], "digest null": None, "digest a path": "../../../etc/x",
        "digest empty": "", "digest too short": "ab",
    }.items()},
    **{name: {**GOOD, "onnx_sha256": value} for name, value in {
        "sha256 a number": 3, "sha256 a list": [], "sha256 null": None, "sha256 a word": "x" * 64,
    }.items()},
    **{name: {**GOOD, "engine": value} for name, value in {"engine unknown": "exec", "engine null": None}.items()},
    "tensorflow with a network": {**GOOD, "engine": "tensorflow"},
    "a key too many": {**GOOD, "path": "/etc/passwd"},
    "a key too few": {"digest": DIGEST},
    "a list": [1],
    "null": None,
}  # fmt: skip
TEXTS = {**{name: json.dumps(entry) for name, entry in ENTRIES.items()}, "deep": "[" * 100_000, "NaN": "NaN"}


@pytest.mark.parametrize("name", TEXTS)
def test_an_entry_that_is_none_is_made_anew(name):
    kept = NetworkCache("vggish")
    entry_path, _ = fill(kept)
    entry_path.write_text(TEXTS[name])
    assert kept.find(KEY) is None


def test_an_entry_of_the_other_engine_is_one():
    kept, entry = NetworkCache("vggish"), CacheEntry(digest=DIGEST, engine="tensorflow", onnx_sha256=None)
    kept.put_entry(KEY, entry)
    assert kept.find(KEY) == entry


def test_a_user_without_a_home(monkeypatch):
    """As in a container that is run as a user whom no file of it knows."""
    for name in ("DEEPSOUND_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (_ for _ in ()).throw(KeyError("uid not found")))
    with pytest.raises(OutputError, match="DEEPSOUND_CACHE_DIR"):
        cache_folder()


def test_a_home_that_cannot_be_written_to(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("DEEPSOUND_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(OutputError, match="DEEPSOUND_CACHE_DIR"):
        NetworkCache("vggish").put_onnx(DIGEST, b"network")


@pytest.mark.parametrize("network", ["~nobody-of-that-name/vggish", "~"])
def test_weights_in_a_home_that_nobody_has(network, monkeypatch):
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (_ for _ in ()).throw(KeyError("uid not found")))
    with pytest.raises(NetworkUnavailableError, match="VGGish cannot be had from ~"):
        locate_vggish(network)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_hub_cache_of_another_user_is_not_used(tmp_path, monkeypatch, give_away, is_there):
    """TF-Hub keeps its modules in /tmp, and TensorFlow runs what they say."""
    monkeypatch.delenv("TFHUB_CACHE_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tmp_path.chmod(0o1777)
    hub = tmp_path / "tfhub_modules"
    module = hub / hashlib.sha1(HANDLE.encode()).hexdigest()
    module.mkdir(parents=True)
    (module / "saved_model.pb").write_bytes(b"")
    if not is_there:
        (module / "saved_model.pb").unlink()
        module.rmdir()
    assert not hub.stat().st_mode & stat.S_IWOTH
    give_away(hub)
    with pytest.raises(NetworkUnavailableError, match=r"another user.*TFHUB_CACHE_DIR"):
        locate_vggish(HANDLE)


@pytest.mark.parametrize("name", ["vggish [2017]", "q*", "a{b,c}", "wh?t"])
def test_a_checkpoint_whose_name_is_a_pattern_is_one(tmp_path, name):
    files = [tmp_path / f"{name}.index", tmp_path / f"{name}.data-00000-of-00001"]
    for path in files:
        path.write_bytes(b"x")
    assert checkpoint_files(tmp_path / f"{name}.index").files == tuple(files)
