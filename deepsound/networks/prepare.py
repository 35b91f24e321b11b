"""From a name or a path to a network that executors can run: located, converted, checked, cached. Driver only."""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deepsound.errors import NetworkMismatchError, NetworkUnavailableError
from deepsound.networks.cache import CacheEntry, NetworkCache, hash_files
from deepsound.networks.engine import NetworkFile, OnnxEngine
from deepsound.networks.source import (
    HOW_TO_GIVE_VGGISH,
    WeightFiles,
    locate_musicnn,
    locate_vggish,
    parse_random_seed,
)

MUSICNN_SOURCE = "MSD_musicnn of the package musicnn"


def prepare_networks(
    features: Sequence[str], *, network: str, report: Callable[[str], None]
) -> tuple[NetworkFile, ...]:
    """The networks that these features need, ready to run; features that need none are passed over.

    Parameters
    ----------
    network : str
        Where VGGish comes from: a TF-Hub handle, a SavedModel folder, a checkpoint, or ``random:SEED``.
    report : callable
        Gets a line for what a user should know.

    Raises
    ------
    NetworkUnavailableError
        The weights cannot be had; the message names all ways to give them.
    NetworkMismatchError
        What was given is another network.
    """
    preparers: dict[str, Callable[[], NetworkFile]] = {
        "vggish": lambda: _prepare_vggish(network, report),
        "musicnn": lambda: _prepare_musicnn(report),
    }
    return tuple(preparers[feature]() for feature in features if feature in preparers)


def compute_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256 over names, shapes and float32 values: the identity of a network, wherever its weights came from."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array, np.float32).data)
    return digest.hexdigest()


def _prepare_vggish(network: str, report: Callable[[str], None]) -> NetworkFile:
    seed = parse_random_seed(network)
    files = locate_vggish(network) if seed is None else None
    cache = NetworkCache("vggish")
    key = hash_files(list(files.files)) if files else hashlib.sha256(network.encode()).hexdigest()
    entry = _find_or_convert(cache, key, lambda: _convert_vggish(files, seed, cache, report))
    if files and files.saved_model and entry.engine == "tensorflow":
        path = str(files.saved_model)
    else:
        path = str(cache.onnx_path(entry.digest))
    return NetworkFile(feature="vggish", digest=entry.digest, path=path, engine=entry.engine, source=network)


def _convert_vggish(
    files: WeightFiles | None, seed: int | None, cache: NetworkCache, report: Callable[[str], None]
) -> CacheEntry:
    from deepsound.networks.vggish import build_vggish_onnx, make_random_weights, match_vggish_weights

    if files is None:
        weights = make_random_weights(seed or 0)
    else:
        from deepsound.networks.variables import read_variables

        report(f"converting VGGish from {files.prefix}")
        try:
            weights = match_vggish_weights(read_variables(files.prefix))
        except (NetworkMismatchError, NetworkUnavailableError) as exc:
            raise type(exc)(f"{exc}. {HOW_TO_GIVE_VGGISH}") from exc
    digest = compute_digest(weights.named_arrays())
    entry = cache.put_onnx(digest, build_vggish_onnx(weights))
    if files and files.saved_model:
        from deepsound.networks.tensorflow_engine import TOLERANCE, measure_gap

        gap = measure_gap(OnnxEngine(cache.onnx_path(digest)), saved_model=files.saved_model)
        if not gap <= TOLERANCE:
            report(
                f"warning: the converted VGGish differs from its SavedModel by {gap:.1e} on a probe (allowed: "
                f"{TOLERANCE:g}); the slower TensorFlow engine is used, and executors need TensorFlow"
            )
            return CacheEntry(digest=digest, engine="tensorflow", onnx_sha256=None)
    return entry


def _prepare_musicnn(report: Callable[[str], None]) -> NetworkFile:
    files = locate_musicnn()
    cache = NetworkCache("musicnn")
    entry = _find_or_convert(cache, hash_files(list(files.files)), lambda: _convert_musicnn(files, cache, report))
    return NetworkFile(
        feature="musicnn",
        digest=entry.digest,
        path=str(cache.onnx_path(entry.digest)),
        engine=entry.engine,
        source=MUSICNN_SOURCE,
    )


def _convert_musicnn(files: WeightFiles, cache: NetworkCache, report: Callable[[str], None]) -> CacheEntry:
    from deepsound.networks.musicnn import build_musicnn_onnx, pick_musicnn_weights
    from deepsound.networks.variables import read_variables

    report("converting MusiCNN (once on this machine)")
    weights = pick_musicnn_weights(read_variables(files.prefix))
    return cache.put_onnx(compute_digest(weights.named_arrays()), build_musicnn_onnx(weights))


def _find_or_convert(cache: NetworkCache, key: str, convert: Callable[[], CacheEntry]) -> CacheEntry:
    entry = cache.find(key)
    if entry is None:
        entry = convert()
        cache.put_entry(key, entry)
    return entry
