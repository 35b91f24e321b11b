"""Counting predictions in Spark, so that metrics of any number of tracks fit on the driver."""

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deepsound.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True)
class PredictionCounts:
    """What one pass over the predictions counted.

    Attributes
    ----------
    confusion : np.ndarray [shape=(n_genres, n_genres), int64]
        Scored tracks whose true genre is in the taxonomy; rows true, columns predicted.
    n_scored_as : np.ndarray [shape=(n_genres,), int64]
        All scored tracks by predicted genre, labelled or not.
    n_foreign_label : int
        Scored tracks with a label that the taxonomy does not hold.
    n_ood : int
        Scored tracks called out-of-distribution.
    """

    confusion: np.ndarray
    n_scored_as: np.ndarray
    n_tracks: int
    n_scored: int
    n_foreign_label: int
    n_ood: int

    @property
    def n_failed(self) -> int:
        """Tracks without a prediction."""
        return self.n_tracks - self.n_scored


def count_predictions(predictions: DataFrame, *, taxonomy: Taxonomy) -> PredictionCounts:
    """Count the rows of ``predictions/`` by true and predicted genre."""
    groups = predictions.groupBy("genre", "predicted_genre").agg(
        F.count("*").alias("n"), F.sum(F.coalesce(F.col("is_ood").cast("int"), F.lit(0))).alias("n_ood")
    )
    n_genres = len(taxonomy)
    confusion = np.zeros((n_genres, n_genres), np.int64)
    n_scored_as = np.zeros(n_genres, np.int64)
    n_tracks = n_foreign_label = n_ood = 0
    for row in groups.collect():
        n_tracks += row["n"]
        if row["predicted_genre"] is None:
            continue
        predicted = taxonomy.index(row["predicted_genre"])
        n_scored_as[predicted] += row["n"]
        n_ood += row["n_ood"]
        if row["genre"] in taxonomy:
            confusion[taxonomy.index(row["genre"]), predicted] += row["n"]
        elif row["genre"] is not None:
            n_foreign_label += row["n"]
    return PredictionCounts(
        confusion=confusion,
        n_scored_as=n_scored_as,
        n_tracks=int(n_tracks),
        n_scored=int(n_scored_as.sum()),
        n_foreign_label=int(n_foreign_label),
        n_ood=int(n_ood),
    )
