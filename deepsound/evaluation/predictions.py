"""Predictions of tracks: the one table that evaluation looks at, whoever made it.

The test tracks of a training, the folds of a cross-validation and a collection of ten million tracks are rows of
:data:`PREDICTION_SCHEMA`, a row a track. A track without a prediction says why in ``error_code``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.errors import ParameterError
from deepsound.evaluation.units import number_units

_TEXT, _NUMBER = pa.string(), pa.float64()
PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("track_id", _TEXT),
        pa.field("artist", _TEXT),
        pa.field("genre", _TEXT),
        pa.field("label", _TEXT),
        pa.field("label_outcome", _TEXT),
        pa.field("predicted_genre", _TEXT),
        pa.field("confidence", _NUMBER),
        pa.field("probabilities", pa.list_(_NUMBER)),
        pa.field("ood_score", _NUMBER),
        pa.field("is_ood", pa.bool_()),
        pa.field("n_segments", pa.int32()),
        pa.field("error_code", _TEXT),
    ]
)
# What counts and curves are made of.
_EVALUATED = ("artist", "genre", "predicted_genre", "confidence")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scored tracks, as columns of numbers [shape=(n_tracks,)].

    Attributes
    ----------
    genres : tuple of str
        The full taxonomy.
    true_indices, predicted_indices : np.ndarray of int64
        Positions in the taxonomy; -1 where the genre is not known.
    confidences : np.ndarray of float64, 0..1
    ood_scores : np.ndarray of float64, or None
        Higher is farther from the training tracks; None where they were not computed.
    has_label : np.ndarray of bool
        Whether the track has a label at all, be it of the taxonomy or not.
    units : np.ndarray of int64
        The artist's number; tracks of unknown artist have numbers of their own.
    n_artists : int
        Known ones.
    """

    genres: tuple[str, ...]
    true_indices: np.ndarray
    predicted_indices: np.ndarray
    confidences: np.ndarray
    ood_scores: np.ndarray | None
    is_ood: np.ndarray
    has_label: np.ndarray
    units: np.ndarray
    n_artists: int

    def __len__(self) -> int:
        return len(self.true_indices)

    @property
    def is_labelled(self) -> np.ndarray:
        """Tracks of a known genre [shape=(n_tracks,), bool]."""
        labelled: np.ndarray = self.true_indices >= 0
        return labelled

    @property
    def is_right(self) -> np.ndarray:
        """Whether each track was predicted as what it is [shape=(n_tracks,), bool]; never so without a label."""
        right: np.ndarray = self.true_indices == self.predicted_indices
        return right


def make_predictions(
    track_ids: Sequence[str],
    *,
    artists: Sequence[str | None],
    true_indices: np.ndarray,
    probabilities: np.ndarray,
    genres: Sequence[str],
) -> pa.Table:
    """Predictions of labelled tracks as rows of :data:`PREDICTION_SCHEMA`, without out-of-distribution scores.

    Parameters
    ----------
    artists : sequence of str or None [length n_tracks]
        None stands for an unknown artist.
    true_indices : np.ndarray [shape=(n_tracks,), int]
    probabilities : np.ndarray [shape=(n_tracks, n_genres), float64, 0..1]
    """
    names = np.array(genres, dtype=object)
    return pa.table(
        {
            "track_id": pa.array(track_ids, _TEXT),
            "artist": pa.array(artists, _TEXT),
            "genre": pa.array(names[true_indices].tolist(), _TEXT),
            "predicted_genre": pa.array(names[probabilities.argmax(axis=1)].tolist(), _TEXT),
            "confidence": probabilities.max(axis=1, initial=0.0),
            "probabilities": pa.array(probabilities.tolist(), pa.list_(_NUMBER)),
        }
    )


def read_predictions(table: pa.Table, *, genres: Sequence[str]) -> Predictions:
    """The scored tracks of a table of predictions, or of a sample of one.

    Parameters
    ----------
    table : pa.Table
        Columns of :data:`PREDICTION_SCHEMA`, at least artist, genre, predicted_genre and confidence. Rows with an
        ``error_code`` or without a prediction are left out.

    Raises
    ------
    ParameterError
        A column is missing, a genre is not in the taxonomy, or a confidence is no number in 0..1.
    """
    missing = [name for name in _EVALUATED if name not in table.column_names]
    if missing:
        raise ParameterError(f"predictions without {', '.join(missing)}; found {', '.join(table.column_names)}")
    scored = table.filter(pc.is_valid(table["predicted_genre"]))
    true_indices, predicted_indices = (_index(scored[name], genres) for name in ("genre", "predicted_genre"))
    confidences = scored["confidence"].to_numpy().astype(np.float64)
    # A mean of probabilities may miss 1 by rounding.
    if not ((confidences >= 0) & (confidences <= 1 + 1e-9)).all():
        raise ParameterError("a confidence is outside 0..1; did you pass logits?")
    artists = scored["artist"].to_pylist()
    names = table.column_names
    is_ood = scored["is_ood"].fill_null(False) if "is_ood" in names else pa.array([False] * scored.num_rows)
    label = scored["label"] if "label" in names else scored["genre"]
    return Predictions(
        genres=tuple(genres),
        true_indices=true_indices,
        predicted_indices=predicted_indices,
        confidences=np.minimum(confidences, 1.0),
        ood_scores=scored["ood_score"].to_numpy().astype(np.float64) if "ood_score" in names else None,
        is_ood=is_ood.to_numpy(zero_copy_only=False).astype(bool),
        has_label=label.is_valid().to_numpy(),
        units=number_units(artists),
        n_artists=len({artist for artist in artists if artist}),
    )


def _index(column: pa.ChunkedArray, genres: Sequence[str]) -> np.ndarray:
    """Positions in the taxonomy; -1 for null."""
    indices = pc.index_in(column, value_set=pa.array(genres, _TEXT))
    if pc.sum(pc.and_(pc.is_null(indices), pc.is_valid(column))).as_py():
        stranger = column.filter(pc.and_(pc.is_null(indices), pc.is_valid(column)))[0].as_py()
        raise ParameterError(f"the genre {stranger!r} is none of {', '.join(genres)}")
    positions: np.ndarray = indices.fill_null(-1).to_numpy().astype(np.int64)
    return positions
