"""How often a difference is found, against the same comparison made many times over."""

import numpy as np
import pytest
import scipy.stats

from deepsound.errors import ParameterError
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.power import compute_power, describe_power


def draw(rng, *, n_artists, difference, spread=0.25):
    """Right answers of two models on artists of 1 to 7 tracks, each artist hard or easy for both, and for each."""
    units = np.repeat(np.arange(n_artists), rng.integers(1, 8, n_artists))
    ease = rng.normal(0.0, spread, (3, n_artists))
    p = [0.6 + side + ease[0] + ease[which] / 2 for which, side in ((1, difference / 2), (2, -difference / 2))]
    common = rng.random(len(units)) < 0.6
    luck = np.where(common, rng.random(len(units)), rng.random((2, len(units))))
    return [luck[i] < p[i][units] for i in range(2)], units


@pytest.mark.parametrize(("n_artists", "difference"), [(100, 0.1), (300, 0.05), (300, 0.0)])
def test_the_share_of_cases_is_that_of_a_simulation(n_artists, difference):
    rng = np.random.default_rng(7)
    found, errors, seen = [], [], []
    for _ in range(600):
        (a, b), units = draw(rng, n_artists=n_artists, difference=difference)
        paired = compare_paired(a, b, units=units)
        found.append(paired.p_value < 0.05)
        errors.append(paired.standard_error)
        seen.append(paired.difference)
    # Clipping at 0 and 1 makes the true difference a little smaller than the one asked for.
    powers = [compute_power(error, difference=np.mean(seen)) for error in errors]
    assert np.std(seen) == pytest.approx(np.mean(errors), rel=0.1)
    assert np.mean(powers) == pytest.approx(np.mean(found), abs=0.05)


def test_the_standard_error_is_that_of_a_ratio_over_artists():
    """By the textbook's formula, written out; and of single tracks the one of a mean of differences."""
    (a, b), units = draw(np.random.default_rng(1), n_artists=40, difference=0.1)
    d = a.astype(float) - b
    sums = np.array([(d - d.mean())[units == unit].sum() for unit in range(40)])
    expected = np.sqrt(40 / 39 * (sums**2).sum()) / len(d)
    assert compare_paired(a, b, units=units).standard_error == pytest.approx(expected)
    assert compare_paired(a, b).standard_error == pytest.approx(d.std() / np.sqrt(len(d)))


def test_power_by_another_way():
    z = scipy.stats.norm(loc=0.05 / 0.02)
    assert compute_power(0.02) == pytest.approx(1 - (z.cdf(1.959964) - z.cdf(-1.959964)), abs=1e-6)
    assert compute_power(0.5, difference=0.0) == pytest.approx(0.05)
    with pytest.raises(ParameterError, match="a standard error of 0"):
        compute_power(0.0)


def test_in_words():
    (a, b), units = draw(np.random.default_rng(1), n_artists=200, difference=0.1)
    paired = compare_paired(a, b, units=units)
    share = 100 * compute_power(paired.standard_error)
    assert describe_power(paired) == f"a difference of 5 points would be found in {share:.0f} % of cases"
    assert describe_power(compare_paired(a, a)) == "how large a difference would be found cannot be said"
