"""What a head says of tracks, with and without its temperature: the ground of every figure and picture."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import scipy.special

from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.reliability import Reliability, compute_reliability
from deepsound.evaluation.report import Report
from deepsound.evaluation.units import number_units
from deepsound.models.head import Head
from deepsound.training.dataset import Subset


@dataclass(frozen=True, kw_only=True)
class LabelledPredictions:
    """Labelled tracks with what a model that has not learned from them says of each.

    ``genres`` are in the order of the columns of ``probabilities`` [shape=(n_tracks, n_genres), float64], which
    are means over each track's segments, with the temperature; ``true_indices`` are [shape=(n_tracks,), int].
    """

    genres: tuple[str, ...]
    track_ids: tuple[str, ...]
    artists: tuple[str | None, ...]
    true_indices: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted_indices(self) -> np.ndarray:
        """Class index of each track's most probable genre."""
        predicted: np.ndarray = self.probabilities.argmax(axis=1)
        return predicted

    @property
    def is_right(self) -> np.ndarray:
        """Whether each track's most probable genre is the true one [shape=(n_tracks,), bool]."""
        right: np.ndarray = self.predicted_indices == self.true_indices
        return right

    @property
    def units(self) -> np.ndarray:
        """What intervals and tests count: see :func:`~deepsound.evaluation.units.number_units`."""
        return number_units(self.artists)

    def to_table(self) -> pa.Table:
        """As rows of :data:`~deepsound.evaluation.predictions.PREDICTION_SCHEMA`."""
        return make_predictions(
            self.track_ids,
            artists=self.artists,
            true_indices=self.true_indices,
            probabilities=self.probabilities,
            genres=self.genres,
        )

    def evaluate(self) -> Report:
        """Every figure, with intervals."""
        return evaluate(self.to_table(), genres=self.genres)

    def list_mistakes(self) -> list[dict[str, Any]]:
        """The wrong tracks, the surest first."""
        table = self.to_table().select(["track_id", "artist", "genre", "predicted_genre", "confidence"])
        wrong = table.filter(pa.array(~self.is_right))
        rows: list[dict[str, Any]] = wrong.sort_by([("confidence", "descending")]).to_pylist()
        return rows

    def reduce_to(self, genres: Sequence[str]) -> "LabelledPredictions":
        """The same asked among these genres only, in their order; every track's true genre is one of them."""
        columns = [self.genres.index(genre) for genre in genres]
        places = {column: place for place, column in enumerate(columns)}
        kept = self.probabilities[:, columns]
        return LabelledPredictions(
            genres=tuple(genres),
            track_ids=self.track_ids,
            artists=self.artists,
            true_indices=np.array([places[index] for index in self.true_indices.tolist()], np.int64),
            probabilities=kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-300),
        )


@dataclass(frozen=True, kw_only=True)
class TrackPredictions(LabelledPredictions):
    """By one model; ``uncalibrated`` [shape=(n_tracks, n_genres)] are the probabilities at temperature 1."""

    uncalibrated: np.ndarray

    @functools.cached_property
    def reliabilities(self) -> tuple[Reliability, Reliability]:
        """Calibration without and with the temperature."""
        before, after = (
            compute_reliability(
                np.minimum(p.max(axis=1), 1.0),
                is_right=p.argmax(axis=1) == self.true_indices,
                units=self.units,
            )
            for p in (self.uncalibrated, self.probabilities)
        )
        return before, after


def predict_tracks(head: Head, subset: Subset, *, track_ids: Sequence[str]) -> TrackPredictions:
    """Predictions of a subset's tracks, whose ids are given in their order, by a head of the same taxonomy."""
    logits = head.compute_logits(subset.values).astype(np.float64)
    probabilities, uncalibrated = (
        subset.mean_by_track(scipy.special.softmax(logits / temperature, axis=1))
        for temperature in (head.spec.temperature, 1.0)
    )
    return TrackPredictions(
        genres=head.spec.genres,
        track_ids=tuple(track_ids),
        artists=subset.artist_names,
        true_indices=subset.genre_indices,
        probabilities=probabilities,
        uncalibrated=uncalibrated,
    )
