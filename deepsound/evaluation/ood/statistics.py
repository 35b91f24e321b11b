"""What a bundle keeps of the training segments, to tell later how far from them a segment is."""

import io
import math
import zipfile
from dataclasses import dataclass

import numpy as np
import scipy.special

from deepsound.config import OOD_SCORES
from deepsound.errors import BundleError, ParameterError
from deepsound.evaluation.ood.distances import Gaussian, NeighbourBank

_FROM_LOGITS = ("energy",)
# Earlier versions wrote more, which is not looked at.
_ARRAYS = ("bank", "n_neighbours", "feature_origin", "feature_within", "feature_centres")
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What float32 holds: sums of squares of it stay far from float64's end. NaN is above nothing and below nothing.
_LARGEST = float(np.finfo(np.float32).max)
# Of a vector of length 1, rounded to float32.
_LONGEST = 1.001


@dataclass(frozen=True, kw_only=True)
class SegmentOutputs:
    """What the scores of segments are computed from.

    Attributes
    ----------
    logits : np.ndarray [shape=(n_segments, n_genres), float]
    penultimate : np.ndarray [shape=(n_segments, n_units), float], or None
    feature_means : np.ndarray [shape=(n_segments, n_dims), float]
        Mean over frames of the features, transformed and standardised.
    """

    logits: np.ndarray
    penultimate: np.ndarray | None
    feature_means: np.ndarray


@dataclass(frozen=True, kw_only=True)
class OodStatistics:
    """The training segments' place in the penultimate layer (a bounded sample of them) and among the features.

    ``features`` is of their means: one centre a genre that has training segments, with a shared covariance.
    """

    bank: NeighbourBank
    features: Gaussian


def available_scores(statistics: OodStatistics | None) -> tuple[str, ...]:
    """The scores that can be computed: those of the logits need no statistics."""
    return _FROM_LOGITS if statistics is None else OOD_SCORES


def compute_ood_score(name: str, outputs: SegmentOutputs, *, statistics: OodStatistics | None) -> np.ndarray:
    """One out-of-distribution score of segments [shape=(n_segments,), float64]; higher is farther for all of them.

    Raises
    ------
    ParameterError
        If there is no such score, or it needs statistics that are not there.
    """
    if name == "energy":
        return compute_energy(outputs.logits)
    if name not in OOD_SCORES:
        raise ParameterError(f"no out-of-distribution score is called {name!r}; known: {', '.join(OOD_SCORES)}")
    if statistics is None or outputs.penultimate is None:
        raise ParameterError(
            f"the score {name!r} needs statistics of the training segments, which bundles of format 1 do not "
            f"have; without them there are {', '.join(_FROM_LOGITS)}"
        )
    if name == "feature_mahalanobis":
        return statistics.features.distance(outputs.feature_means)
    return statistics.bank.distance(outputs.penultimate)


def compute_energy(logits: np.ndarray) -> np.ndarray:
    """Energy, ``-logsumexp`` of each row [shape=(n_segments,), float64]: high where no genre gets evidence.

    Source: W. Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020.
    """
    energy: np.ndarray = -scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    return energy


def pack_statistics(statistics: OodStatistics) -> bytes:
    """The statistics as an ``.npz`` file, without pickle."""
    file = io.BytesIO()
    np.savez(
        file,
        bank=statistics.bank.vectors,
        n_neighbours=np.int64(statistics.bank.n_neighbours),
        feature_origin=statistics.features.origin,
        feature_within=statistics.features.whitening,
        feature_centres=statistics.features.centres,
    )
    return file.getvalue()


def unpack_statistics(content: bytes, *, n_units: int, n_dims: int) -> OodStatistics:
    """The inverse of :func:`pack_statistics`, for a penultimate layer of ``n_units`` and a feature of ``n_dims``.

    Raises
    ------
    BundleError
        If the bytes are no such file, or hold arrays of other shapes or numbers that are not finite.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays = {name: _read_array(archive, f"{name}.npy") for name in _ARRAYS}
    except (ValueError, KeyError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, MemoryError) as exc:
        raise BundleError(f"the out-of-distribution statistics are damaged: {exc!r}") from exc
    _check_arrays(arrays, n_units=n_units, n_dims=n_dims)
    origin, within, centres = (
        arrays[name].astype(np.float64) for name in ("feature_origin", "feature_within", "feature_centres")
    )
    vectors = np.ascontiguousarray(arrays["bank"], np.float32)
    return OodStatistics(
        bank=NeighbourBank(vectors=vectors, n_neighbours=int(arrays["n_neighbours"])),
        features=Gaussian(origin=origin, whitening=within, centres=centres),
    )


def _read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array, if there is as much of it as it claims: NumPy would make room before it finds out."""
    info = archive.getinfo(name)
    # As savez leaves them: what is packed could be a thousand times larger.
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is packed")
    content = archive.read(info)
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"{name} is of version {version}")
    shape, _, dtype = _HEADER_READERS[version](file)
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"{name} holds {dtype}")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{name} claims the shape {shape}, which is not what it has")
    file.seek(0)
    array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _check_arrays(arrays: dict[str, np.ndarray], *, n_units: int, n_dims: int) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "feature_origin": (n_dims,),
        "feature_within": (n_dims, n_dims),
        "n_neighbours": (),
    }
    for name, width in (("bank", n_units), ("feature_centres", n_dims)):
        shapes[name] = (len(np.atleast_1d(arrays[name])), width)
    for name, shape in shapes.items():
        found = arrays[name]
        is_number = found.dtype.kind in "fi" and bool((np.abs(found) <= _LARGEST).all())
        if found.shape != shape or not is_number:
            raise BundleError(
                f"the out-of-distribution statistics hold '{name}' as {found.dtype} of shape {found.shape}; "
                f"wanted finite numbers of shape {shape}: the penultimate layer has {n_units} units, the feature "
                f"{n_dims} dimensions"
            )
    if (np.linalg.norm(arrays["bank"], axis=1) > _LONGEST).any():
        raise BundleError("the out-of-distribution statistics hold a 'bank' of vectors longer than 1")
    n_centres, n_bank, n_neighbours = (
        len(arrays["feature_centres"]),
        len(arrays["bank"]),
        int(arrays["n_neighbours"]),
    )
    if not n_centres or not 1 <= n_neighbours <= n_bank:
        raise BundleError(
            f"the out-of-distribution statistics hold {n_centres} centres and {n_bank} segments, of which "
            f"neighbour {n_neighbours} counts; wanted at least one of each"
        )
