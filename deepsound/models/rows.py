"""Rows of a feature, as tables hold them, to scores: what a UDF of Spark calls, and usable without Spark."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.data.layout import Layout
from deepsound.errors import ParameterError
from deepsound.models.head import Head

MISSING, MALFORMED, NOT_FINITE = "missing", "malformed", "not_finite"
# Of several in one track, the first of these is told.
REASONS = (MALFORMED, MISSING, NOT_FINITE)
SCORE_TYPE = pa.struct(
    [
        pa.field("predicted_genre", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("probabilities", pa.list_(pa.float64())),
        pa.field("ood_score", pa.float64()),
        pa.field("reason", pa.string()),
    ]
)


def score_rows(head: Head, *columns: pa.Array, ood_score: str) -> pa.StructArray:
    """Scores of rows, each by itself [length n_rows, :data:`SCORE_TYPE`].

    ``columns`` [list<float>, row-major (n_frames, n_dims)] are one a feature of the model, in its order, as
    ``segments/`` has them; ParameterError is raised if there are more or fewer. All but the reason is null where
    there is no score. The reason is ``missing`` where a feature is null, ``malformed`` where it holds another
    number of numbers than the model wants, ``not_finite`` where one of them, or of the scores, is NaN, infinite or
    null.
    """
    features, is_whole = read_rows(*columns, layout=head.spec.layout)
    scores = head.score(features, ood_scores=[ood_score])
    probabilities, ood_scores = scores.probabilities, scores.ood[ood_score]
    is_finite = np.isfinite(features).all(axis=(1, 2)) & np.isfinite(probabilities).all(axis=1)
    has_none = ~(is_finite & np.isfinite(ood_scores) & is_whole)
    mask = pa.array(has_none)
    n, n_genres = probabilities.shape
    filled = np.where(has_none[:, np.newaxis], 0.0, probabilities)
    lists = pa.array(np.arange(n + 1) * n_genres, pa.int32()), pa.array(filled.ravel())
    genres = pa.array(head.spec.genres, pa.string())
    return pa.StructArray.from_arrays(
        [
            genres.take(pa.array(filled.argmax(axis=1), mask=has_none)),
            pa.array(filled.max(axis=1, initial=0.0), mask=has_none),
            pa.ListArray.from_arrays(*lists, mask=mask),
            pa.array(ood_scores, pa.float64(), mask=has_none),
            _reasons(columns, is_whole=is_whole, has_none=has_none),
        ],
        fields=list(SCORE_TYPE),
    )


def _reasons(columns: Sequence[pa.Array], *, is_whole: np.ndarray, has_none: np.ndarray) -> pa.Array:
    if not has_none.any():
        return pa.nulls(len(has_none), pa.string())
    is_missing = np.any([column.is_null().to_numpy(zero_copy_only=False) for column in columns], axis=0)
    codes = np.where(is_whole, REASONS.index(NOT_FINITE), REASONS.index(MALFORMED))
    codes[is_missing] = REASONS.index(MISSING)
    return pa.array(REASONS, pa.string()).take(pa.array(codes, mask=~has_none))


def read_rows(*columns: pa.Array, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The columns of features as one array, and which rows are whole [shape=(n_rows,), bool].

    The array [shape=(n_rows, *layout.shape), float32] of one column is not copied where all rows are whole: hold
    as many numbers as the shapes ask for. What is not whole is 0; numbers that are null are NaN, those too large
    for float32 infinite. Raises ParameterError if there is not one column [list<float>, row-major] a feature.
    """
    if len(columns) != len(layout.shapes):
        raise ParameterError(
            f"{len(columns)} columns for a model of {len(layout.shapes)} features; wanted one each"
        )
    parts = [_read_column(rows, shape=shape) for rows, shape in zip(columns, layout.shapes, strict=True)]
    return layout.join([values for values, _ in parts]), np.all([is_whole for _, is_whole in parts], axis=0)


def _read_column(rows: pa.Array, *, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    size = shape[0] * shape[1]
    is_whole = pc.equal(pc.list_value_length(rows), size).fill_null(False).to_numpy(zero_copy_only=False)
    flat = (rows if is_whole.all() else rows.filter(pa.array(is_whole))).flatten()
    with np.errstate(over="ignore"):
        numbers = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, *shape)
    if is_whole.all():
        return numbers, is_whole
    features = np.zeros((len(rows), *shape), np.float32)
    features[is_whole] = numbers
    return features, is_whole
