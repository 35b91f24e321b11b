"""How the features of a model lie in the one array that holds a segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A feature alone lies there as it is; several lie one after the other, row-major, in a single frame.

    Attributes
    ----------
    shapes : tuple of (n_frames, n_dims)
        Of each feature.
    """

    shapes: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the array of a segment: that of the feature, or (1, numbers of all features)."""
        return self.shapes[0] if len(self.shapes) == 1 else (1, sum(self.sizes))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers each feature has in a segment."""
        return tuple(n_frames * n_dims for n_frames, n_dims in self.shapes)

    @property
    def n_dims(self) -> int:
        """Dimensions of all features together: what means over frames, and a standardisation, have numbers for."""
        return sum(n_dims for _, n_dims in self.shapes)

    def describe(self) -> str:
        """The shapes in words: ``431 x 13``, joined with ``+``."""
        return " + ".join(f"{n_frames} x {n_dims}" for n_frames, n_dims in self.shapes)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Each feature of segments, (n_segments, n_frames, n_dims), from (n_segments, *shape)."""
        if len(self.shapes) == 1:
            return [values]
        parts = np.split(values.reshape(len(values), sum(self.sizes)), np.cumsum(self.sizes)[:-1], axis=1)
        return [part.reshape(len(values), *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The inverse of :meth:`split`."""
        if len(parts) == 1:
            return parts[0]
        flat = [part.reshape(len(part), size) for part, size in zip(parts, self.sizes, strict=True)]
        return np.concatenate(flat, axis=1).reshape(-1, *self.shape)

    def average_frames(self, values: np.ndarray, *, dtype: Any = None) -> np.ndarray:
        """Means over frames, (n_segments, n_dims), of (n_segments, *shape)."""
        return np.concatenate([part.mean(axis=1, dtype=dtype) for part in self.split(values)], axis=1)

    def spread(self, numbers: np.ndarray) -> np.ndarray:
        """A number a dimension, (n_dims,), put to each number of a segment: (*shape)."""
        of_parts = np.split(numbers, np.cumsum([n_dims for _, n_dims in self.shapes])[:-1])
        tiled = [np.tile(part, n_frames) for part, (n_frames, _) in zip(of_parts, self.shapes, strict=True)]
        return np.concatenate(tiled).reshape(self.shape)
