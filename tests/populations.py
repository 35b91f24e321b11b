"""Made-up tracks of artists who are alike, for simulations of how often intervals hold the truth."""

import numpy as np


def draw_answers(rng, *, n_artists, n_tracks, correlation, accuracies=(0.9, 0.7, 0.8)):
    """True and predicted genres, and artists, of artists of one genre each.

    An artist has an accuracy and a favourite mistake of its own; ``correlation`` is that of right answers within
    one.
    """
    n_genres = len(accuracies)
    genres = np.repeat(np.arange(n_artists) % n_genres, n_tracks)
    artists = np.repeat(np.arange(n_artists), n_tracks)
    p = np.asarray(accuracies)[np.arange(n_artists) % n_genres]
    if correlation:
        scale = (1 - correlation) / correlation
        p = rng.beta(p * scale, (1 - p) * scale)
    is_right = rng.random(len(genres)) < p[artists]
    favourite = rng.integers(1, n_genres, n_artists)[artists]
    other = np.where(rng.random(len(genres)) < 0.6, favourite, rng.integers(1, n_genres, len(genres)))
    return genres, np.where(is_right, genres, (genres + other) % n_genres), artists


def draw_values(rng, *, n_artists, n_tracks, correlation, mean=0.0, n_dims=1):
    """Normal numbers of tracks [shape=(n_artists * n_tracks, n_dims)] and their artists."""
    artists = np.repeat(np.arange(n_artists), n_tracks)
    of_artists, of_tracks = rng.normal(size=(n_artists, n_dims)), rng.normal(size=(len(artists), n_dims))
    values = np.sqrt(correlation) * of_artists[artists] + np.sqrt(1 - correlation) * of_tracks
    return mean + values, artists
