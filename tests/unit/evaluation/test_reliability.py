import itertools

import numpy as np
import pytest

from deepsound.errors import ParameterError
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.reliability import compute_reliability


def make_predictions(n, *, sharpness=1.0, seed=0):
    """Confidences, and answers that are right as often as those say before they are sharpened."""
    rng = np.random.default_rng(seed)
    honest = rng.uniform(0.3, 1.0, n)
    return honest**sharpness, rng.random(n) < honest


def reliability_of(n, **options):
    confidences, is_right = make_predictions(n, **options)
    return compute_reliability(confidences, is_right=is_right)


def expected_calibration_error(confidences, is_right, edges):
    """As Guo et al. write it down, bin by bin."""
    total = 0.0
    for low, high in itertools.pairwise(edges):
        chosen = (confidences >= low) & (confidences < high)
        if chosen.any():
            total += chosen.mean() * abs(is_right[chosen].mean() - confidences[chosen].mean())
    return total


def test_ece_is_the_sum_over_bins():
    confidences, is_right = make_predictions(500, sharpness=0.4)
    got = compute_reliability(confidences, is_right=is_right)
    equal_width = np.linspace(0, 1, 16) + 1e-12
    assert got.ece == pytest.approx(expected_calibration_error(confidences, is_right, equal_width))
    edges = np.quantile(confidences, np.linspace(0, 1, 11), method="inverted_cdf")
    edges[-1] = 2
    assert got.adaptive_ece == pytest.approx(expected_calibration_error(confidences, is_right, edges), abs=0.01)


def test_exact_ece_of_a_hand_made_case():
    confidences = np.array([0.9] * 10 + [0.5] * 10)
    is_right = np.array([True] * 6 + [False] * 4 + [True] * 5 + [False] * 5)
    got = compute_reliability(confidences, is_right=is_right)
    assert got.ece == pytest.approx(0.15)
    assert got.adaptive_ece == pytest.approx(0.15)
    assert [(b.n_tracks, b.confidence, b.accuracy) for b in got.bins] == [
        (10, 0.5, 0.5),
        (10, pytest.approx(0.9), 0.6),
    ]
    assert (got.bins[1].low, got.bins[1].high) == wilson_interval(6, 10)


def test_bins_hold_equally_many_tracks_and_at_least_ten():
    assert [b.n_tracks for b in reliability_of(47).bins] == [12, 12, 12, 11]
    assert [b.n_tracks for b in reliability_of(3).bins] == [3]
    assert {b.n_tracks for b in reliability_of(1000).bins} == {100}


def test_chance_alone_makes_a_gap_that_is_told():
    honest = [reliability_of(60, seed=seed) for seed in range(60)]
    assert sum(r.is_beyond_chance for r in honest) <= 8
    observed = np.mean([r.adaptive_ece for r in honest])
    assert np.mean([r.adaptive_ece_by_chance for r in honest]) == pytest.approx(observed, rel=0.15)
    assert observed > 0.05


def test_overconfidence_is_beyond_chance():
    assert reliability_of(300, sharpness=0.3).is_beyond_chance


def test_what_is_no_confidence_is_refused():
    with pytest.raises(ParameterError, match=r"outside 0\.\.1; did you pass logits"):
        compute_reliability(np.array([3.2]), is_right=np.array([True]))
    with pytest.raises(ParameterError, match=r"outside 0\.\.1"):
        compute_reliability(np.array([np.nan]), is_right=np.array([True]))
    with pytest.raises(ParameterError, match="0 confidences"):
        compute_reliability(np.zeros(0), is_right=np.zeros(0, bool))
