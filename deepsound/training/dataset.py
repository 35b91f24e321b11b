"""A FEATURES folder as arrays that are ready to train on: labelled, split, audited for leaks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deepsound.config import SPLIT_NAMES, TrainSettings
from deepsound.data.contract import FeatureSummary
from deepsound.data.groups import LabelledTrack, group_tracks
from deepsound.data.layout import Layout
from deepsound.data.splits import split_tracks
from deepsound.data.store import (
    SegmentTable,
    read_segments,
    read_summary,
    read_tracks,
)
from deepsound.errors import LabelError
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.leakage import Leak, LeakAudit
from deepsound.settings import compute_fingerprint
from deepsound.taxonomy import Taxonomy
from deepsound.training.audit import audit_split, refuse_leaks
from deepsound.training.given_split import apply_split_lists, find_known_splits
from deepsound.training.labelling import pick_genres, unify_artists
from deepsound.training.standardize import find_constant_dims

_MAX_DIMS_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Subset:
    """The segments and tracks of one split.

    Attributes
    ----------
    values : np.ndarray [shape=(n_segments, *layout.shape), float32]
        Raw features, not standardised.
    track_indices : np.ndarray [shape=(n_segments,), int]
        Position of each segment's track in ``genre_indices``.
    genre_indices : np.ndarray [shape=(n_tracks,), int]
        Class index of each track.
    group_sizes : np.ndarray [shape=(n_tracks,), int], optional
        How many tracks are by the artist of each track, itself among them; without it, each counts as alone.
    artists : tuple of (str or None) [length n_tracks], optional
        Of each track; None where it is unknown, without it of all.
    layout : Layout
        How the features lie in ``values``; without it, there is one.
    """

    values: np.ndarray
    track_indices: np.ndarray
    genre_indices: np.ndarray
    group_sizes: np.ndarray | None = None
    artists: tuple[str | None, ...] | None = None
    layout: Layout = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.layout is None:
            object.__setattr__(self, "layout", Layout((self.values.shape[1:],)))

    @property
    def artist_names(self) -> tuple[str | None, ...]:
        """The artist of each track, None where it is unknown."""
        return (None,) * len(self.genre_indices) if self.artists is None else self.artists

    @property
    def segment_genres(self) -> np.ndarray:
        """Class index of each segment."""
        genres: np.ndarray = self.genre_indices[self.track_indices]
        return genres

    def mean_by_track(self, values: np.ndarray) -> np.ndarray:
        """Mean over each track's segments [shape=(n_tracks, ...)] of values [shape=(n_segments, ...)]."""
        return mean_by_track(values, track_indices=self.track_indices, n_tracks=len(self.genre_indices))

    def weigh_segments(self, *, artist_balance: float, genre_balance: float) -> np.ndarray:
        """How much each training segment counts, on average 1 [shape=(n_segments,), float64].

        A track of an artist with n tracks counts n ** -artist_balance: an artist's tracks resemble each other, and
        so say less than as many by others. The same for genres; both balances are 0 to 1.
        """
        genre_sizes = np.bincount(self.genre_indices)[self.genre_indices]
        weights = genre_sizes.astype(np.float64) ** -genre_balance
        if self.group_sizes is not None:
            weights *= self.group_sizes.astype(np.float64) ** -artist_balance
        of_segments: np.ndarray = weights[self.track_indices] / weights[self.track_indices].mean()
        return of_segments

    def pick(self, is_wanted: np.ndarray) -> "Subset":
        """Only the tracks where ``is_wanted`` [shape=(n_tracks,), bool], in the same order."""
        positions = np.cumsum(is_wanted) - 1
        is_here = is_wanted[self.track_indices]
        return Subset(
            values=self.values[is_here],
            track_indices=positions[self.track_indices[is_here]],
            genre_indices=self.genre_indices[is_wanted],
            group_sizes=None if self.group_sizes is None else self.group_sizes[is_wanted],
            artists=tuple(artist for artist, is_in in zip(self.artist_names, is_wanted, strict=True) if is_in),
            layout=self.layout,
        )


def join_subsets(*subsets: Subset) -> Subset:
    """Several subsets as one, their tracks one after the other."""
    offsets = np.cumsum([0, *(len(subset.genre_indices) for subset in subsets)])
    sizes = [subset.group_sizes for subset in subsets if subset.group_sizes is not None]
    return Subset(
        values=np.concatenate([subset.values for subset in subsets]),
        track_indices=np.concatenate([s.track_indices + o for s, o in zip(subsets, offsets, strict=False)]),
        genre_indices=np.concatenate([subset.genre_indices for subset in subsets]),
        group_sizes=np.concatenate(sizes) if len(sizes) == len(subsets) else None,
        artists=tuple(artist for subset in subsets for artist in subset.artist_names),
        layout=subsets[0].layout,
    )


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Labelled tracks, not divided yet, with their segments; position i of ``genre_indices`` is ``tracks[i]``."""

    taxonomy: Taxonomy
    tracks: tuple[LabelledTrack, ...]
    segments: Subset


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Everything a training run needs of its data.

    ``split`` has track_id, genre, artist, split, content_sha256 of every labelled track that a split took,
    ``tracks`` the same tracks in the same order. ``n_left_out`` counts readable tracks without a label of the
    taxonomy, or without a split where one was given. ``audit`` has leaks only if they were allowed.
    ``fingerprint`` is the sha256 of the feature's fingerprint and of every track's content, label and split.
    """

    summary: FeatureSummary
    taxonomy: Taxonomy
    train: Subset
    validation: Subset
    test: Subset
    split: pa.Table
    tracks: tuple[LabelledTrack, ...]
    n_left_out: int
    audit: LeakAudit
    fingerprint: str

    def with_leaks(self, leaks: Sequence[Leak]) -> "Dataset":
        """The same with leaks of another division that the figures rest on."""
        return replace(self, audit=replace(self.audit, leaks=(*self.audit.leaks, *leaks)))

    def split_as_learned(self, *, is_refitted: bool) -> pa.Table:
        """The split as a model has seen it: a refit turns validation tracks into training tracks."""
        if not is_refitted:
            return self.split
        learned = pc.replace_substring_regex(self.split["split"], "^validation$", "train")
        return self.split.set_column(self.split.column_names.index("split"), "split", learned)

    def collect(self, *names: str) -> Collection:
        """The tracks of the splits of these names, of all splits without a name, as one collection."""
        subsets = {name: getattr(self, name) for name in names or SPLIT_NAMES}
        splits = self.split["split"].to_pylist()
        tracks = [
            track for name in subsets for track, split in zip(self.tracks, splits, strict=True) if split == name
        ]
        segments = join_subsets(*subsets.values())
        return Collection(taxonomy=self.taxonomy, tracks=tuple(tracks), segments=segments)


def load_dataset(
    features: str, *, settings: TrainSettings, report: Callable[[str], None] = lambda _: None
) -> Dataset:
    """Read, label, split and audit; ``report`` gets a line about each thing to know of the data, first every leak.

    Raises UnknownFeatureError, SchemaMismatchError or InputError from :mod:`deepsound.data.store`; LabelError if
    there are fewer than two genres, two that differ in spelling alone, or no labelled track of the taxonomy;
    SplitError or LeakageError if it cannot be divided so; BundleError or TrackingError if the model of
    ``split.like`` cannot be had.
    """
    summary = read_summary(features)
    summary.layout_of(*settings.features)
    readable = unify_artists([row for row in read_tracks(features).to_pylist() if row["status"] == "ok"], report)
    taxonomy, rows = pick_genres(readable, settings.genres, report)
    rows.sort(key=lambda row: str(row["track_id"]))
    if not rows:
        raise LabelError(f"no track of {features} has one of the genres {', '.join(taxonomy.genres)}")
    known = find_known_splits(rows, settings, report)
    rows = apply_split_lists(rows, settings, report)
    tracks = [_labelled(row) for row in rows]
    splits = split_tracks(tracks, settings=settings.split, seed=settings.seed, known=known)
    segments = read_segments(features, names=settings.features)
    audit = audit_split(readable, segments=segments, splits=splits)
    refuse_leaks(audit.leaks, is_allowed=settings.allow_leaks, report=report)
    rows = [row for row in rows if row["track_id"] in splits]
    sizes = _sizes_of_groups(rows)
    subsets = {
        name: _subset(segments, [r for r in rows if splits[r["track_id"]] == name], taxonomy, sizes)
        for name in SPLIT_NAMES
    }
    _report_missing_genres(subsets, taxonomy, report)
    _report_constant_dims(subsets["train"], settings.features, report)
    return Dataset(
        summary=summary,
        taxonomy=taxonomy,
        **subsets,
        split=_split_table(rows, splits),
        tracks=tuple(_labelled(row) for row in rows),
        n_left_out=len(readable) - len(rows),
        audit=audit,
        fingerprint=_fingerprint(summary.fingerprint_of(*settings.features), rows, splits),
    )


def _report_missing_genres(subsets: dict[str, Subset], taxonomy: Taxonomy, report: Callable[[str], None]) -> None:
    """A line for each split that lacks genres: what was never learned, stopped by or tested."""
    for name, subset in subsets.items():
        present = set(subset.genre_indices.tolist())
        missing = [genre for index, genre in enumerate(taxonomy.genres) if index not in present]
        if missing:
            report(f"no {name} track of {', '.join(missing)}")


def _report_constant_dims(train: Subset, features: Sequence[str], report: Callable[[str], None]) -> None:
    for feature, values in zip(features, train.layout.split(train.values), strict=True):
        dims = find_constant_dims(values)
        if dims:
            named = ", ".join(map(str, dims[:_MAX_DIMS_NAMED])) + (", …" if len(dims) > _MAX_DIMS_NAMED else "")
            report(f"{len(dims)} of {values.shape[2]} dimensions of {feature} never change in training: {named}")


def _labelled(row: dict[str, str]) -> LabelledTrack:
    return LabelledTrack(
        track_id=row["track_id"],
        genre=row["genre"],
        artist=row["artist"],
        given_split=row["split"],
        content_sha256=row["content_sha256"],
    )


def _sizes_of_groups(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """track_id to the number of tracks by its artist."""
    groups = group_tracks([_labelled(row) for row in rows], by="artist").values()
    return {track.track_id: len(group) for group in groups for track in group}


def _subset(
    segments: SegmentTable, rows: Sequence[dict[str, str]], taxonomy: Taxonomy, sizes: dict[str, int]
) -> Subset:
    positions = {row["track_id"]: position for position, row in enumerate(rows)}
    track_indices = np.array([positions.get(track_id, -1) for track_id in segments.track_ids], np.int64)
    is_here = track_indices >= 0
    return Subset(
        values=segments.values[is_here],
        track_indices=track_indices[is_here],
        genre_indices=np.array([taxonomy.index(row["genre"]) for row in rows], np.int64),
        group_sizes=np.array([sizes[row["track_id"]] for row in rows], np.int64),
        artists=tuple(row["artist"] for row in rows),
        layout=segments.layout,
    )


def _split_table(rows: Sequence[dict[str, str]], splits: dict[str, str]) -> pa.Table:
    columns = {
        name: pa.array([row[name] for row in rows], pa.string())
        for name in ("track_id", "genre", "artist", "content_sha256")
    }
    return pa.table({**columns, "split": pa.array([splits[row["track_id"]] for row in rows], pa.string())})


def _fingerprint(feature: str, rows: Sequence[dict[str, str]], splits: dict[str, str]) -> str:
    tracks = [[r["track_id"], r["content_sha256"], r["genre"], splits[r["track_id"]]] for r in rows]
    return compute_fingerprint({"feature": feature, "tracks": tracks})
