"""Rows of a feature, scored one by one: the head's own numbers, and a reason where there are none."""

import pathlib

import numpy as np
import pyarrow as pa
import pytest

from deepsound.data.layout import Layout
from deepsound.errors import ParameterError
from deepsound.models.bundle import read_bundle
from deepsound.models.head import load_head
from deepsound.models.rows import MALFORMED, MISSING, NOT_FINITE, read_rows, score_rows

FROZEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "bundles"


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
    features, is_whole = read_rows(pa.array(rows, pa.list_(pa.float32())), layout=Layout(((4, 3),)))
    assert features.shape == (len(rows), 4, 3)
    assert is_whole.tolist() == [False] * len(rows)


def test_numbers_too_large_for_the_feature_are_not_finite(head):
    rows = pa.array([[1e39] * 12], pa.list_(pa.float64()))
    assert score_rows(head, rows, ood_score="energy")[0]["reason"].as_py() == NOT_FINITE


def test_rows_are_not_copied():
    rows = pa.array(np.arange(24, dtype=np.float32).reshape(2, 12).tolist(), pa.list_(pa.float32()))
    features, _ = read_rows(rows, layout=Layout(((4, 3),)))
    assert features.base is not None
    np.testing.assert_array_equal(features.ravel(), np.arange(24))


def test_rows_of_several_features_are_scored_together_and_the_first_reason_is_told():
    bundle = read_bundle(FROZEN / "v3")
    head, rng = load_head(bundle.head), np.random.default_rng(2)
    toy, tune = rng.normal(size=(5, 12)).astype(np.float32), rng.normal(size=(5, 6)).astype(np.float32)
    expected = head.score(np.concatenate([toy, tune], axis=1)[:, np.newaxis]).probabilities
    lists = [[*toy[:3].tolist(), None, toy[4].tolist()], [*tune.tolist()]]
    lists[0][1] = lists[0][1][:-1]
    lists[1][2] = [*lists[1][2][:-1], float("nan")]
    columns = [pa.array(rows, pa.list_(pa.float32())) for rows in lists]
    found = score_rows(head, *columns, ood_score="energy").to_pylist()
    assert [row["reason"] for row in found] == [None, MALFORMED, NOT_FINITE, MISSING, None]
    for i in (0, 4):
        np.testing.assert_allclose(found[i]["probabilities"], expected[i], atol=1e-6)
    with pytest.raises(ParameterError, match="1 columns for a model of 2 features; wanted one each"):
        score_rows(head, columns[0], ood_score="energy")
