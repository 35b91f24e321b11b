"""The mean of the channels."""

import numpy as np
import pytest

from deepsound.audio.stream import Downmix


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6, 16, 1024])
def test_the_mean_of_the_channels(n_channels):
    piece = np.random.default_rng(0).uniform(-1, 1, (2048, n_channels)).astype(np.float32)
    before = piece.copy()
    downmix = Downmix()
    mono = downmix.mix(piece)
    assert mono.dtype == np.float32
    np.testing.assert_allclose(mono, piece.mean(axis=1, dtype=np.float64), atol=1e-6)
    np.testing.assert_array_equal(piece, before)
    assert downmix.channel_peak == (np.abs(piece).max() if n_channels > 1 else 0)


@pytest.mark.parametrize("n_channels", [2, 4])
def test_the_mean_of_two_and_four_is_numpys_to_the_last_bit(n_channels):
    piece = np.random.default_rng(0).uniform(-1, 1, (5000, n_channels)).astype(np.float32)
    np.testing.assert_array_equal(Downmix().mix(piece), piece.mean(axis=1, dtype=np.float32))


def test_no_samples_have_no_mean():
    assert Downmix().mix(np.zeros((0, 2), np.float32)).shape == (0,)
