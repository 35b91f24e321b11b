"""The score from the logits alone: high where no genre gets evidence."""

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
