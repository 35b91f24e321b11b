"""How much each training segment counts."""

import numpy as np

from deepsound.training.dataset import Subset


def weigh_segments(subset: Subset, *, artist_balance: float, genre_balance: float) -> np.ndarray:
    """How much each training segment counts, on average 1 [shape=(n_segments,), float64].

    A track of an artist with n tracks counts n ** -artist_balance: an artist's tracks resemble each other, and so
    say less than as many by others. The same for genres; both balances are 0 to 1.
    """
    genre_sizes = np.bincount(subset.genre_indices)[subset.genre_indices]
    weights = genre_sizes.astype(np.float64) ** -genre_balance
    if subset.group_sizes is not None:
        weights *= subset.group_sizes.astype(np.float64) ** -artist_balance
    of_segments: np.ndarray = weights[subset.track_indices] / weights[subset.track_indices].mean()
    return of_segments
