import numpy as np

from deepsound.training.standardize import compute_standardization, find_constant_dims, standardize


def test_each_dimension_gets_mean_0_and_std_1_and_a_constant_one_stays_finite():
    rng = np.random.default_rng(0)
    values = rng.normal(loc=[3, -200, 5], scale=[2, 0.01, 0], size=(50, 6, 3)).astype(np.float32)
    mean, std = compute_standardization(values)
    np.testing.assert_allclose(mean, values.astype(np.float64).reshape(-1, 3).mean(axis=0))
    assert std[2] == 1
    standardized = standardize(values, mean, std)
    assert standardized.dtype == np.float32
    np.testing.assert_allclose(standardized.reshape(-1, 3).mean(axis=0), [0, 0, 0], atol=1e-2)
    np.testing.assert_allclose(standardized.reshape(-1, 3).std(axis=0), [1, 1, 0], atol=1e-2)
    assert find_constant_dims(values) == [2]
