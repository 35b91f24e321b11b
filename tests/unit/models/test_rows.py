"""Rows of a feature, scored one by one: the head's own numbers, and a reason where there are none."""

import numpy as np
import pytest

from deepsound.models.head import load_head
from deepsound.models.rows import MALFORMED, MISSING, NOT_FINITE, read_rows, score_rows


@pytest.fixture
def head(tiny_bundle):
    return load_head(tiny_bundle.head)


def test_rows_are_what_the_head_says(head):
    rows = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    expected = head.score(rows.reshape(5, 4, 3), ood_scores=["energy"])
    found = score_rows(head, list(rows), ood_score="energy")
    np.testing.assert_array_equal(np.stack(found.probabilities), expected.probabilities)
    np.testing.assert_array_equal(found.ood_scores, expected.ood["energy"])
    np.testing.assert_array_equal(found.confidences, expected.probabilities.max(axis=1))
    genres = head.spec.genres
    assert found.predicted_genres == [genres[i] for i in expected.probabilities.argmax(axis=1)]
    assert found.reasons == [None] * 5


def test_a_broken_row_has_a_reason_and_spoils_no_other(head):
    good = np.random.default_rng(1).normal(size=12)
    rows = [good, None, good[:11], [*good[:11], None], np.full(12, np.inf), good.tolist()]
    found = score_rows(head, rows, ood_score="energy")
    assert found.reasons == [None, MISSING, MALFORMED, NOT_FINITE, NOT_FINITE, None]
    alone = score_rows(head, [good], ood_score="energy")
    for place in (0, 5):
        np.testing.assert_array_equal(found.probabilities[place], alone.probabilities[0])
    for place in (1, 2, 3, 4):
        assert found.predicted_genres[place] is None
        assert found.probabilities[place] is None
        assert np.isnan([found.confidences[place], found.ood_scores[place]]).all()


@pytest.mark.parametrize("rows", [[], [None], [None, [1.0]]])
def test_nothing_to_score(head, rows):
    found = score_rows(head, rows, ood_score="energy")
    assert found.predicted_genres == [None] * len(rows)
    features, reasons = read_rows(rows, shape=(4, 3))
    assert features.shape == (len(rows), 4, 3)
    assert len(reasons) == len(rows)


def test_numbers_too_large_for_the_feature_are_not_finite(head):
    assert score_rows(head, [np.full(12, 1e39)], ood_score="energy").reasons == [NOT_FINITE]
