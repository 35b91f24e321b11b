"""The map: what is alike lies together, in the same place each time."""

import numpy as np
import pytest
import sklearn.manifold

from deepsound.evaluation import embedding_map
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


@pytest.mark.parametrize("shape", [(60, 1), (510, 70)], ids=["random start", "randomised PCA"])
def test_the_map_is_seeded_whatever_the_process_drew_before(shape, monkeypatch):
    monkeypatch.setattr(embedding_map, "_N_STEPS", 250)
    if shape[1] > 1:
        # What would take seconds adds nothing to chance: its start is PCA's.
        monkeypatch.setattr(sklearn.manifold.TSNE, "fit_transform", lambda _, reduced: reduced[:, :2])
    vectors = np.random.default_rng(1).normal(size=shape)
    maps = []
    for state in (1, 2):
        np.random.seed(state)  # noqa: NPY002  what scikit-learn draws from without a seed
        maps.append(map_vectors(vectors))
    np.testing.assert_array_equal(maps[0], maps[1])


def test_nothing_to_map():
    assert map_vectors(np.zeros((0, 4))) is None
    assert map_vectors(np.random.default_rng(0).normal(size=(4, 3))) is None
    assert map_vectors(np.ones((20, 3))) is None
    assert map_vectors(np.random.default_rng(0).normal(size=(9, 1))).shape == (9, 2)
