"""Bringing the dimensions of a feature to one scale, learned from the training split only."""

import numpy as np

# Below it, a dimension holds nothing but rounding.
_CONSTANT_STD = 1e-6


def compute_standardization(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation per dimension, over segments and frames; a constant dimension gets std 1.

    Parameters
    ----------
    values : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
        Of the training split only.

    Returns
    -------
    mean, std : np.ndarray [shape=(n_dims,), float64]
    """
    mean = values.mean(axis=(0, 1), dtype=np.float64)
    std = values.std(axis=(0, 1), dtype=np.float64)
    return mean, np.where(std > _CONSTANT_STD, std, 1.0)


def find_constant_dims(values: np.ndarray) -> list[int]:
    """Dimensions, from 0, in which the training split never changes; values as above."""
    return np.flatnonzero(values.std(axis=(0, 1), dtype=np.float64) <= _CONSTANT_STD).tolist()


def standardize(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """``(values - mean) / std`` in float32."""
    standardized: np.ndarray = (values - mean.astype(np.float32)) / std.astype(np.float32)
    return standardized
