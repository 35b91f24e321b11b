"""Predictions to counts, in Spark SQL: exact, of any number of tracks, with artists as units."""

from collections.abc import Sequence

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from deepsound.evaluation.counts import CELL_KEYS, Counts, count_cells
from deepsound.evaluation.spread import MACROS, N_OVERALL, Spread, compute_shares, spread_from_squares


def count_predictions(predictions: DataFrame, *, genres: Sequence[str]) -> Counts:
    """The counts of a table of predictions: :func:`deepsound.evaluation.counts.count_table`, at any size.

    Parameters
    ----------
    genres : sequence of str
        The full taxonomy.
    """
    cells = predictions.groupBy(*CELL_KEYS).agg(
        F.count("*").alias("n"), F.coalesce(F.sum("confidence"), F.lit(0.0)).alias("confidence")
    )
    rows = [row.asDict() for row in cells.collect()]
    return count_cells(
        rows, genres=genres, measure=lambda confusion: _measure_spread(predictions, confusion, genres)
    )


def unit_of(predictions: DataFrame) -> Column:
    """The unit that a track counts with: its artist, or itself; never the same text for both."""
    known = F.nullif(predictions["artist"], F.lit(""))
    return F.coalesce(F.concat(F.lit("artist:"), known), F.concat(F.lit("track:"), predictions["track_id"]))


def labelled_of(predictions: DataFrame) -> DataFrame:
    """The scored tracks with a known genre: unit, artist, genre, predicted_genre."""
    known = predictions.where(F.col("genre").isNotNull() & F.col("predicted_genre").isNotNull())
    return known.select(
        "track_id",
        unit_of(known).alias("unit"),
        F.nullif(F.col("artist"), F.lit("")).alias("artist"),
        "genre",
        "predicted_genre",
    )


def _measure_spread(predictions: DataFrame, confusion: np.ndarray, genres: Sequence[str]) -> Spread:
    """As :func:`deepsound.evaluation.spread.measure_spread`: two passes over the keys."""
    if not confusion.any():
        # A collection without labels, which may be the largest, is not gone through for them.
        return spread_from_squares(
            np.zeros(N_OVERALL + len(MACROS) * len(genres)),
            n_units=np.zeros((len(genres), 3), np.int64),
            n_all=0,
            n_artists=0,
        )
    rows = labelled_of(predictions)
    n_all, n_artists, n_units = _count_units(rows, genres)
    shares = compute_shares(confusion, n_units=n_units)
    if not n_artists:
        # Each track is its own unit: the sum over units is one over cells.
        squares = np.einsum("tp,tpk->k", confusion, shares**2)
        return spread_from_squares(squares, n_units=n_units, n_all=n_all, n_artists=0)
    cells = rows.sparkSession.createDataFrame(
        [
            (genre, predicted, shares[i, j].tolist())
            for i, genre in enumerate(genres)
            for j, predicted in enumerate(genres)
            if confusion[i, j]
        ],
        "genre string, predicted_genre string, shares array<double>",
    )
    n_figures = shares.shape[-1]
    sums = (
        rows.join(F.broadcast(cells), ["genre", "predicted_genre"])
        .groupBy("unit")
        .agg(*(F.sum(F.col("shares")[k]).alias(f"s{k}") for k in range(n_figures)))
    )
    (found,) = sums.agg(*(F.sum(F.col(f"s{k}") * F.col(f"s{k}")) for k in range(n_figures))).collect()
    return spread_from_squares(np.array(found, np.float64), n_units=n_units, n_all=n_all, n_artists=n_artists)


def _count_units(rows: DataFrame, genres: Sequence[str]) -> tuple[int, int, np.ndarray]:
    """All units, known artists, and units by genre: predicted as it, of it, either [shape=(n_genres, 3)]."""
    roles = F.array(
        F.struct(F.lit(0).alias("role"), F.col("predicted_genre").alias("name")),
        F.struct(F.lit(1).alias("role"), F.col("genre").alias("name")),
        F.struct(F.lit(2).alias("role"), F.col("predicted_genre").alias("name")),
        F.struct(F.lit(2).alias("role"), F.col("genre").alias("name")),
        F.struct(F.lit(3).alias("role"), F.lit("").alias("name")),
        F.struct(F.when(F.col("artist").isNotNull(), F.lit(4)).alias("role"), F.lit("").alias("name")),
    )
    one_each = rows.select("unit", F.explode(roles).alias("r")).select("unit", "r.role", "r.name").distinct()
    counts = {
        (row["role"], row["name"]): row["n"]
        for row in one_each.groupBy("role", "name").agg(F.count("*").alias("n")).collect()
    }
    n_units = np.array([[counts.get((role, genre), 0) for role in range(3)] for genre in genres], np.int64)
    return counts.get((3, ""), 0), counts.get((4, ""), 0), n_units
