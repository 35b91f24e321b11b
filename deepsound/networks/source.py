"""Where a network's weights come from: TF-Hub, a SavedModel folder, a checkpoint, a package, or a seed.

Only locates files and checks that they are all there; nothing is loaded yet.
"""

import glob
import hashlib
import importlib.util
import os
import pathlib
import socket
import tempfile
import threading
import urllib.parse
import warnings
from dataclasses import dataclass

from deepsound.config import DEFAULT_VGGISH
from deepsound.errors import NetworkUnavailableError, first_line
from deepsound.networks.cache import find_foreign
from deepsound.networks.engine import RANDOM_PREFIX

_DOWNLOAD_SILENCE_S = 30.0

HOW_TO_GIVE_VGGISH = (
    "Give VGGish in one of three ways: a TF-Hub handle (--set network="
    f"{DEFAULT_VGGISH}; TFHUB_CACHE_DIR is honoured), a SavedModel folder (--set network=/path/to/vggish), or the "
    "published checkpoint (--set network=/path/to/vggish_model.ckpt). Or use MusiCNN, which needs no download: "
    "--set features=[musicnn]"
)
HOW_TO_INSTALL_MUSICNN = (
    "Its weights come with the package: pip install --no-deps musicnn==0.1.0 (without --no-deps, pip would "
    "ask for an old numpy)"
)


@dataclass(frozen=True, kw_only=True)
class WeightFiles:
    """A checkpoint on disk. ``saved_model`` is the folder around it, if it is a SavedModel that can be called."""

    prefix: str
    files: tuple[pathlib.Path, ...]
    saved_model: pathlib.Path | None = None


def parse_random_seed(network: str) -> int | None:
    """The seed of ``random:SEED``; None for anything else.

    Raises
    ------
    NetworkUnavailableError
        If SEED is no whole number from 0.
    """
    if not network.startswith(RANDOM_PREFIX):
        return None
    text = network.removeprefix(RANDOM_PREFIX)
    if not text.isdecimal():
        raise NetworkUnavailableError(f"network is {network!r}; wanted random:SEED with a whole number from 0")
    return int(text)


def locate_vggish(network: str) -> WeightFiles:
    """The weight files of VGGish from a TF-Hub handle (``https://...``), a SavedModel folder, or a checkpoint.

    Raises
    ------
    NetworkUnavailableError
        If they cannot be had; the message names all ways to give them.
    """
    try:
        if "://" in network:
            return _saved_model_files(_fetch_from_hub(network), is_cached=True)
        path = _expand_user(network)
        return _saved_model_files(path, is_cached=False) if path.is_dir() else checkpoint_files(path)
    except NetworkUnavailableError as exc:
        raise NetworkUnavailableError(f"VGGish cannot be had from {network}: {exc}. {HOW_TO_GIVE_VGGISH}") from exc


def is_in_hub_cache(handle: str) -> bool:
    """Whether TF-Hub's cache has a handle, without asking TensorFlow."""
    return (_hub_folder(handle) / "saved_model.pb").is_file()


def _hub_folder(handle: str) -> pathlib.Path:
    """Where TF-Hub keeps a handle: in ``TFHUB_CACHE_DIR``, or its default."""
    default = pathlib.Path(tempfile.gettempdir()) / "tfhub_modules"
    folder = pathlib.Path(os.environ.get("TFHUB_CACHE_DIR") or default)
    # Source: tensorflow_hub/compressed_module_resolver.py, _module_dir.
    return folder / hashlib.sha1(handle.encode()).hexdigest()


def is_reachable(handle: str, *, timeout_s: float) -> bool:
    """Whether the host of an address takes a connection within that time, the look-up of its name included."""
    address = urllib.parse.urlsplit(handle)
    port = address.port or {"https": 443}.get(address.scheme, 80)
    answers: list[bool] = []

    def connect() -> None:
        try:
            with socket.create_connection((address.hostname or "", port), timeout=timeout_s):
                answers.append(True)
        except OSError:
            pass

    # The look-up of a name obeys no timeout, so it is left behind when it takes too long.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return bool(answers)


def locate_musicnn() -> WeightFiles:
    """The weight files of MSD_musicnn inside the installed package ``musicnn``, whose code is not run.

    Raises
    ------
    NetworkUnavailableError
        If the package or its checkpoint is not there.
    """
    spec = importlib.util.find_spec("musicnn")
    if spec is None or spec.origin is None:
        raise NetworkUnavailableError(f"the package musicnn is not installed. {HOW_TO_INSTALL_MUSICNN}")
    # The files are named '.index' and '.data-...', so the prefix ends in the folder's slash.
    prefix = f"{pathlib.Path(spec.origin).parent / 'MSD_musicnn'}/"
    try:
        return WeightFiles(prefix=prefix, files=_bundle_files(prefix))
    except NetworkUnavailableError as exc:
        raise NetworkUnavailableError(f"MusiCNN cannot be had: {exc}. {HOW_TO_INSTALL_MUSICNN}") from exc


def _expand_user(path: str) -> pathlib.Path:
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError as exc:
        raise NetworkUnavailableError(f"there is no such home folder ({exc})") from exc


def checkpoint_files(path: pathlib.Path) -> WeightFiles:
    """A checkpoint in one file (as published) or in the newer form, named with or without ``.index``."""
    if path.is_file() and path.suffix != ".index":
        return WeightFiles(prefix=str(path), files=(path,))
    prefix = str(path).removesuffix(".index")
    return WeightFiles(prefix=prefix, files=_bundle_files(prefix))


def _fetch_from_hub(handle: str) -> pathlib.Path:
    """The folder of a TF-Hub module, downloaded by ``tensorflow_hub`` unless its cache has it."""
    folder = _hub_folder(handle)
    kept = [place for place in (folder, folder.parent) if place.exists()]
    if kept and (foreign := find_foreign(kept[0])):
        raise NetworkUnavailableError(
            f"{foreign}, in which TF-Hub keeps it, is another user's, in a folder where everybody may write; "
            "TFHUB_CACHE_DIR names another"
        )
    with warnings.catch_warnings():
        # About pkg_resources, which setup.py keeps in place for it.
        warnings.simplefilter("ignore", UserWarning)
        import tensorflow_hub

    timeout_before = socket.getdefaulttimeout()
    # tensorflow_hub sets none of its own and would wait for a silent server for ever.
    socket.setdefaulttimeout(_DOWNLOAD_SILENCE_S)
    try:
        return pathlib.Path(tensorflow_hub.resolve(handle))
    except Exception as exc:  # urllib, ssl, tarfile and TensorFlow each raise their own
        raise NetworkUnavailableError(f"it could not be fetched ({first_line(exc)})") from exc
    finally:
        socket.setdefaulttimeout(timeout_before)


def _saved_model_files(folder: pathlib.Path, *, is_cached: bool) -> WeightFiles:
    hint = f"; the download may have been cut short: delete {folder} and try again" if is_cached else ""
    if not (folder / "saved_model.pb").is_file():
        raise NetworkUnavailableError(f"{folder} holds no saved_model.pb{hint}")
    prefix = str(folder / "variables" / "variables")
    try:
        files = _bundle_files(prefix)
    except NetworkUnavailableError as exc:
        raise NetworkUnavailableError(f"{exc}{hint}") from exc
    return WeightFiles(prefix=prefix, files=files, saved_model=folder)


def _bundle_files(prefix: str) -> tuple[pathlib.Path, ...]:
    """Index and data shards of a checkpoint, all of them."""
    # Not pathlib: MusiCNN's prefix ends in a slash, and its files have no stem.
    index = pathlib.Path(f"{prefix}.index")
    if not index.is_file():
        raise NetworkUnavailableError(f"there is no checkpoint at {prefix}")
    name = glob.escape(index.name.removesuffix(".index"))
    shards = sorted(index.parent.glob(f"{name}.data-*-of-*"))
    n_wanted = int(shards[0].name.rpartition("-")[2]) if shards else 1
    if len(shards) != n_wanted:
        raise NetworkUnavailableError(f"the checkpoint {prefix} has {len(shards)} of {n_wanted} data files")
    return (index, *shards)
