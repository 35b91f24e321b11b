"""What a bundle keeps of the training segments, to tell later how far from them a segment is."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from deepsound.config import OOD_SCORES
from deepsound.errors import BundleError, ParameterError
from deepsound.evaluation.ood.distances import Gaussian, NeighbourBank
from deepsound.evaluation.ood.logits import compute_doubt, compute_energy

_FROM_LOGITS = ("energy", "max_softmax")
_ARRAYS = ("origin", "within", "centres", "overall", "bank", "n_neighbours")


@dataclass(frozen=True, kw_only=True)
class OodStatistics:
    """The training segments' place in the penultimate layer.

    Attributes
    ----------
    genres : Gaussian
        One centre a genre that has training segments, with the covariance that they share.
    everything : Gaussian
        One centre and the covariance of all training segments, whatever their genre.
    bank : NeighbourBank
        A bounded sample of the training segments.
    """

    genres: Gaussian
    everything: Gaussian
    bank: NeighbourBank

    @property
    def n_units(self) -> int:
        """Width of the penultimate layer."""
        return len(self.genres.origin)


def available_scores(statistics: OodStatistics | None) -> tuple[str, ...]:
    """The scores that can be computed: those of the logits need no statistics."""
    return _FROM_LOGITS if statistics is None else OOD_SCORES


def compute_ood_score(
    name: str,
    *,
    logits: np.ndarray,
    probabilities: np.ndarray,
    penultimate: np.ndarray | None,
    statistics: OodStatistics | None,
) -> np.ndarray:
    """One out-of-distribution score of segments; higher is farther from home for all of them.

    Parameters
    ----------
    logits, probabilities : np.ndarray [shape=(n_segments, n_genres), float]
    penultimate : np.ndarray [shape=(n_segments, n_units), float], or None
        None only for the scores that are computed from the logits.

    Returns
    -------
    np.ndarray [shape=(n_segments,), float64]

    Raises
    ------
    ParameterError
        If nobody knows the score, or it needs statistics that are not there.
    """
    if name == "energy":
        return compute_energy(logits)
    if name == "max_softmax":
        return compute_doubt(probabilities)
    if name not in OOD_SCORES:
        raise ParameterError(f"no out-of-distribution score is called {name!r}; known: {', '.join(OOD_SCORES)}")
    if statistics is None or penultimate is None:
        raise ParameterError(
            f"the score {name!r} needs statistics of the training segments, which bundles of format 1 do not "
            f"have; without them there are {', '.join(_FROM_LOGITS)}"
        )
    if name == "knn":
        return statistics.bank.distance(penultimate)
    distance = statistics.genres.distance(penultimate)
    return distance if name == "mahalanobis" else distance - statistics.everything.distance(penultimate)


def pack_statistics(statistics: OodStatistics) -> bytes:
    """The statistics as an ``.npz`` file, without pickle."""
    file = io.BytesIO()
    np.savez(
        file,
        origin=statistics.genres.origin,
        within=statistics.genres.whitening,
        centres=statistics.genres.centres,
        overall=statistics.everything.whitening,
        bank=statistics.bank.vectors,
        n_neighbours=np.int64(statistics.bank.n_neighbours),
    )
    return file.getvalue()


def unpack_statistics(content: bytes, *, n_units: int) -> OodStatistics:
    """The inverse of :func:`pack_statistics`.

    Parameters
    ----------
    n_units : int
        Width of the penultimate layer that the statistics must be of.

    Raises
    ------
    BundleError
        If the bytes are no such file, or hold arrays of other shapes or numbers that are not finite.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as exc:
        raise BundleError(f"the out-of-distribution statistics are damaged: {exc!r}") from exc
    _check_arrays(arrays, n_units)
    origin = arrays["origin"].astype(np.float64)
    return OodStatistics(
        genres=Gaussian(
            origin=origin,
            whitening=arrays["within"].astype(np.float64),
            centres=arrays["centres"].astype(np.float64),
        ),
        everything=Gaussian(
            origin=origin, whitening=arrays["overall"].astype(np.float64), centres=np.zeros((1, n_units))
        ),
        bank=NeighbourBank(
            vectors=np.ascontiguousarray(arrays["bank"], np.float32), n_neighbours=int(arrays["n_neighbours"])
        ),
    )


def _check_arrays(arrays: dict[str, np.ndarray], n_units: int) -> None:
    shapes = {"origin": (n_units,), "within": (n_units, n_units), "overall": (n_units, n_units)}
    shapes |= {name: (len(np.atleast_1d(arrays[name])), n_units) for name in ("centres", "bank")}
    shapes["n_neighbours"] = ()
    for name, shape in shapes.items():
        found = arrays[name]
        if found.shape != shape or found.dtype.kind not in "fi" or not np.isfinite(found).all():
            raise BundleError(
                f"the out-of-distribution statistics hold '{name}' as {found.dtype} of shape {found.shape}; "
                f"wanted finite numbers of shape {shape}: the penultimate layer has {n_units} units"
            )
    n_bank, n_neighbours = len(arrays["bank"]), int(arrays["n_neighbours"])
    if not len(arrays["centres"]) or not 1 <= n_neighbours <= n_bank:
        raise BundleError(
            f"the out-of-distribution statistics hold {len(arrays['centres'])} centres and {n_bank} segments, of "
            f"which neighbour {n_neighbours} counts; wanted at least one of each"
        )
