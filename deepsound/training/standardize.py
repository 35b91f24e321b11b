"""Standardisation: learned on the training split only, applied to everything."""

import numpy as np


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
    return mean, np.where(std > 1e-6, std, 1.0)


def standardize(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Values as the network gets them, float32."""
    return (values - mean.astype(np.float32)) / std.astype(np.float32)
