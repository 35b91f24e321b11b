"""What a model says of tracks that it has not learned from.

Of the tracks that its cross-validation had, these are the out-of-fold predictions that its bundle holds; of others
that it was not trained, stopped or calibrated on, those of its own head.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.label_maps.names import normalize_artist
from deepsound.models.bundle import Bundle
from deepsound.models.bundle_files import stack_probabilities
from deepsound.models.head import load_head
from deepsound.training.dataset import Subset
from deepsound.training.predictions import LabelledPredictions, predict_tracks

Row = Mapping[str, Any]
# From positions of rows to their segments.
SegmentReader = Callable[[np.ndarray], Subset]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a model was trained, stopped or calibrated on, as far as its bundle tells.

    A track is known again by its id or by its content; bundles of early versions do not hold the content.
    ``artists`` are in normal form.
    """

    track_ids: frozenset[str]
    contents: frozenset[str]
    artists: frozenset[str]

    def has_seen(self, row: Row) -> bool:
        """Whether the track of a ``tracks/`` row was among those."""
        return row["track_id"] in self.track_ids or row["content_sha256"] in self.contents

    def knows_artist(self, row: Row) -> bool:
        """Whether another track of the row's artist was."""
        artist = row["artist"]
        return artist is not None and normalize_artist(artist) in self.artists


def learned_by(bundle: Bundle) -> Learned:
    """What a model has learned from."""
    taught = pa.array(["train", "validation"], pa.string())
    rows = bundle.split.filter(pc.is_in(bundle.split["split"], value_set=taught))

    def known(column: str) -> frozenset[str]:
        if column not in rows.column_names:
            return frozenset()
        return frozenset(value for value in rows[column].to_pylist() if value is not None)

    artists = frozenset(map(normalize_artist, known("artist")))
    return Learned(track_ids=known("track_id"), contents=known("content_sha256"), artists=artists)


class HeldOut:
    """A model, asked about tracks that it has not learned from."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.learned = bundle, learned_by(bundle)
        self._contents: dict[str, str | None] = {}
        if "content_sha256" in bundle.split.column_names:
            columns = (bundle.split[name].to_pylist() for name in ("track_id", "content_sha256"))
            self._contents = dict(zip(*columns, strict=True))
        folds = bundle.out_of_fold
        self._by_id = {} if folds is None else {name: i for i, name in enumerate(folds["track_id"].to_pylist())}
        self._by_content = {self._contents.get(name): i for name, i in self._by_id.items()}
        self._by_content.pop(None, None)

    def is_in_folds(self, row: Row) -> bool:
        """Whether there is an out-of-fold prediction of the track of a ``tracks/`` row."""
        return self._position_of(row) is not None

    def covers(self, row: Row) -> bool:
        """Whether there is a prediction of the track that was made without having learned from it."""
        return self.is_in_folds(row) or not self.learned.has_seen(row)

    def predict(self, rows: Sequence[Row], *, read: SegmentReader, by_itself: bool = False) -> LabelledPredictions:
        """Predictions of ``tracks/`` rows whose genres the model knows, in their order.

        ``read`` gives the segments of the rows at some positions; it is asked for those alone that the head has to
        score: all of them ``by_itself``, else those without an out-of-fold prediction.
        """
        genres = self.bundle.taxonomy.genres
        positions = [None if by_itself else self._position_of(row) for row in rows]
        is_scored = np.array([position is None for position in positions], bool)
        probabilities = np.zeros((len(rows), len(genres)))
        if self.bundle.out_of_fold is not None and not is_scored.all():
            found = [position for position in positions if position is not None]
            probabilities[~is_scored] = stack_probabilities(self.bundle.out_of_fold)[found]
        if is_scored.any():
            wanted = np.flatnonzero(is_scored)
            track_ids = [str(rows[i]["track_id"]) for i in wanted.tolist()]
            scored = predict_tracks(load_head(self.bundle.head), read(wanted), track_ids=track_ids)
            probabilities[wanted] = scored.probabilities
        return LabelledPredictions(
            genres=genres,
            track_ids=tuple(str(row["track_id"]) for row in rows),
            artists=tuple(None if row["artist"] is None else normalize_artist(row["artist"]) for row in rows),
            true_indices=np.array([self.bundle.taxonomy.index(row["genre"]) for row in rows], np.int64),
            probabilities=probabilities,
        )

    def _position_of(self, row: Row) -> int | None:
        """Of the track's row among the out-of-fold predictions; another recording under its name is another."""
        track_id, content = row["track_id"], row["content_sha256"]
        former = self._contents.get(track_id)
        if content is None or former is None or former == content:
            return self._by_id.get(track_id, self._by_content.get(content))
        return self._by_content.get(content)
