"""Single tracks of a scored collection for its page: as many as a page can list, however large the collection."""

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from deepsound.config import ReportSettings
from deepsound.evaluation.examples import (
    N_FARTHEST,
    N_OF_CELLS,
    Examples,
    SegmentRows,
    add_clips,
    choose_examples,
    count_a_cell,
)
from deepsound.evaluation.slices import LABEL_COLUMNS, SLICE_COLUMNS
from deepsound.models.head import load_head
from deepsound.models.rows import read_rows
from deepsound.spark.features import FeatureFrames
from deepsound.spark.heads import ship_head
from deepsound.spark.predict import PLACES, ScoringModel
from deepsound.spark.samples import draw
from deepsound.spark.udf import BatchFunction, batch_udf

_COLUMNS = ("track_id", *LABEL_COLUMNS, "predicted_genre", "confidence", "probabilities", "ood_score", "is_ood")
# Tracks that come to the driver by hash, beside the examples of their cells.
_N_SAMPLED = 1500
# Of a track, half an hour.
_MAX_SEGMENTS = 180
_HEARD = pa.struct(
    [pa.field("probabilities", pa.list_(pa.float64())), pa.field("penultimate", pa.list_(pa.float32()))]
)


def collect_examples(
    predictions: DataFrame, frames: FeatureFrames, model: ScoringModel, *, n_scored: int, settings: ReportSettings
) -> Examples:
    """The tracks that a page shows, with clips of some.

    Parameters
    ----------
    predictions : DataFrame
        Of the model, as they were written.
    n_scored : int
        Of them.
    """
    table = _candidates(predictions, n_genres=len(model.genres), n_scored=n_scored)
    wanted = F.broadcast(frames.tracks.sparkSession.createDataFrame(table.select(["track_id"])))
    known = [name for name in ("path", *SLICE_COLUMNS) if name in frames.tracks.columns]
    tracks = frames.tracks.join(wanted, "track_id", "left_semi").select("track_id", *known).toArrow().to_pylist()
    examples = choose_examples(
        table,
        genres=model.genres,
        tracks={row["track_id"]: row for row in tracks},
        segments=_look_at_segments(frames.segments.join(wanted, "track_id", "left_semi"), model),
    )
    return add_clips(examples, n_clips=settings.audio, extraction=frames.summary.settings)


def _candidates(predictions: DataFrame, *, n_genres: int, n_scored: int) -> pa.Table:
    """The surest of each cell of the confusion matrix, the farthest, and a sample by hash."""
    scored = predictions.where("predicted_genre is not null").select(*_COLUMNS)
    if n_scored <= _N_SAMPLED:
        return scored.toArrow()
    cell = Window.partitionBy("genre", "predicted_genre").orderBy(F.desc("confidence"), "track_id")
    surest = (
        scored.withColumn("rank", F.row_number().over(cell))
        .where(F.col("rank") <= count_a_cell(n_genres))
        .drop("rank")
    )
    farthest = scored.orderBy(F.desc("ood_score"), "track_id").limit(N_FARTHEST)
    sample = draw(scored, n_rows=n_scored, n_wanted=_N_SAMPLED)
    listed = surest.limit(N_OF_CELLS).union(farthest).union(sample)
    return listed.dropDuplicates(["track_id"]).toArrow()


def _look_at_segments(segments: DataFrame, model: ScoringModel) -> SegmentRows:
    bundle = model.named.bundle
    load = ship_head(segments.sparkSession, bundle.head).load

    def open_function() -> BatchFunction:
        head = load()

        def look(*columns: pa.Array) -> pa.Array:
            scores = head.score(read_rows(*columns, layout=head.spec.layout)[0], ood_scores=[])
            penultimate = (
                np.zeros((len(columns[0]), 0), np.float32) if scores.penultimate is None else scores.penultimate
            )
            return pa.StructArray.from_arrays(
                [_to_lists(scores.probabilities), _to_lists(penultimate)], fields=list(_HEARD)
            )

        return look

    udf = batch_udf(open_function, _HEARD)
    places = [
        (F.col(name) if name in segments.columns else F.lit(None)).cast(kind).alias(name)
        for name, kind in PLACES.items()
        if name != "segment_index"
    ]
    near = segments.where(F.col("segment_index") < _MAX_SEGMENTS)
    found = near.select("track_id", *places, udf(*bundle.columns).alias("heard")).toArrow()
    heard = found["heard"].combine_chunks()
    penultimate = _to_array(heard.field("penultimate"), np.float32)
    return SegmentRows(
        track_ids=found["track_id"].to_numpy(),
        start_s=found["start_s"].to_numpy().astype(np.float64),
        duration_s=found["duration_s"].to_numpy().astype(np.float64),
        probabilities=_to_array(heard.field("probabilities"), np.float64).reshape(-1, len(model.genres)),
        penultimate=penultimate if penultimate.shape[1] else None,
        home=load_head(bundle.head).training_vectors,
    )


def _to_lists(values: np.ndarray) -> pa.Array:
    n_rows, n_values = values.shape
    return pa.ListArray.from_arrays(
        np.arange(n_rows + 1, dtype=np.int32) * n_values, np.ascontiguousarray(values).ravel()
    )


def _to_array(lists: pa.Array, kind: type) -> np.ndarray:
    values: np.ndarray = lists.flatten().to_numpy(zero_copy_only=False).astype(kind, copy=False)
    return values.reshape(len(lists), len(values) // max(len(lists), 1))
