"""Bringing the dimensions of a feature to one scale, learned from the training split only."""

import numpy as np

# Below it, a dimension holds nothing but rounding.
_CONSTANT_STD = 1e-6


def compute_standardization(*parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per dimension, over segments and frames; a constant dimension gets std 1.

    Each of ``parts`` [shape=(n_segments, n_frames, n_dims), float32] is a feature, of the training split only;
    both results are [shape=(n_dims of all parts,), float64].
    """
    mean = np.concatenate([part.mean(axis=(0, 1), dtype=np.float64) for part in parts])
    std = np.concatenate([part.std(axis=(0, 1), dtype=np.float64) for part in parts])
    return mean, np.where(std > _CONSTANT_STD, std, 1.0)


def find_constant_dims(values: np.ndarray) -> list[int]:
    """Dimensions of a feature, from 0, in which the training split never changes; values as above."""
    return np.flatnonzero(values.std(axis=(0, 1), dtype=np.float64) <= _CONSTANT_STD).tolist()


def standardize(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """``(values - mean) / std`` in float32, all of shapes that go together."""
    standardized: np.ndarray = (values - mean.astype(np.float32)) / std.astype(np.float32)
    return standardized
