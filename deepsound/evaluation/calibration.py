"""Temperature scaling: probabilities that mean what they say.

Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2.
"""

import numpy as np
import scipy.optimize
import scipy.special

from deepsound.errors import ParameterError

_TEMPERATURE_BOUNDS = (0.05, 20.0)
# Standard deviation of the prior of a temperature's logarithm: one time in three it is above 2 or below a half. A
# hundred tracks outweigh it; not so tracks that are all right, whose likelihood grows without end.
_PRIOR_SD = float(np.log(2))


def fit_temperature(logits: np.ndarray, *, true_indices: np.ndarray, track_indices: np.ndarray) -> float:
    """The most probable temperature, given tracks, with a weak prior around 1.

    It minimises the negative log-likelihood of track probabilities (means over segments of ``softmax(logits /
    temperature)``) plus half the square of ``log(temperature) / log(2)``, without which tracks that are all right
    would make a model certain of everything.

    Parameters
    ----------
    logits : np.ndarray [shape=(n_segments, n_genres), float]
    true_indices : np.ndarray [shape=(n_tracks,), int]
    track_indices : np.ndarray [shape=(n_segments,), int, 0 <= index < n_tracks]

    Returns
    -------
    float
        Between 0.05 and 20.

    Raises
    ------
    ParameterError
        If there is no track.
    """
    if not len(true_indices):
        raise ParameterError("temperature scaling needs at least one labelled track, got none")

    def negative_log_posterior(log_temperature: float) -> float:
        probabilities = scipy.special.softmax(logits / np.exp(log_temperature), axis=1)
        per_track = mean_by_track(probabilities, track_indices=track_indices, n_tracks=len(true_indices))
        likelihood = per_track[np.arange(len(true_indices)), true_indices]
        prior = (log_temperature / _PRIOR_SD) ** 2 / 2
        return float(prior - np.log(np.maximum(likelihood, 1e-12)).sum())

    bounds = tuple(np.log(_TEMPERATURE_BOUNDS))
    result = scipy.optimize.minimize_scalar(negative_log_posterior, bounds=bounds, method="bounded")
    return float(np.exp(result.x))


def mean_by_track(values: np.ndarray, *, track_indices: np.ndarray, n_tracks: int) -> np.ndarray:
    """Mean of segment values [shape=(n_segments, ...)] per track [shape=(n_tracks, ...), float64].

    Raises
    ------
    ParameterError
        If a track has no segment.
    """
    sums = np.zeros((n_tracks, *values.shape[1:]), np.float64)
    np.add.at(sums, track_indices, values)
    counts = np.bincount(track_indices, minlength=n_tracks)
    if (counts == 0).any():
        raise ParameterError("a track has no segment to average")
    means: np.ndarray = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
    return means
