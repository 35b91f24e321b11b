"""Exact counts of predictions: what Spark SQL gives of a table of any size, and Arrow of one in memory.

A table of predictions comes to few *cells*: tracks with the same genre, predicted genre and fate. Everything that
is counted is counted from these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from deepsound.evaluation.predictions import Predictions
from deepsound.evaluation.spread import Spread, measure_spread

# What tells cells apart.
CELL_KEYS = ("genre", "predicted_genre", "is_ood", "label_outcome", "error_code")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Tracks of a table of predictions.

    Attributes
    ----------
    confusion, ood : np.ndarray [shape=(n_genres + 1, n_genres), int64]
        Scored tracks, and those called out-of-distribution, by true (the last row: not known) and predicted genre.
    confidence : np.ndarray [shape=(n_genres,), float64]
        Sum over the tracks of each predicted genre.
    failures, outcomes : mapping of str to int
        Tracks without a prediction by error code, and scored ones by what became of their label.
    spread : Spread
        Of the tracks with a known genre.
    """

    confusion: np.ndarray
    ood: np.ndarray
    confidence: np.ndarray
    failures: Mapping[str, int]
    outcomes: Mapping[str, int]
    spread: Spread

    @property
    def n_scored(self) -> int:
        """Tracks with a prediction."""
        return int(self.confusion.sum())

    @property
    def n_tracks(self) -> int:
        """All tracks."""
        return self.n_scored + sum(self.failures.values())


def count_cells(
    cells: Iterable[Mapping[str, Any]], *, genres: Sequence[str], measure: Callable[[np.ndarray], Spread]
) -> Counts:
    """The counts of cells: :data:`CELL_KEYS`, ``n`` tracks and the sum of their ``confidence``.

    ``measure`` gives the spread of the tracks with a known genre, from their confusion counts.
    """
    place = {genre: i for i, genre in enumerate(genres)}
    confusion, ood = (np.zeros((len(genres) + 1, len(genres)), np.int64) for _ in range(2))
    confidence = np.zeros(len(genres))
    failures: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    for cell in cells:
        n, predicted = int(cell["n"]), cell["predicted_genre"]
        if predicted is None:
            code = cell["error_code"] or "internal"
            failures[code] = failures.get(code, 0) + n
            continue
        at = place.get(cell["genre"], -1), place[predicted]
        confusion[at] += n
        ood[at] += n if cell["is_ood"] else 0
        confidence[at[1]] += cell["confidence"]
        outcome = cell["label_outcome"] or ("unlabelled" if cell["genre"] is None else "mapped")
        outcomes[outcome] = outcomes.get(outcome, 0) + n
    return Counts(
        confusion=confusion,
        ood=ood,
        confidence=confidence,
        failures=dict(sorted(failures.items())),
        outcomes=dict(sorted(outcomes.items())),
        spread=measure(confusion[:-1]),
    )


def count_table(table: pa.Table, predictions: Predictions) -> Counts:
    """The counts of a table in memory, of which ``predictions`` are the scored tracks."""
    columns = {name: table[name] if name in table.column_names else pa.nulls(len(table)) for name in CELL_KEYS}
    filled = pa.table({**columns, "confidence": table["confidence"].fill_null(0.0)})
    cells = filled.group_by(list(CELL_KEYS)).aggregate([("confidence", "sum"), ([], "count_all")])
    renamed = cells.rename_columns({"confidence_sum": "confidence", "count_all": "n"})
    labelled = predictions.is_labelled
    units = np.unique(predictions.units[labelled], return_inverse=True)[1]

    def measure(confusion: np.ndarray) -> Spread:
        return measure_spread(
            predictions.true_indices[labelled],
            predictions.predicted_indices[labelled],
            confusion=confusion,
            units=units,
            n_artists=_count_artists(predictions, labelled),
        )

    return count_cells(renamed.to_pylist(), genres=predictions.genres, measure=measure)


def _count_artists(predictions: Predictions, is_in: np.ndarray) -> int:
    """Known artists of some tracks: their numbers come before those of tracks of unknown artist."""
    units = np.unique(predictions.units[is_in])
    return int(np.count_nonzero(units < predictions.n_artists))
