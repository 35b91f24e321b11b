"""Features side by side in one array, against slicing by hand."""

import numpy as np
import pytest

from deepsound.data.layout import Layout

SHAPES = ((4, 3), (1, 5), (2, 2))
LAYOUT = Layout(SHAPES)


@pytest.fixture
def parts():
    return [np.random.default_rng(i).normal(size=(7, *shape)) for i, shape in enumerate(SHAPES)]


def test_a_feature_alone_lies_there_as_it_is(parts):
    alone = Layout(SHAPES[:1])
    assert (alone.shape, alone.n_dims, alone.describe()) == ((4, 3), 3, "4 x 3")
    assert alone.join(parts[:1]) is parts[0]
    np.testing.assert_array_equal(alone.split(parts[0])[0], parts[0])
    np.testing.assert_array_equal(alone.average_frames(parts[0]), parts[0].mean(axis=1))
    numbers = np.arange(3.0)
    np.testing.assert_array_equal(parts[0] - alone.spread(numbers), parts[0] - numbers)


@pytest.mark.parametrize("n_segments", [7, 0])
def test_several_lie_one_after_the_other(parts, n_segments):
    parts = [part[:n_segments] for part in parts]
    joined = LAYOUT.join(parts)
    assert (joined.shape, LAYOUT.shape, LAYOUT.n_dims) == ((n_segments, 1, 21), (1, 21), 10)
    assert LAYOUT.describe() == "4 x 3 + 1 x 5 + 2 x 2"
    flat = np.concatenate(
        [part.reshape(n_segments, part[0:1].size if n_segments else 0) for part in parts], axis=1
    )
    np.testing.assert_array_equal(joined[:, 0, : flat.shape[1]], flat)
    for found, part in zip(LAYOUT.split(joined), parts, strict=True):
        np.testing.assert_array_equal(found, part)


def test_a_number_a_dimension_goes_to_each_of_its_frames(parts):
    numbers = np.arange(10.0)
    edges = np.split(numbers, [3, 8])
    expected = LAYOUT.join([part - own for part, own in zip(parts, edges, strict=True)])
    np.testing.assert_array_equal(LAYOUT.join(parts) - LAYOUT.spread(numbers), expected)
    means = np.concatenate([part.mean(axis=1) for part in parts], axis=1)
    np.testing.assert_array_equal(LAYOUT.average_frames(LAYOUT.join(parts)), means)
