"""What curves and ranks are made of: all scored tracks up to a million, above that a sample by hash."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from deepsound.evaluation.drift.reference import TRACK_QUANTITIES
from deepsound.evaluation.drift.report import DriftReport, compare_tracks
from deepsound.evaluation.quantification import Quantification, estimate_shares
from deepsound.evaluation.slices import SLICE_COLUMNS, Slices, find_slices
from deepsound.evaluation.units import number_units
from deepsound.models.bundle import Bundle
from deepsound.models.rows import read_rows
from deepsound.spark.udf import batch_udf

_MAX_TRACKS = 1_000_000
# Of rows with all their probabilities, for the shares of genres.
_MAX_DETAILED = 10_000
# Of tracks whose segments are read once more, for drift: bins of ten hold 200 of them each.
_MAX_REREAD = 2_000
_CURVE_COLUMNS = ("artist", "genre", "label", "predicted_genre", "confidence", "ood_score", "is_ood")
# Steps that a hash is told apart by.
_RESOLUTION = 1 << 40


def sample_predictions(predictions: DataFrame, *, n_scored: int) -> pa.Table:
    """Scored tracks, for :func:`~deepsound.evaluation.evaluate.evaluate`: all, or about a million by hash."""
    scored = draw(predictions.where("predicted_genre is not null"), n_rows=n_scored, n_wanted=_MAX_TRACKS)
    return scored.select(*_CURVE_COLUMNS).toArrow()


def find_slices_of_sample(predictions: DataFrame, tracks: DataFrame, bundle: Bundle, *, n_scored: int) -> Slices:
    """Where the model is worse than elsewhere, by the labels and what ``tracks`` know of the files."""
    scored = draw(predictions.where("predicted_genre is not null"), n_rows=n_scored, n_wanted=_MAX_TRACKS)
    labelled = scored.where("genre is not null").select("track_id", *_CURVE_COLUMNS)
    known = [name for name in SLICE_COLUMNS if name in tracks.columns]
    rows = labelled.join(tracks.select("track_id", *known), "track_id").toArrow()
    return find_slices(rows, genres=bundle.taxonomy.genres)


def estimate_from_sample(predictions: DataFrame, bundle: Bundle, *, n_accepted: int) -> Quantification | None:
    """Shares of genres among the tracks that were not called out-of-distribution; None without any."""
    if not n_accepted:
        return None
    accepted = draw(predictions.where("not is_ood"), n_rows=n_accepted, n_wanted=_MAX_DETAILED)
    table = accepted.select("artist", "probabilities").toArrow()
    if not table.num_rows:
        return None
    genres = bundle.taxonomy.genres
    values = table["probabilities"].combine_chunks().flatten().to_numpy().reshape(-1, len(genres))
    prior = bundle.count_genres("train")
    return estimate_shares(values, prior=prior, genres=genres, units=number_units(table["artist"].to_pylist()))


def measure_drift(
    tracks: DataFrame, segments: DataFrame, predictions: DataFrame, bundle: Bundle, *, n_scored: int
) -> DriftReport | None:
    """How scored tracks differ from those of training; None where the bundle cannot say."""
    if bundle.drift is None:
        return None
    scored = predictions.where("predicted_genre is not null")
    chosen = draw(scored, n_rows=n_scored, n_wanted=_MAX_REREAD).select("track_id", "artist", "confidence")
    quantities = [name for name in (*TRACK_QUANTITIES, "container") if name in tracks.columns]
    rows = chosen.join(tracks.select("track_id", *quantities), "track_id").toArrow()
    means = _feature_means(segments, rows["track_id"], bundle)
    known = [name for name in ("confidence", *TRACK_QUANTITIES) if name in rows.column_names]
    return compare_tracks(
        bundle.drift,
        feature_means=means,
        columns={name: rows[name].cast(pa.float64()).to_numpy() for name in known},
        containers=rows["container"].to_pylist() if "container" in rows.column_names else (),
        units=number_units(rows["artist"].to_pylist()),
    )


def _feature_means(segments: DataFrame, track_ids: pa.ChunkedArray, bundle: Bundle) -> np.ndarray:
    """Means of each dimension of the features over a track's frames and segments [shape=(n_tracks, n_dims)]."""
    layout = bundle.head.spec.layout

    def average(*batches: pa.Array) -> pa.Array:
        features, _ = read_rows(*batches, layout=layout)
        means = layout.average_frames(features, dtype=np.float64)
        return pa.ListArray.from_arrays(np.arange(len(means) + 1, dtype=np.int32) * layout.n_dims, means.ravel())

    udf = batch_udf(lambda: average, pa.list_(pa.float64()))
    wanted = F.broadcast(segments.sparkSession.createDataFrame(pa.table({"track_id": track_ids})))
    of_segments = segments.join(wanted, "track_id", "left_semi")
    found = of_segments.select("track_id", udf(*bundle.columns).alias("means")).toArrow()
    values = found["means"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, layout.n_dims)
    places = pc.index_in(found["track_id"], value_set=track_ids.combine_chunks()).to_numpy()
    sums = np.zeros((len(track_ids), layout.n_dims))
    np.add.at(sums, places, values)
    means: np.ndarray = sums / np.maximum(np.bincount(places, minlength=len(track_ids)), 1)[:, np.newaxis]
    return means


def draw(rows: DataFrame, *, n_rows: int, n_wanted: int) -> DataFrame:
    """All of ``n_rows`` tracks, or about ``n_wanted`` of them by hash, the same in every run."""
    if n_rows <= n_wanted:
        return rows
    return rows.where(_place() < int(_RESOLUTION * (n_wanted / n_rows)))


def _place() -> Column:
    """A number of each track that is as good as drawn, and the same in every run."""
    return F.pmod(F.xxhash64("track_id"), F.lit(_RESOLUTION))
