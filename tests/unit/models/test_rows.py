"""Rows of a feature, scored one by one: the head's own numbers, and a reason where there are none."""

import numpy as np
import pyarrow as pa
import pytest

from deepsound.models.head import load_head
from deepsound.models.rows import MALFORMED, MISSING, NOT_FINITE, read_rows, score_rows


@pytest.fixture
def head(tiny_bundle):
    return load_head(tiny_bundle.head)


def score(head, rows):
    return score_rows(head, pa.array(rows, pa.list_(pa.float32())), ood_score="energy").to_pylist()


def test_rows_are_what_the_head_says(head):
    rows = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    expected = head.score(rows.reshape(5, 4, 3), ood_scores=["energy"])
    found = score(head, list(rows))
    np.testing.assert_array_equal([row["probabilities"] for row in found], expected.probabilities)
    np.testing.assert_array_equal([row["ood_score"] for row in found], expected.ood["energy"])
    np.testing.assert_array_equal([row["confidence"] for row in found], expected.probabilities.max(axis=1))
    genres = head.spec.genres
    assert [row["predicted_genre"] for row in found] == [genres[i] for i in expected.probabilities.argmax(axis=1)]
    assert {row["reason"] for row in found} == {None}


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float32())])
def test_a_broken_row_has_a_reason_and_spoils_no_other(head, kind):
    good = np.random.default_rng(1).normal(size=12).astype(np.float32).tolist()
    rows = [good, None, good[:11], [*good[:11], None], [np.inf] * 12, good]
    column = pa.array([[9.0] * 12, *rows], kind).slice(1)
    found = score_rows(head, column, ood_score="energy").to_pylist()
    assert [row["reason"] for row in found] == [None, MISSING, MALFORMED, NOT_FINITE, NOT_FINITE, None]
    (alone,) = score(head, [good])
    assert found[0] == found[5] == alone
    for place in (1, 2, 3, 4):
        assert {value for name, value in found[place].items() if name != "reason"} == {None}


@pytest.mark.parametrize("rows", [[], [None], [None, [1.0]]])
def test_nothing_to_score(head, rows):
    assert [row["predicted_genre"] for row in score(head, rows)] == [None] * len(rows)
    features, is_whole = read_rows(pa.array(rows, pa.list_(pa.float32())), shape=(4, 3))
    assert features.shape == (len(rows), 4, 3)
    assert is_whole.tolist() == [False] * len(rows)


def test_numbers_too_large_for_the_feature_are_not_finite(head):
    rows = pa.array([[1e39] * 12], pa.list_(pa.float64()))
    assert score_rows(head, rows, ood_score="energy")[0]["reason"].as_py() == NOT_FINITE


def test_rows_are_not_copied():
    rows = pa.array(np.arange(24, dtype=np.float32).reshape(2, 12).tolist(), pa.list_(pa.float32()))
    features, _ = read_rows(rows, shape=(4, 3))
    assert features.base is not None
    np.testing.assert_array_equal(features.ravel(), np.arange(24))
