"""Two models on the tracks of one FEATURES folder that neither has learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.data.contract import FeatureSummary
from deepsound.data.store import read_segments, read_summary, read_tracks
from deepsound.errors import ComparisonError
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.label_maps import normalize_artist
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import check_features
from deepsound.models.head import load_head
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import Subset
from deepsound.training.labelling import map_genres
from deepsound.training.predictions import TrackPredictions, predict_tracks

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Models A and B on the same tracks, asked among the genres that both know; ``notes`` say what to mind."""

    genres: tuple[str, ...]
    metrics_a: CollectionMetrics
    metrics_b: CollectionMetrics
    paired: PairedComparison
    notes: tuple[str, ...]


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


def compare_models(
    first: Bundle, second: Bundle, *, features: str, names: tuple[str, str], subset: str = "test"
) -> ModelComparison:
    """Compare two models.

    Parameters
    ----------
    features : str
        A FEATURES folder that holds the features of both.
    names : (str, str)
        What to call the models.
    subset : str
        ``test``: labelled tracks that neither model was trained, stopped or calibrated on. ``all``: all
        labelled tracks, with a note where a model has learned from them.

    Raises
    ------
    FingerprintMismatchError, UnknownFeatureError
        The folder's features are not a model's.
    ComparisonError
        No track is left, or the models share fewer than two genres.
    """
    summary = read_summary(features)
    for bundle in (first, second):
        check_feature_of(bundle, summary)
    genres = tuple(genre for genre in first.taxonomy.genres if genre in second.taxonomy)
    if len(genres) < 2:
        raise ComparisonError(
            f"{names[0]} knows {', '.join(first.taxonomy.genres)}; {names[1]} knows "
            f"{', '.join(second.taxonomy.genres)}: fewer than two genres in common"
        )
    notes = _notes_on_genres((first, second), genres, names)
    readable = [row for row in read_tracks(features).to_pylist() if row["status"] == "ok"]
    known = [row for row in map_genres(readable, Taxonomy(genres), notes.append) if row["genre"] is not None]
    rows = _pick_tracks(known, (first, second), subset=subset, names=names, features=features, notes=notes)
    one, other = (predict_rows(bundle, rows, features=features).reduce_to(genres) for bundle in (first, second))
    return ModelComparison(
        genres=genres,
        metrics_a=one.evaluate().metrics,
        metrics_b=other.evaluate().metrics,
        paired=compare_paired(one.is_right, other.is_right, units=one.units),
        notes=tuple(notes),
    )


def check_feature_of(bundle: Bundle, summary: FeatureSummary) -> None:
    """Refuse a FEATURES folder whose feature is not the model's; raises as :func:`compare_models` does."""
    shape, fingerprint = summary.shape_of(bundle.feature), summary.fingerprint_of(bundle.feature)
    check_features(bundle, shape=shape, fingerprint=fingerprint, where="the features")


def predict_rows(bundle: Bundle, rows: Sequence[Row], *, features: str) -> TrackPredictions:
    """A model's predictions of the tracks of some ``tracks/`` rows, whose genres it knows, in their order."""
    track_ids = [str(row["track_id"]) for row in rows]
    segments = read_segments(features, feature=bundle.feature, track_ids=track_ids)
    positions = {track_id: position for position, track_id in enumerate(track_ids)}
    subset = Subset(
        values=segments.values,
        track_indices=np.array([positions[track_id] for track_id in segments.track_ids], np.int64),
        genre_indices=np.array([bundle.taxonomy.index(row["genre"]) for row in rows], np.int64),
        artists=tuple(None if row["artist"] is None else normalize_artist(row["artist"]) for row in rows),
    )
    return predict_tracks(load_head(bundle.head), subset, track_ids=track_ids)


def _notes_on_genres(bundles: tuple[Bundle, Bundle], genres: Sequence[str], names: tuple[str, str]) -> list[str]:
    notes = []
    for bundle, name in zip(bundles, names, strict=True):
        others = [genre for genre in bundle.taxonomy.genres if genre not in genres]
        if others:
            notes.append(
                f"{name} also knows {', '.join(others)}: both are asked among the {len(genres)} common genres "
                "only, on tracks of those"
            )
    return notes


def _pick_tracks(
    rows: Sequence[Row],
    bundles: tuple[Bundle, Bundle],
    *,
    subset: str,
    names: tuple[str, str],
    features: str,
    notes: list[str],
) -> list[Row]:
    learned = [learned_by(bundle) for bundle in bundles]
    kept = list(rows)
    if subset == "test":
        kept = [row for row in rows if not any(one.has_seen(row) for one in learned)]
        if len(kept) < len(rows):
            notes.append(f"{len(rows) - len(kept)} tracks left out that a model has learned from")
    if not kept:
        reason = f"{names[0]} or {names[1]} has learned from all of them; --subset all takes them nevertheless"
        raise ComparisonError(
            f"no track of {features} to compare on: of {len(rows)} labelled tracks of common genres, "
            f"{reason if rows else 'none is there'}"
        )
    for one, name in zip(learned, names, strict=True):
        n_seen, n_artists = (sum(map(test, kept)) for test in (one.has_seen, one.knows_artist))
        if n_seen:
            notes.append(
                f"WARNING: {name} has learned from {n_seen} of these {len(kept)} tracks, which flatters it"
            )
        elif n_artists:
            notes.append(f"{name} has learned from other tracks of the artists of {n_artists} of these tracks")
    return kept
