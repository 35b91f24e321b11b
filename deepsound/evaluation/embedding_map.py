"""Vectors in two dimensions, so that what is alike lies near to each other: PCA, then t-SNE."""

import numpy as np

MAX_POINTS = 1500
# Training segments among them at most.
_N_HOME = 500
_MAX_COMPONENTS, _FEWEST = 50, 5
_PERPLEXITY, _N_STEPS = 30.0, 500


def map_vectors(vectors: np.ndarray) -> np.ndarray | None:
    """Places [shape=(n_vectors, 2), float64, 0..1] of at most 1,500 finite vectors on a map.

    None of fewer than five vectors, or if they are all the same. Neighbourhood means something there, distances
    across the map do not: L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9 (2008)
    2579-2605.
    """
    if len(vectors) < _FEWEST or np.ptp(vectors, axis=0).max() < 1e-6:
        return None
    # Not at the top: executors import this module, and have none of these.
    import sklearn.decomposition
    import sklearn.manifold
    import threadpoolctl

    n_components = min(_MAX_COMPONENTS, *vectors.shape)
    reduced = sklearn.decomposition.PCA(n_components, random_state=0).fit_transform(vectors.astype(np.float64))
    tsne = sklearn.manifold.TSNE(
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        init="pca" if n_components > 1 else "random",
        max_iter=_N_STEPS,
        random_state=0,
    )
    # Threads that wait for each other at each of a thousand steps take minutes where cores are shared.
    with threadpoolctl.threadpool_limits(1):
        places = tsne.fit_transform(reduced).astype(np.float64)
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    mapped: np.ndarray = (places - low) / np.where(span > 0, span, 1.0)
    return mapped


def map_tracks(vectors: np.ndarray | None, home: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Places of tracks, NaN without a vector, and of training segments on one map; of too many, at even steps."""
    if vectors is None:
        return None, None
    shown_home = np.zeros((0, vectors.shape[1]), np.float32) if home is None else home[:: -(-len(home) // _N_HOME)]
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    n_shown = min(len(known), MAX_POINTS - len(shown_home))
    shown = known[np.linspace(0, len(known) - 1, n_shown).astype(int)] if n_shown else known[:0]
    found = map_vectors(np.concatenate([vectors[shown], shown_home]))
    if found is None:
        return None, None
    places = np.full((len(vectors), 2), np.nan)
    places[shown] = found[: len(shown)]
    return places, found[len(shown) :]
