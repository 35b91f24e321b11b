"""What a worker makes of tracks: their parts to predictions, and all predictions to counts, in one pass."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deepsound.evaluation.drift import TRACK_QUANTITIES
from deepsound.evaluation.tally import ScoredTracks, Tally, TallyPlan
from deepsound.label_maps import LabelMap, map_labels
from deepsound.spark.segment_scores import model_column, to_lists, unpack_rows
from deepsound.taxonomy import Taxonomy

_TEXT, _NUMBER = pa.string(), pa.float64()
PREDICTION_FIELDS = [
    pa.field("genre", _TEXT),
    pa.field("predicted_genre", _TEXT),
    pa.field("confidence", _NUMBER),
    pa.field("probabilities", pa.list_(_NUMBER)),
    pa.field("ood_score", _NUMBER),
    pa.field("is_ood", pa.bool_()),
    pa.field("error_code", _TEXT),
    pa.field("label_outcome", _TEXT),
]
CELL_FIELDS = [
    pa.field("counted", pa.int32()),
    pa.field("table", _TEXT),
    pa.field("place", pa.int64()),
    pa.field("n", pa.int64()),
]
# Counted beside the models, under this number: which of two models was right.
PAIRS = -1


def track_fields(n_models: int) -> list[pa.Field]:
    """A track with its predictions, a struct a model."""
    keys = [pa.field("track_id", _TEXT), pa.field("label", _TEXT), pa.field("n_segments", pa.int32())]
    models = [pa.field(model_column(i), pa.struct(PREDICTION_FIELDS)) for i in range(n_models)]
    return [*keys, *models]


def judged_schema(n_models: int) -> pa.Schema:
    """Rows of one pass over the tracks: each is either a track or a count, the other struct is null."""
    return pa.schema(
        [pa.field("track", pa.struct(track_fields(n_models))), pa.field("cell", pa.struct(CELL_FIELDS))]
    )


def pair_table(a: int, b: int) -> str:
    """The table that counts tracks by which of two models are right."""
    return f"pair:{a}:{b}"


@dataclass(frozen=True, kw_only=True)
class TrackModel:
    """A model, as far as tracks need it."""

    taxonomy: Taxonomy
    threshold: float
    label_map: LabelMap | None
    plan: TallyPlan


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Tracks as one model sees them."""

    tracks: ScoredTracks
    probabilities: np.ndarray
    genres: list[str | None]


@dataclass(frozen=True, kw_only=True)
class TrackJudge:
    """Turns tracks, each with the list of its parts, into rows of :func:`judged_schema`. Pickled to executors."""

    models: tuple[TrackModel, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Predictions of every track, and behind them the counts of all tracks of this partition."""
        schema = judged_schema(len(self.models))
        tallies = [Tally(model.plan) for model in self.models]
        pairs: dict[str, np.ndarray] = {}
        for batch in batches:
            parts = _Parts.of(batch.column("parts"))
            judged = [_judge(batch, parts, i, model) for i, model in enumerate(self.models)]
            for tally, of_model in zip(tallies, judged, strict=True):
                tally.count(of_model.tracks)
            _count_pairs(judged, pairs)
            tracks = _to_struct(batch, parts, judged, self.models)
            yield pa.RecordBatch.from_arrays([tracks, pa.nulls(len(tracks), schema.field(1).type)], schema=schema)
        rows = [(i, *cell) for i, tally in enumerate(tallies) for cell in tally.cells()]
        rows += [
            (PAIRS, name, place, int(n)) for name, table in pairs.items() for place, n in enumerate(table) if n
        ]
        if rows:
            values = [[row[i] for row in rows] for i in range(len(CELL_FIELDS))]
            columns = [pa.array(column, field.type) for column, field in zip(values, CELL_FIELDS, strict=True)]
            cells = pa.StructArray.from_arrays(columns, fields=CELL_FIELDS)
            yield pa.RecordBatch.from_arrays([pa.nulls(len(cells), schema.field(0).type), cells], schema=schema)


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """The parts of a batch of tracks, in one list; ``owners`` says whose each is."""

    rows: pa.StructArray
    owners: np.ndarray
    n_tracks: int

    @classmethod
    def of(cls, column: pa.ListArray) -> "_Parts":
        lengths = np.nan_to_num(column.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
        return cls(rows=column.flatten(), owners=np.repeat(np.arange(len(column)), lengths), n_tracks=len(column))

    @functools.cached_property
    def n_segments(self) -> np.ndarray:
        """Segments of each track [shape=(n_tracks,)]."""
        return self.add_up_numbers(self.rows.field("n_segments"))

    def add_up(self, values: pa.BinaryArray) -> np.ndarray:
        """Sums by track of rows of numbers, one a part [shape=(n_tracks, width)]."""
        rows = unpack_rows(values)
        sums = np.zeros((self.n_tracks, rows.shape[1]))
        np.add.at(sums, self.owners, rows)
        return sums

    def add_up_numbers(self, values: pa.Array) -> np.ndarray:
        """The same of one number a part: one number a track."""
        sums = np.zeros(self.n_tracks)
        np.add.at(sums, self.owners, values.to_numpy(zero_copy_only=False).astype(np.float64))
        return sums


def _judge(batch: pa.RecordBatch, parts: _Parts, index: int, model: TrackModel) -> _Judged:
    scores = parts.rows.field(model_column(index))
    n_segments = parts.n_segments
    n_malformed, n_not_finite, ood = (
        parts.add_up_numbers(scores.field(name)) for name in ("n_malformed", "n_not_finite", "ood")
    )
    is_ok = np.array([status == "ok" for status in batch.column("status").to_pylist()], bool)
    is_scored = is_ok & (n_segments > 0) & (n_malformed == 0) & (n_not_finite == 0)
    divisor = np.maximum(n_segments, 1)
    probabilities = parts.add_up(scores.field("probabilities")) / divisor[:, np.newaxis]
    if probabilities.shape[1] == 0:  # not one part among these tracks
        probabilities = np.zeros((len(is_ok), len(model.taxonomy)))
    # A mean of probabilities may miss 1 by rounding.
    confidences = np.clip(probabilities.max(axis=1), 0.0, 1.0)
    ood_scores = ood / divisor
    codes = _error_codes(batch, is_scored, is_malformed=n_malformed > 0, is_finite=n_not_finite == 0)
    labels = [None if label is None else str(label) for label in batch.column("genre").to_pylist()]
    outcomes = map_labels(labels, taxonomy=model.taxonomy, label_map=model.label_map).outcomes
    genres = [outcome.genre for outcome in outcomes]
    means = parts.add_up(scores.field("means")) / divisor[:, np.newaxis]
    names = batch.schema.names
    tracks = ScoredTracks(
        true_indices=np.array([-1 if genre is None else model.taxonomy.index(genre) for genre in genres]),
        predicted_indices=np.where(is_scored, probabilities.argmax(axis=1), -1),
        confidences=confidences,
        ood_scores=ood_scores,
        is_ood=is_scored & (ood_scores > model.threshold),
        outcomes=[outcome.outcome for outcome in outcomes],
        error_codes=codes,
        feature_means=means if means.shape[1] else None,
        columns={
            name: batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
            for name in TRACK_QUANTITIES
            if name in names
        },
        containers=batch.column("container").to_pylist() if "container" in names else [None] * len(labels),
    )
    return _Judged(tracks=tracks, probabilities=probabilities, genres=genres)


def _error_codes(
    batch: pa.RecordBatch, is_scored: np.ndarray, *, is_malformed: np.ndarray, is_finite: np.ndarray
) -> list[str | None]:
    """Why a track has no prediction. One that is readable but has no segment must not vanish either."""
    own = batch.column("error_code").to_pylist()
    return [
        None if scored else code or ("malformed" if malformed else "internal" if finite else "not_finite")
        for code, scored, malformed, finite in zip(own, is_scored, is_malformed, is_finite, strict=True)
    ]


def _count_pairs(judged: Sequence[_Judged], pairs: dict[str, np.ndarray]) -> None:
    """Tracks that both of two models scored and know the genre of: by 2 x (first is right) + (second is right)."""
    for a in range(len(judged)):
        for b in range(a + 1, len(judged)):
            both = [judged[i].tracks for i in (a, b)]
            is_judged = np.logical_and.reduce([(t.true_indices >= 0) & (t.predicted_indices >= 0) for t in both])
            right = [(t.true_indices == t.predicted_indices)[is_judged].astype(np.int64) for t in both]
            table = pairs.setdefault(pair_table(a, b), np.zeros(4, np.int64))
            table += np.bincount(2 * right[0] + right[1], minlength=4)


def _to_struct(
    batch: pa.RecordBatch, parts: _Parts, judged: Sequence[_Judged], models: Sequence[TrackModel]
) -> pa.StructArray:
    columns = [
        batch.column("track_id"),
        batch.column("genre").cast(_TEXT),
        pa.array(parts.n_segments.astype(np.int32)),
    ]
    for of_model, model in zip(judged, models, strict=True):
        tracks = of_model.tracks
        failed = tracks.predicted_indices < 0
        genres = model.taxonomy.genres
        values = [
            pa.array(of_model.genres, _TEXT),
            pa.array([None if i < 0 else genres[i] for i in tracks.predicted_indices], _TEXT),
            pa.array(tracks.confidences, _NUMBER, mask=failed),
            _masked_lists(of_model.probabilities, failed),
            pa.array(tracks.ood_scores, _NUMBER, mask=failed),
            pa.array(tracks.is_ood, pa.bool_(), mask=failed),
            pa.array(tracks.error_codes, _TEXT),
            pa.array(tracks.outcomes, _TEXT),
        ]
        columns.append(pa.StructArray.from_arrays(values, fields=PREDICTION_FIELDS))
    return pa.StructArray.from_arrays(columns, fields=track_fields(len(models)))


def _masked_lists(values: np.ndarray, is_null: np.ndarray) -> pa.ListArray:
    lists = to_lists(values)
    return pa.ListArray.from_arrays(lists.offsets, lists.values, mask=pa.array(is_null))
