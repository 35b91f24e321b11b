"""The map: what is alike lies together, in the same place each time."""

import numpy as np

from deepsound.evaluation.embedding_map import map_vectors


def test_groups_stay_together_and_a_seed_gives_the_same():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 12)
    vectors = rng.normal(size=(3, 60))[groups] * 5 + rng.normal(size=(36, 60))
    places = map_vectors(vectors)
    assert places.shape == (36, 2)
    assert (places.min(axis=0) == 0).all()
    assert (places.max(axis=0) == 1).all()
    distances = np.linalg.norm(places[:, np.newaxis] - places, axis=2) + 9 * np.eye(36)
    assert (groups[distances.argmin(axis=1)] == groups).all()
    np.testing.assert_array_equal(map_vectors(vectors), places)


def test_nothing_to_map():
    assert map_vectors(np.zeros((0, 4))) is None
    assert map_vectors(np.random.default_rng(0).normal(size=(4, 3))) is None
    assert map_vectors(np.ones((20, 3))) is None
    assert map_vectors(np.random.default_rng(0).normal(size=(9, 1))).shape == (9, 2)
