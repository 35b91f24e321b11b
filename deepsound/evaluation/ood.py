"""Out-of-distribution score: how far from home a track is.

The score is the energy of the head's logits, ``-logsumexp(logits)``: high where no genre gets evidence.
Source: W. Liu et al., "Energy-based out-of-distribution detection", NeurIPS 2020.
"""

import numpy as np
import scipy.special

from deepsound.errors import ParameterError


def compute_energy(logits: np.ndarray) -> np.ndarray:
    """Energy of each row; higher is farther from the training distribution.

    Parameters
    ----------
    logits : np.ndarray [shape=(n_segments, n_genres), float]

    Returns
    -------
    np.ndarray [shape=(n_segments,), float64]
    """
    energy: np.ndarray = -scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    return energy


def fit_threshold(in_distribution_scores: np.ndarray, *, false_alarm_rate: float) -> float:
    """The score above which a track is called out-of-distribution.

    Parameters
    ----------
    in_distribution_scores : np.ndarray [shape=(n_tracks,), float]
        Scores of tracks the model was not trained on, of the training collection.
    false_alarm_rate : float
        Share of such tracks that may lie above the threshold.

    Raises
    ------
    ParameterError
        If there is no score, or the rate is not in (0, 1).
    """
    if not len(in_distribution_scores) or not 0 < false_alarm_rate < 1:
        raise ParameterError(
            f"threshold from {len(in_distribution_scores)} scores at a false-alarm rate of {false_alarm_rate}; "
            "wanted at least one score and a rate in (0, 1)"
        )
    return float(np.quantile(in_distribution_scores, 1 - false_alarm_rate, method="higher"))
