"""A trained head as it runs everywhere but in training: ONNX Runtime, no TensorFlow.

A head is self-contained: a :class:`HeadSpec` (JSON), the ONNX bytes and those of the training segments'
statistics. Spark broadcasts them and each Python worker builds one :class:`Head` through :func:`load_head`.
"""

import functools
import hashlib
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

from deepsound.data.layout import Layout
from deepsound.errors import BundleError, NetworkMismatchError, ParameterError
from deepsound.evaluation.ood.statistics import (
    SegmentOutputs,
    available_scores,
    compute_ood_score,
    unpack_statistics,
)
from deepsound.models.transform import apply_transforms
from deepsound.networks.onnx_file import open_network

# The second are the numbers that the last dense layer sees; heads of old bundles have the first alone.
OUTPUT_NAMES = ("logits", "penultimate")
# Values that a network takes at a time, so that what lies between its layers stays below 0.5 GB: 4 segments of
# 10 s where the network is a whole VGGish, 46 of MFCCs.
_MAX_VALUES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What turns features into probabilities, besides the network.

    ``genres`` is the taxonomy, in the order of the logits. ``mean`` and ``std`` [length layout.n_dims], learned on
    the training split only, standardise; ``std`` is above 0. ``temperature`` divides the logits before the
    softmax. ``transforms`` are applied to each feature before; see :mod:`deepsound.models.transform`.
    """

    genres: tuple[str, ...]
    layout: Layout
    mean: tuple[float, ...]
    std: tuple[float, ...]
    temperature: float
    transforms: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Of a segment's array: (n_frames, n_dims) of a feature alone."""
        return self.layout.shape


@dataclass(frozen=True, kw_only=True)
class SegmentScores:
    """What a head says of segments.

    ``probabilities`` [shape=(n_segments, n_genres), float64] are calibrated; ``ood`` has scores by name
    [shape=(n_segments,), float64], higher is farther from the training segments; ``penultimate``
    [shape=(n_segments, n_units), float32] is what the last dense layer sees, None of heads of old bundles.
    """

    probabilities: np.ndarray
    ood: dict[str, np.ndarray]
    penultimate: np.ndarray | None


class Head:
    """A head ready to run on the CPU.

    ``onnx`` is the network or its file, ``ood_bytes`` from ``pack_statistics``;
    without them there are only the scores of the logits. Raises BundleError if the network is no ONNX model, reads
    other files or does not fit ``spec``, or the statistics do not fit it.
    """

    def __init__(
        self, spec: HeadSpec, onnx: bytes | pathlib.Path, *, ood_bytes: bytes | None = None, n_threads: int = 1
    ) -> None:
        try:
            self._session = open_network(onnx, n_threads=n_threads)
        except NetworkMismatchError as exc:
            raise BundleError(f"the head is refused: {exc}") from exc
        self.spec = spec
        self._input_name = self._session.get_inputs()[0].name
        self._mean, self._std = (spec.layout.spread(np.asarray(n, np.float32)) for n in (spec.mean, spec.std))
        outputs = {output.name: output.shape[1:] for output in self._session.get_outputs()}
        self._has_penultimate = OUTPUT_NAMES[1] in outputs
        self._logits_name = OUTPUT_NAMES[0] if self._has_penultimate else next(iter(outputs))
        shapes = self._session.get_inputs()[0].shape[1:], outputs[self._logits_name]
        if shapes != (list(spec.shape), [len(spec.genres)]):
            raise BundleError(
                f"the head maps {shapes[0]} to {shapes[1]}; its bundle says {list(spec.shape)} to "
                f"[{len(spec.genres)}]"
            )
        self._statistics = None
        if ood_bytes is not None:
            if not self._has_penultimate:
                raise BundleError("the head has statistics of a penultimate layer, but gives no such numbers")
            n_units = int(outputs[OUTPUT_NAMES[1]][0])
            self._statistics = unpack_statistics(ood_bytes, n_units=n_units, n_dims=spec.layout.n_dims)

    @property
    def ood_scores(self) -> tuple[str, ...]:
        """Names of the out-of-distribution scores that this head can compute."""
        return available_scores(self._statistics)

    @property
    def training_vectors(self) -> np.ndarray | None:
        """A sample of training segments in the penultimate layer, of length 1 each; None of old bundles."""
        return None if self._statistics is None else self._statistics.bank.vectors

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        """Logits [shape=(n_segments, n_genres), float32] of raw features [shape=(n_segments, *spec.shape)].

        Raises ParameterError if the features are of another shape.
        """
        logits, _ = self._run(features, self._logits_name)
        return logits

    def score(self, features: np.ndarray, *, ood_scores: Sequence[str] = ("energy",)) -> SegmentScores:
        """Probabilities and out-of-distribution scores of segments, from one run of the network.

        Features are as for :meth:`compute_logits`. Raises ParameterError if they are of another shape, or a score
        cannot be computed.
        """
        names = [self._logits_name, OUTPUT_NAMES[1]] if self._has_penultimate else [self._logits_name]
        logits, *penultimate, feature_means = self._run(features, *names)
        outputs = SegmentOutputs(
            logits=logits, penultimate=penultimate[0] if penultimate else None, feature_means=feature_means
        )
        return SegmentScores(
            probabilities=scipy.special.softmax(logits.astype(np.float64) / self.spec.temperature, axis=1),
            ood={name: compute_ood_score(name, outputs, statistics=self._statistics) for name in ood_scores},
            penultimate=outputs.penultimate,
        )

    def _run(self, features: np.ndarray, *outputs: str) -> list[np.ndarray]:
        """Outputs of the network by name, and as the last its inputs' means over frames."""
        if features.ndim != 3 or features.shape[1:] != self.spec.shape:
            raise ParameterError(f"features of shape {features.shape}; this model wants (n, *{self.spec.shape})")
        n_at_a_time = max(1, _MAX_VALUES // (self.spec.shape[0] * self.spec.shape[1]))
        starts = range(0, max(len(features), 1), n_at_a_time)
        batches = [self._run_at_once(features[i : i + n_at_a_time], outputs) for i in starts]
        return [np.concatenate(parts) for parts in zip(*batches, strict=True)]

    def _run_at_once(self, features: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        layout = self.spec.layout
        standardized = (apply_transforms(features, self.spec.transforms, layout=layout) - self._mean) / self._std
        values: list[np.ndarray] = self._session.run(list(outputs), {self._input_name: standardized})
        return [*values, layout.average_frames(standardized)]


@dataclass(frozen=True)
class PackedHead:
    """A head in transit between processes. Equal digests mean equal heads."""

    spec: HeadSpec
    onnx_bytes: bytes
    ood_bytes: bytes | None = None

    @property
    def digest(self) -> str:
        """sha256 of the network and of all that stands beside it."""
        return hashlib.sha256(self.onnx_bytes + repr(self.spec).encode() + (self.ood_bytes or b"")).hexdigest()


@functools.lru_cache(maxsize=4)
def load_head(packed: PackedHead) -> Head:
    """The head, built once per process and found again by content at every later call."""
    return Head(packed.spec, packed.onnx_bytes, ood_bytes=packed.ood_bytes)


@functools.lru_cache(maxsize=4)
def open_head(spec: HeadSpec, path: str, ood_bytes: bytes | None = None) -> Head:
    """The head whose network lies at a path, built once per process."""
    return Head(spec, pathlib.Path(path), ood_bytes=ood_bytes)
