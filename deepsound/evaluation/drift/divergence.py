"""How far two sets of binned counts are apart, and whether chance alone would put them so far."""

import numpy as np
import scipy.special

from deepsound.errors import ParameterError

# Added to every bin, so that one empty on either side does not make the index infinite.
_SMOOTHING = 0.5
_NEARLY = 1e-9


def compute_psi(
    reference: np.ndarray,
    counts: np.ndarray,
    *,
    n_reference: np.ndarray | float | None = None,
    n_tracks: np.ndarray | float | None = None,
) -> np.ndarray:
    """Population stability index of each quantity, less what chance alone makes of it, at least 0.

    The index is ``sum((p - q) ln(p / q))`` over bins; by chance its mean is about ``(n_bins - 1) (1 / n + 1 / m)``
    for n and m tracks. What is left is commonly called small below 0.1 and large from 0.25 on.

    Parameters
    ----------
    reference, counts : np.ndarray [shape=(n_quantities, n_bins), int]
    n_reference, n_tracks : float or np.ndarray [shape=(n_quantities,), float], or None
        Independent tracks among those counted; None for all.

    Returns
    -------
    np.ndarray [shape=(n_quantities,), float64]
        NaN where one side has no track.

    Notes
    -----
    Sources: N. Siddiqi, Credit Risk Scorecards, 2006 (index and bounds); B. Yurdakul and J. Naranjo, "Statistical
    properties of the population stability index", J. Risk Model Validation 14(4), 2020 (its mean by chance).
    """
    n, m = _independent(reference, counts, n_reference=n_reference, n_tracks=n_tracks)
    # Empty bins say nothing, and where there are fewer edges they are only padding.
    is_bin = (reference + counts) > 0
    n_bins = is_bin.sum(axis=1)
    p, q = (
        np.where(is_bin, (side + _SMOOTHING) / (side.sum(axis=1) + _SMOOTHING * n_bins)[:, np.newaxis], 1.0)
        for side in (reference, counts)
    )
    index = ((p - q) * np.log(p / q)).sum(axis=1)
    by_chance = (n_bins - 1) * (1 / np.maximum(n, _NEARLY) + 1 / np.maximum(m, _NEARLY))
    return np.where((n > 0) & (m > 0), np.maximum(index - by_chance, 0.0), np.nan)


def compute_p_values(
    reference: np.ndarray,
    counts: np.ndarray,
    *,
    n_reference: np.ndarray | float | None = None,
    n_tracks: np.ndarray | float | None = None,
) -> np.ndarray:
    """Probability of so large a gap without drift: the test of Kolmogorov and Smirnov, on bins.

    It looks for the largest gap at the bins' edges only, so it is conservative, and holds for few tracks and rare
    bins, where a chi-square test does not. Parameters as in :func:`compute_psi`.

    Returns
    -------
    np.ndarray [shape=(n_quantities,), float64, 0..1]
        1 where one side has no track.

    Notes
    -----
    Asymptotic distribution with the correction of M. A. Stephens, J. R. Stat. Soc. B 32 (1970) 115-122.
    """
    n, m = _independent(reference, counts, n_reference=n_reference, n_tracks=n_tracks)
    below, below_now = (
        np.cumsum(side, axis=1) / np.maximum(side.sum(axis=1), 1)[:, np.newaxis] for side in (reference, counts)
    )
    gaps = np.abs(below - below_now).max(axis=1, initial=0.0)
    n_effective = np.sqrt(n * m / np.maximum(n + m, _NEARLY))
    scaled = (n_effective + 0.12 + 0.11 / np.maximum(n_effective, _NEARLY)) * gaps
    p_values: np.ndarray = np.where((n > 0) & (m > 0), scipy.special.kolmogorov(scaled), 1.0)
    return p_values


def compute_tilt(reference: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Probability that a track of the collection lies above one of the reference, ties counting half.

    [shape=(n_quantities,), float64]; NaN where one side has no track.
    """
    _check(reference, counts)
    below = np.cumsum(reference, axis=1) - reference / 2
    n_pairs = reference.sum(axis=1) * counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        tilt: np.ndarray = (below * counts).sum(axis=1) / n_pairs
    return tilt


def _independent(
    reference: np.ndarray,
    counts: np.ndarray,
    *,
    n_reference: np.ndarray | float | None,
    n_tracks: np.ndarray | float | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Independent tracks on either side [shape=(n_quantities,)]: no more than there are."""
    _check(reference, counts)
    n_all, m_all = reference.sum(axis=1), counts.sum(axis=1)
    n = n_all if n_reference is None else np.minimum(n_reference, n_all)
    m = m_all if n_tracks is None else np.minimum(n_tracks, m_all)
    return n, m


def _check(reference: np.ndarray, counts: np.ndarray) -> None:
    if reference.shape != counts.shape or reference.ndim != 2 or (counts < 0).any() or (reference < 0).any():
        raise ParameterError(
            f"counts of shape {counts.shape} against a reference of {reference.shape}; wanted the same, none "
            "negative"
        )
