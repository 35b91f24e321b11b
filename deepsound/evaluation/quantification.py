"""How much of each genre a collection without labels holds.

Counting predictions is biased: a model that takes every tenth rock track for metal finds metal where there is
none. Probabilities depend on the shares of genres in training; the likeliest shares of a collection are those that
the mean of the probabilities, adjusted to them, gives back, found by expectation maximisation: M. Saerens, P.
Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a simple
procedure", Neural Comput. 14 (2002) 21-41.

This assumes that genres sound as in training and that probabilities are calibrated; leave out what is called
out-of-distribution. Intervals tell of the collection's artists only, not of errors in the probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import Interval, interval_of
from deepsound.evaluation.units import check_units, proportion_interval

_TOLERANCE, _MAX_STEPS = 1e-6, 1000
_N_DRAWS, _DRAW_TOLERANCE, _MAX_DRAW_STEPS = 200, 1e-5, 200
# Beyond so many tracks, intervals are drawn from artists of about so many of them.
_MAX_DRAWN_TRACKS = 5000
# Of the training shares in what a draw starts from: a genre at 0 would stay there, whatever is drawn.
_START = 0.01


@dataclass(frozen=True, kw_only=True)
class GenreShare:
    """One genre's share of a collection, each with a 95 % interval.

    ``predicted`` is the share of tracks predicted as it, ``estimated`` that of tracks that truly are of it.
    """

    genre: str
    n_predicted: int
    predicted: float
    predicted_low: float
    predicted_high: float
    estimated: float
    estimated_low: float
    estimated_high: float


@dataclass(frozen=True, kw_only=True)
class Quantification:
    """Shares of all genres; each kind adds up to 1. ``notes`` say what makes estimates worth less, a line each."""

    n_tracks: int
    shares: tuple[GenreShare, ...]
    notes: tuple[str, ...]


def estimate_shares(
    probabilities: np.ndarray,
    *,
    prior: np.ndarray,
    genres: Sequence[str],
    units: np.ndarray | None = None,
    seed: int = 0,
) -> Quantification:
    """Shares of genres, as predicted and as they truly may be.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_genres), float, rows sum to 1]
    prior : np.ndarray [shape=(n_genres,), float, at least 0]
        Training tracks of each genre; half a track is added to each.
    units : np.ndarray [shape=(n_tracks,), int64], or None
        Artists; None for each track as its own.
    seed : int
        Draws the intervals.

    Raises
    ------
    ParameterError
        If the shapes do not fit the taxonomy, there is no track, probabilities are none, the prior is of shares
        and not of tracks, or there is not one unit a track.

    Notes
    -----
    Intervals hold 95 % of the estimates of 200 draws of artists with replacement, and Wilson's interval at as many
    independent tracks as vary as much (at most the artists). Of more than 5,000 tracks, the artists of about as
    many are drawn from, and deviations are scaled by the root of their share of artists.
    """
    _check(probabilities, prior, n_genres=len(genres))
    n_tracks = len(probabilities)
    units = check_units(units, n_tracks=n_tracks)
    trained_at = (prior + 0.5) / (prior + 0.5).sum()
    ratios = probabilities.astype(np.float64) / trained_at
    estimated, has_settled = maximise_expectation(
        ratios, start=trained_at, tolerance=_TOLERANCE, max_steps=_MAX_STEPS
    )
    intervals = _draw_intervals(ratios, units, estimated, trained_at=trained_at, seed=seed)
    predicted = probabilities.argmax(axis=1)
    notes = [] if has_settled else [f"the shares had not settled after {_MAX_STEPS} steps"]
    unknown = [genre for genre, n in zip(genres, prior, strict=True) if not n]
    if unknown:
        notes.insert(0, f"no training track of {', '.join(unknown)}: how much there is of these is a guess")
    return Quantification(
        n_tracks=n_tracks,
        shares=tuple(
            _put_together(genre, predicted == i, units, estimated=float(estimated[i]), interval=intervals[i])
            for i, genre in enumerate(genres)
        ),
        notes=tuple(notes),
    )


def maximise_expectation(
    ratios: np.ndarray, *, start: np.ndarray, tolerance: float, max_steps: int, weights: np.ndarray | None = None
) -> tuple[np.ndarray, bool]:
    """The shares that make the mean of probabilities, adjusted to them, come out as themselves.

    Parameters
    ----------
    ratios : np.ndarray [shape=(n_tracks, n_genres), float64]
        Probabilities by the shares that they were trained at.
    start : np.ndarray [shape=(n_genres,) or (n_genres, n_draws), sums to 1, above 0]
    tolerance : float
        Largest change of a share with which the steps end.
    weights : np.ndarray [shape=(n_tracks, n_draws), float64], or None
        How often a track is in a draw.

    Returns
    -------
    (np.ndarray [shape of start], bool)
        The shares, and whether they settled.
    """
    shares = start
    n_tracks: float | np.ndarray = float(len(ratios)) if weights is None else weights.sum(axis=0)
    for _ in range(max_steps):
        evidence = np.maximum(ratios @ shares, np.finfo(np.float64).tiny)
        stepped = shares * (ratios.T @ ((1.0 if weights is None else weights) / evidence)) / n_tracks
        change = float(np.abs(stepped - shares).max())
        shares = stepped
        if change < tolerance:
            return shares, True
    return shares, False


def _draw_intervals(
    ratios: np.ndarray, units: np.ndarray, estimated: np.ndarray, *, trained_at: np.ndarray, seed: int
) -> list[Interval]:
    """95 % interval of each share."""
    rng = np.random.default_rng(seed)
    _, places, sizes = np.unique(units, return_inverse=True, return_counts=True)
    n_units = len(sizes)
    chosen = _choose_units(sizes, rng=rng)
    number = np.full(n_units, -1)
    number[chosen] = np.arange(len(chosen))
    of_tracks = number[places]
    ratios, of_tracks = ratios[of_tracks >= 0], of_tracks[of_tracks >= 0]
    times = rng.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), size=_N_DRAWS).T
    start = (1 - _START) * estimated + _START * trained_at
    drawn, _ = maximise_expectation(
        ratios,
        start=np.repeat(start[:, np.newaxis], _N_DRAWS, axis=1),
        weights=times[of_tracks].astype(np.float64),
        tolerance=_DRAW_TOLERANCE,
        max_steps=_MAX_DRAW_STEPS,
    )
    # Draws of a sample of the artists lie farther from its estimate than those of all would.
    drawn = estimated[:, np.newaxis] + (drawn - drawn.mean(axis=1, keepdims=True)) * np.sqrt(len(chosen) / n_units)
    bounds = np.quantile(drawn, [0.025, 0.975], axis=1).T
    wilson = [
        interval_of(float(share), variance=float(row.var(ddof=1)), n_units=n_units, n_tracks=n_units)
        for share, row in zip(estimated, drawn, strict=True)
    ]
    return [
        (max(min(low, one[0]), 0.0), min(max(high, one[1]), 1.0))
        for one, (low, high) in zip(wilson, bounds.tolist(), strict=True)
    ]


def _choose_units(sizes: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """All units where tracks are few; else as many, by chance, as have 5,000 tracks, a hundred at least."""
    if sizes.sum() <= _MAX_DRAWN_TRACKS or len(sizes) <= 100:
        return np.arange(len(sizes))
    order = rng.permutation(len(sizes))
    n_chosen = int(np.searchsorted(np.cumsum(sizes[order]), _MAX_DRAWN_TRACKS))
    return order[: max(n_chosen, 100)]


def _put_together(
    genre: str, is_predicted: np.ndarray, units: np.ndarray, *, estimated: float, interval: Interval
) -> GenreShare:
    low, high = proportion_interval(is_predicted, units=units)
    return GenreShare(
        genre=genre,
        n_predicted=int(is_predicted.sum()),
        predicted=float(is_predicted.mean()),
        predicted_low=low,
        predicted_high=high,
        estimated=estimated,
        estimated_low=min(interval[0], estimated),
        estimated_high=max(interval[1], estimated),
    )


def _check(probabilities: np.ndarray, prior: np.ndarray, *, n_genres: int) -> None:
    if probabilities.ndim != 2 or probabilities.shape[1] != n_genres or prior.shape != (n_genres,):
        raise ParameterError(
            f"probabilities of shape {probabilities.shape} and a prior of {prior.shape} for {n_genres} genres"
        )
    if not len(probabilities):
        raise ParameterError("shares of genres of no track")
    if not (probabilities >= 0).all() or not (np.abs(probabilities.sum(axis=1) - 1) < 1e-3).all():
        raise ParameterError("probabilities are below 0 or do not add up to 1; did you pass logits?")
    if not np.isfinite(prior).all() or (prior < 0).any() or (prior != np.round(prior)).any():
        raise ParameterError(f"a prior of {prior.sum():g} training tracks; wanted numbers of tracks, not shares")
