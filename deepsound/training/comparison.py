"""Two models on the tracks of one FEATURES folder, by predictions of which neither has learned from the track."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepsound.data.store import read_segments, read_summary, read_tracks
from deepsound.errors import ComparisonError
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.label_maps.names import normalize_artist
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import check_features
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import Subset
from deepsound.training.held_out import HeldOut, Row
from deepsound.training.labelling import map_genres


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Models A and B on the same tracks, asked among the genres that both know; ``notes`` say what to mind."""

    genres: tuple[str, ...]
    metrics_a: CollectionMetrics
    metrics_b: CollectionMetrics
    paired: PairedComparison
    notes: tuple[str, ...]


def compare_models(
    first: Bundle, second: Bundle, *, features: str, names: tuple[str, str], subset: str = "test"
) -> ModelComparison:
    """Compare two models, called ``names``, on a FEATURES folder that holds the features of both.

    Of the subset ``test`` are labelled tracks of which both have a prediction made without having learned from
    them, out-of-fold or by the model itself; of ``all`` all labelled tracks, by the models themselves, with a note
    where one has learned from them. Raises FingerprintMismatchError or UnknownFeatureError if the folder's
    features are not a model's; ComparisonError if no track is left, or the models share fewer than two genres.
    """
    summary = read_summary(features)
    for bundle in (first, second):
        check_features(bundle, summary)
    genres = tuple(genre for genre in first.taxonomy.genres if genre in second.taxonomy)
    if len(genres) < 2:
        raise ComparisonError(
            f"{names[0]} knows {', '.join(first.taxonomy.genres)}; {names[1]} knows "
            f"{', '.join(second.taxonomy.genres)}: fewer than two genres in common"
        )
    notes = _notes_on_genres((first, second), genres, names)
    readable = [row for row in read_tracks(features).to_pylist() if row["status"] == "ok"]
    known = [row for row in map_genres(readable, Taxonomy(genres), notes.append) if row["genre"] is not None]
    sides = HeldOut(first), HeldOut(second)
    rows = _pick_tracks(known, sides, subset=subset, names=names, features=features, notes=notes)
    one, other = (
        side.predict(
            rows,
            read=functools.partial(_read_subset, rows=rows, bundle=side.bundle, features=features),
            by_itself=subset == "all",
        ).reduce_to(genres)
        for side in sides
    )
    return ModelComparison(
        genres=genres,
        metrics_a=one.evaluate().metrics,
        metrics_b=other.evaluate().metrics,
        paired=compare_paired(one.is_right, other.is_right, units=one.units),
        notes=tuple(notes),
    )


def _read_subset(positions: np.ndarray, *, rows: Sequence[Row], bundle: Bundle, features: str) -> Subset:
    """The segments of the tracks of some rows, as the model takes them."""
    asked = [rows[i] for i in positions.tolist()]
    return subset_of(asked, feature=bundle.feature, taxonomy=bundle.taxonomy, features=features)


def subset_of(rows: Sequence[Row], *, feature: str, taxonomy: Taxonomy, features: str) -> Subset:
    """The tracks of some ``tracks/`` rows, whose genres are of the taxonomy, in their order."""
    positions = {str(row["track_id"]): position for position, row in enumerate(rows)}
    segments = read_segments(features, names=feature.split("+"), track_ids=positions)
    return Subset(
        values=segments.values,
        track_indices=np.array([positions[track_id] for track_id in segments.track_ids], np.int64),
        genre_indices=np.array([taxonomy.index(row["genre"]) for row in rows], np.int64),
        artists=tuple(None if row["artist"] is None else normalize_artist(row["artist"]) for row in rows),
        layout=segments.layout,
    )


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
    sides: tuple[HeldOut, HeldOut],
    *,
    subset: str,
    names: tuple[str, str],
    features: str,
    notes: list[str],
) -> list[Row]:
    kept = list(rows)
    if subset == "test":
        kept = [row for row in rows if all(side.covers(row) for side in sides)]
        if len(kept) < len(rows):
            notes.append(f"{len(rows) - len(kept)} tracks left out that a model has learned from")
    if not kept:
        reason = f"{names[0]} or {names[1]} has learned from all of them; --subset all takes them nevertheless"
        raise ComparisonError(
            f"no track of {features} to compare on: of {len(rows)} labelled tracks of common genres, "
            f"{reason if rows else 'none is there'}"
        )
    for side, name in zip(sides, names, strict=True):
        scored = kept if subset == "all" else [row for row in kept if not side.is_in_folds(row)]
        if len(scored) < len(kept):
            notes.append(f"{name}: out-of-fold predictions of {len(kept) - len(scored)} of these tracks")
        n_seen, n_artists = (sum(map(test, scored)) for test in (side.learned.has_seen, side.learned.knows_artist))
        if n_seen:
            notes.append(
                f"WARNING: {name} has learned from {n_seen} of these {len(kept)} tracks, which flatters it"
            )
        elif n_artists:
            notes.append(f"{name} has learned from other tracks of the artists of {n_artists} of these tracks")
    return kept
