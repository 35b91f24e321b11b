"""Scores from the logits alone: high where no genre gets evidence, or none more than another."""

import numpy as np
import scipy.special


def compute_energy(logits: np.ndarray) -> np.ndarray:
    """Energy of each row, ``-logsumexp(logits)``; higher is farther from the training distribution.

    Source: W. Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020.

    Parameters
    ----------
    logits : np.ndarray [shape=(n_segments, n_genres), float]

    Returns
    -------
    np.ndarray [shape=(n_segments,), float64]
    """
    energy: np.ndarray = -scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    return energy


def compute_doubt(probabilities: np.ndarray) -> np.ndarray:
    """One minus the largest probability of each row; higher is farther from the training distribution.

    Source: D. Hendrycks and K. Gimpel, "A baseline for detecting misclassified and out-of-distribution examples in
    neural networks", ICLR 2017.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_segments, n_genres), float, 0..1]

    Returns
    -------
    np.ndarray [shape=(n_segments,), float64]
    """
    doubt: np.ndarray = 1.0 - probabilities.max(axis=1).astype(np.float64)
    return doubt
