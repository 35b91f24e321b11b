"""What a worker makes of segments: Arrow batches of features to the scores of every model, summed by track.

A *part* is a stretch of a track's segments in one batch. Parts are what a scoring run keeps until all of them are
there: a track may lie in several files, and in several parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.spark.heads import ShippedHead

# Columns of segments/ that place a segment in its track; foreign folders may lack some.
PLACES = {"segment_index": pa.int32(), "start_s": pa.float64(), "duration_s": pa.float64()}
_NUMBERS = pa.list_(pa.float64())
# Rows of a matrix, for numbers that Spark only carries: it handles those of a list one by one.
_PACKED = pa.binary()
_PART = pa.struct(
    [
        pa.field("n_malformed", pa.int32()),
        pa.field("n_not_finite", pa.int32()),
        pa.field("probabilities", _PACKED),
        pa.field("ood", pa.float64()),
        pa.field("means", _PACKED),
    ]
)
_MOMENT = pa.struct(
    [
        pa.field("predicted", pa.int32()),
        pa.field("confidence", pa.float64()),
        pa.field("probabilities", _NUMBERS),
        pa.field("ood_score", pa.float64()),
    ]
)


def model_column(index: int) -> str:
    """Where the scores of the model at a position stand."""
    return f"m{index}"


def part_fields(n_models: int) -> list[pa.Field]:
    """Sums over the segments of a part; ``first_segment`` puts the parts of a track in order."""
    keys = [("track_id", pa.string()), ("first_segment", pa.int32()), ("n_segments", pa.int32())]
    return [*(pa.field(*key) for key in keys), *(pa.field(model_column(i), _PART) for i in range(n_models))]


def moment_fields(n_models: int) -> list[pa.Field]:
    """Scores of single segments."""
    keys = [("track_id", pa.string()), *PLACES.items()]
    return [*(pa.field(*key) for key in keys), *(pa.field(model_column(i), _MOMENT) for i in range(n_models))]


def scored_schema(n_models: int) -> pa.Schema:
    """Rows of one pass over the segments: each is either a part or a segment, the other struct is null."""
    part, moment = pa.struct(part_fields(n_models)), pa.struct(moment_fields(n_models))
    return pa.schema([pa.field("part", part), pa.field("segment", moment)])


@dataclass(frozen=True, kw_only=True)
class SegmentModel:
    """A model, as far as segments need it. ``has_drift``: the means of the feature are wanted, too."""

    head: ShippedHead
    feature: str
    ood_score: str
    has_drift: bool


@dataclass(frozen=True, kw_only=True)
class _Scores:
    """Scores of a batch's segments by one model; those that could not be scored are 0."""

    probabilities: np.ndarray
    ood: np.ndarray
    means: np.ndarray
    is_malformed: np.ndarray
    is_finite: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SegmentScorer:
    """Scores batches of track_id, :data:`PLACES` and the models' feature columns. Pickled to executors.

    With ``has_timeline`` the segments' own scores come out beside the parts.
    """

    models: tuple[SegmentModel, ...]
    has_timeline: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of :func:`scored_schema`. The heads travel once per executor and are built once per worker."""
        heads = [model.head.load() for model in self.models]
        schema = scored_schema(len(self.models))
        n_before = 0
        for batch in batches:
            if not batch.num_rows:
                continue
            scores = [
                _score(head, batch.column(model.feature), model)
                for head, model in zip(heads, self.models, strict=True)
            ]
            parts = _parts(batch, scores, n_before=n_before)
            yield _one_sided(parts, schema, "part")
            if self.has_timeline:
                yield _one_sided(_moments(batch, scores), schema, "segment")
            n_before += batch.num_rows


def _one_sided(rows: pa.StructArray, schema: pa.Schema, side: str) -> pa.RecordBatch:
    columns = [rows if field.name == side else pa.nulls(len(rows), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _score(head, column: pa.Array, model: SegmentModel) -> _Scores:  # type: ignore[no-untyped-def]
    features, is_whole = to_features(column, shape=head.spec.shape)
    scored = head.score(features, ood_scores=[model.ood_score])
    probabilities, ood = scored.probabilities, scored.ood[model.ood_score]
    means = features.mean(axis=1, dtype=np.float64) if model.has_drift else np.zeros((len(features), 0))
    is_finite = np.isfinite(probabilities).all(axis=1) & np.isfinite(ood)
    usable = is_finite & is_whole
    if not usable.all():
        for values in (probabilities, ood, means):
            values[~usable] = 0.0
    return _Scores(
        probabilities=probabilities, ood=ood, means=means, is_malformed=~is_whole, is_finite=is_finite | ~is_whole
    )


def to_features(column: pa.Array, *, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A feature column as one array.

    Parameters
    ----------
    column : pa.Array [list<float>, row-major ``shape``]

    Returns
    -------
    features : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
        Not copied where all rows are whole. Numbers that are null are NaN.
    is_whole : np.ndarray [shape=(n_segments,), bool]
        Rows that hold as many numbers as the shape asks for; the others are 0.
    """
    size = shape[0] * shape[1]
    is_whole = pc.equal(pc.list_value_length(column), size).fill_null(False).to_numpy(zero_copy_only=False)
    flat = (column if is_whole.all() else column.filter(pa.array(is_whole))).flatten()
    numbers = flat.to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, *shape)
    if is_whole.all():
        return numbers, is_whole
    features = np.zeros((len(column), *shape), np.float32)
    features[is_whole] = numbers
    return features, is_whole


def _parts(batch: pa.RecordBatch, scores: Sequence[_Scores], *, n_before: int) -> pa.StructArray:
    track_ids = batch.column("track_id")
    n = batch.num_rows
    is_first = np.ones(n, bool)
    is_first[1:] = pc.not_equal(track_ids[1:], track_ids[:-1]).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(is_first)
    if "segment_index" in batch.schema.names:
        indices = batch.column("segment_index").cast(pa.int32()).take(pa.array(starts))
    else:
        indices = pa.array(n_before + starts, pa.int32())
    columns = [track_ids.take(pa.array(starts)), indices, pa.array(np.diff([*starts, n]), pa.int32())]
    columns += [_sum_parts(score, starts) for score in scores]
    return pa.StructArray.from_arrays(columns, fields=part_fields(len(scores)))


def _sum_parts(score: _Scores, starts: np.ndarray) -> pa.StructArray:
    counts = [np.add.reduceat(flags.astype(np.int32), starts) for flags in (score.is_malformed, ~score.is_finite)]
    columns = [
        *(pa.array(count, pa.int32()) for count in counts),
        pack_rows(np.add.reduceat(score.probabilities, starts)),
        pa.array(np.add.reduceat(score.ood, starts)),
        pack_rows(np.add.reduceat(score.means, starts)),
    ]
    return pa.StructArray.from_arrays(columns, fields=list(_PART))


def _moments(batch: pa.RecordBatch, scores: Sequence[_Scores]) -> pa.StructArray:
    names = batch.schema.names
    columns = [batch.column("track_id")]
    for name, kind in PLACES.items():
        columns.append(batch.column(name).cast(kind) if name in names else pa.nulls(batch.num_rows, kind))
    for score in scores:
        mask = pa.array(score.is_malformed | ~score.is_finite)
        values = [
            pa.array(score.probabilities.argmax(axis=1), pa.int32()),
            pa.array(score.probabilities.max(axis=1)),
            to_lists(score.probabilities),
            pa.array(score.ood),
        ]
        columns.append(pa.StructArray.from_arrays(values, fields=list(_MOMENT), mask=mask))
    return pa.StructArray.from_arrays(columns, fields=moment_fields(len(scores)))


def to_lists(values: np.ndarray) -> pa.ListArray:
    """Rows of a matrix as list<double>; the numbers are not copied one by one."""
    n, width = values.shape
    offsets = pa.array(np.arange(n + 1) * width, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), pa.float64()))


def pack_rows(values: np.ndarray) -> pa.BinaryArray:
    """Rows of a matrix as their bytes (float64)."""
    n, width = values.shape
    offsets = np.arange(n + 1, dtype=np.int32) * (8 * width)
    content = np.ascontiguousarray(values, np.float64)
    return pa.BinaryArray.from_buffers(pa.binary(), n, [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def unpack_rows(column: pa.BinaryArray) -> np.ndarray:
    """The inverse of :func:`pack_rows`: [shape=(n, width), float64]; no row may be null."""
    _, offset_buffer, content = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[column.offset : column.offset + len(column) + 1]
    if content is None or not len(column):
        return np.zeros((len(column), 0))
    # Copied, as the bytes of a slice need not begin where a number may.
    flat = np.frombuffer(content[int(offsets[0]) : int(offsets[-1])].to_pybytes(), np.float64)
    return flat.reshape(len(column), -1)
