"""Single tracks that a page shows: the mistakes it was surest of, the farthest, the typical, with what is heard.

Whoever scored hands over rows of predictions, as many as a page can list, and the scores of their segments.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from deepsound.audio.clips import Clip, ClipLimits, ClipRequest, cut_clips
from deepsound.config import ExtractSettings
from deepsound.evaluation.embedding_map import MAX_POINTS, map_tracks
from deepsound.evaluation.ood.distances import normalize_rows
from deepsound.evaluation.slices import LABEL_COLUMNS, SLICE_COLUMNS

N_MISTAKES = 10
N_FARTHEST = 4
# Tracks that a page lists of all cells of the confusion matrix, and at most of each.
N_OF_CELLS, N_A_CELL = 2500, 20
# Genres of which typical tracks are shown, those of most tracks: a card of each needs its place.
N_TYPICAL = 16
_N_GUESSES = 3
_N_SEGMENTS = 100
# Fewer tracks of a genre have nothing typical.
_FEWEST = 3
_NOT_ASKED = "no clip: the page holds as many as report.audio says"


@dataclass(frozen=True, kw_only=True)
class SegmentRows:
    """What a model says of the segments of some tracks.

    Attributes
    ----------
    track_ids, start_s, duration_s : np.ndarray [shape=(n_segments,)]
        Times are NaN where they are not known.
    probabilities : np.ndarray [shape=(n_segments, n_genres), float64]
    penultimate : np.ndarray [shape=(n_segments, n_units), float32], or None
        None of heads that give no such numbers.
    home : np.ndarray [shape=(n_home, n_units), float32], or None
        Some training segments there, of length 1.
    """

    track_ids: np.ndarray
    start_s: np.ndarray
    duration_s: np.ndarray
    probabilities: np.ndarray
    penultimate: np.ndarray | None
    home: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class SegmentGuess:
    """The likeliest genre of a stretch of a track."""

    start_s: float
    duration_s: float
    genre: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Example:
    """A track and what a model says of it.

    ``guesses`` are the likeliest genres, and the true one, with their probabilities; ``segments`` are in the order
    of time; ``clip`` is what can be heard, or why nothing can.
    """

    track_id: str
    true_genre: str | None
    predicted_genre: str
    confidence: float
    is_ood: bool = False
    guesses: tuple[tuple[str, float], ...] = ()
    path: str | None = None
    duration_s: float | None = None
    segments: tuple[SegmentGuess, ...] = ()
    clip: Clip | str = _NOT_ASKED

    @property
    def is_wrong(self) -> bool:
        """Whether it is known to be of another genre than it was taken for."""
        return self.true_genre is not None and self.true_genre != self.predicted_genre

    @property
    def clip_start_s(self) -> float:
        """From where on it is heard: the segment that speaks most for what it was taken for, else the middle."""
        speaking = [segment for segment in self.segments if segment.genre == self.predicted_genre]
        if speaking:
            return max(speaking, key=lambda segment: segment.probability).start_s
        return max((self.duration_s or 0.0) / 2 - 5.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The tracks that a page knows by name.

    Attributes
    ----------
    mistakes, farthest : tuple of int
        Places in ``tracks``: wrong ones by confidence; the most out-of-distribution.
    typical : tuple of (genre, int, int)
        Of a genre the track nearest to the mean of its tracks in the penultimate layer, and the one farthest off.
    known : pa.Table, or None
        Of each track what slices are cut by, as far as it is known.
    vectors : np.ndarray [shape=(n_tracks, n_units), float32], or None
        Mean over each track's segments of the penultimate layer, of length 1; NaN where it was not looked up.
    places, home_places : np.ndarray [shape=(n, 2), float64, 0..1], or None
        Of the tracks (NaN where they are not shown), and of training segments, on a map of the penultimate layer.
    """

    genres: tuple[str, ...]
    tracks: tuple[Example, ...] = ()
    mistakes: tuple[int, ...] = ()
    farthest: tuple[int, ...] = ()
    typical: tuple[tuple[str, int, int], ...] = ()
    known: pa.Table | None = None
    vectors: np.ndarray | None = None
    places: np.ndarray | None = None
    home_places: np.ndarray | None = None

    @property
    def to_be_heard(self) -> tuple[int, ...]:
        """Places in ``tracks``, what matters most first: mistakes, the farthest, the typical, then the others."""
        most, least = [pair[1] for pair in self.typical], [pair[2] for pair in self.typical]
        return tuple(dict.fromkeys([*self.mistakes, *self.farthest, *most, *least]))


def choose_examples(
    table: pa.Table,
    *,
    genres: Sequence[str],
    tracks: Mapping[str, Mapping[str, Any]],
    segments: SegmentRows | None,
) -> Examples:
    """Pick what a page shows.

    Parameters
    ----------
    table : pa.Table
        Scored rows of predictions; ``ood_score`` and ``is_ood`` may be missing.
    tracks : mapping
        track_id to what else is known of it: ``path`` and
        :data:`~deepsound.evaluation.slices.SLICE_COLUMNS`.
    segments : SegmentRows or None
        Of the rows' tracks, as far as they were looked up.
    """
    rows = _bound(sorted(table.to_pylist(), key=lambda row: (-row["confidence"], row["track_id"])))
    wrong = [i for i, row in enumerate(rows) if row["genre"] not in (None, row["predicted_genre"])]
    scored = [i for i, row in enumerate(rows) if row.get("ood_score") is not None]
    farthest = sorted(scored, key=lambda i: (-rows[i]["ood_score"], rows[i]["track_id"]))[:N_FARTHEST]
    vectors = None if segments is None else _mean_vectors([row["track_id"] for row in rows], segments)
    places, home_places = map_tracks(vectors, None if segments is None else segments.home)
    chosen = Examples(
        genres=tuple(genres),
        mistakes=tuple(wrong[:N_MISTAKES]),
        farthest=tuple(farthest),
        typical=_find_typical(rows, vectors, genres),
        known=_collect_known(rows, tracks),
        vectors=vectors,
        places=places,
        home_places=home_places,
    )
    timelines = _timelines({rows[i]["track_id"] for i in chosen.to_be_heard}, segments, genres)
    examples = (_to_example(row, genres, tracks.get(row["track_id"], {}), timelines) for row in rows)
    return replace(chosen, tracks=tuple(examples))


def count_a_cell(n_genres: int) -> int:
    """How many tracks of each cell of the confusion matrix a page lists."""
    return max(1, min(N_A_CELL, N_OF_CELLS // n_genres**2))


def _collect_known(rows: Sequence[Mapping[str, Any]], tracks: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    of_files = [tracks.get(row["track_id"], {}) for row in rows]
    labels = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in LABEL_COLUMNS}
    return pa.table({**labels, **{name: pa.array([one.get(name) for one in of_files]) for name in SLICE_COLUMNS}})


def _bound(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of very many rows the surest of each cell of the confusion matrix, the farthest, others at even steps."""
    if len(rows) <= 2 * MAX_POINTS:
        return rows
    kept = set(np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int).tolist())
    cells: Counter[tuple[str | None, str]] = Counter()
    n_a_cell = count_a_cell(len(rows[0]["probabilities"]))
    for i, row in enumerate(rows):
        cell = row["genre"], row["predicted_genre"]
        if cells[cell] < n_a_cell and cells.total() < N_OF_CELLS:
            cells[cell] += 1
            kept.add(i)
    scores = [-np.inf if row.get("ood_score") is None else row["ood_score"] for row in rows]
    kept.update(np.argsort(scores)[-N_FARTHEST:].tolist())
    return [rows[i] for i in sorted(kept)]


def add_clips(examples: Examples, *, n_clips: int, extraction: Mapping[str, Any]) -> Examples:
    """The same with up to ``n_clips`` of its tracks to be heard, decoded within the limits of an extraction.

    Parameters
    ----------
    extraction : mapping
        The settings in ``extract.json``.
    """
    chosen = examples.to_be_heard[:n_clips]
    known = ExtractSettings()
    limits = ClipLimits(
        max_bytes=int(extraction.get("max_bytes", known.max_bytes)),
        max_duration_s=float(extraction.get("max_duration_s", known.max_duration_s)),
    )
    found = [examples.tracks[i] for i in chosen]
    requests = [ClipRequest(uri=one.path or "", start_s=one.clip_start_s) for one in found]
    heard = dict(zip(chosen, cut_clips(requests, limits=limits), strict=True))
    tracks = (replace(one, clip=heard[i]) if i in heard else one for i, one in enumerate(examples.tracks))
    return replace(examples, tracks=tuple(tracks))


def _to_example(
    row: Mapping[str, Any],
    genres: Sequence[str],
    track: Mapping[str, Any],
    timelines: Mapping[str, tuple[SegmentGuess, ...]],
) -> Example:
    chances = row["probabilities"]
    shown = sorted(range(len(chances)), key=lambda i: -chances[i])[:_N_GUESSES]
    # The true genre is shown even where the model thought of it last.
    true = [] if row["genre"] is None else [list(genres).index(row["genre"])]
    return Example(
        track_id=row["track_id"],
        true_genre=row["genre"],
        predicted_genre=row["predicted_genre"],
        confidence=row["confidence"],
        is_ood=bool(row.get("is_ood")),
        guesses=tuple((genres[i], chances[i]) for i in dict.fromkeys([*shown, *true])),
        path=track.get("path"),
        duration_s=track.get("duration_s"),
        segments=timelines.get(row["track_id"], ()),
    )


def _mean_vectors(track_ids: Sequence[str], segments: SegmentRows) -> np.ndarray | None:
    """Mean of each track's segments, of length 1; NaN for tracks without any."""
    if segments.penultimate is None:
        return None
    places = {track_id: place for place, track_id in enumerate(track_ids)}
    of_track = np.array([places.get(track_id, -1) for track_id in segments.track_ids], np.int64)
    is_here = of_track >= 0
    sums = np.zeros((len(track_ids), segments.penultimate.shape[1]))
    np.add.at(sums, of_track[is_here], segments.penultimate[is_here])
    counts = np.bincount(of_track[is_here], minlength=len(track_ids))
    vectors = normalize_rows(sums)
    vectors[counts == 0] = np.nan
    return vectors


def _find_typical(
    rows: Sequence[Mapping[str, Any]], vectors: np.ndarray | None, genres: Sequence[str]
) -> tuple[tuple[str, int, int], ...]:
    """By true genre; where no track has any, by predicted genre."""
    if vectors is None:
        return ()
    name = "genre" if any(row["genre"] is not None for row in rows) else "predicted_genre"
    is_known = np.isfinite(vectors).all(axis=1)
    largest = {genre for genre, _ in Counter(row[name] for row in rows).most_common(N_TYPICAL)}
    found = []
    for genre in genres:
        members = np.flatnonzero([row[name] == genre for row in rows] & is_known)
        if genre in largest and len(members) >= _FEWEST:
            distances = np.linalg.norm(vectors[members] - vectors[members].mean(axis=0), axis=1)
            found.append((genre, int(members[distances.argmin()]), int(members[distances.argmax()])))
    return tuple(found)


def _timelines(
    track_ids: Iterable[str], segments: SegmentRows | None, genres: Sequence[str]
) -> dict[str, tuple[SegmentGuess, ...]]:
    found: dict[str, list[SegmentGuess]] = {track_id: [] for track_id in track_ids}
    if segments is None:
        return {}
    best = segments.probabilities.argmax(axis=1)
    for i in np.argsort(segments.start_s, kind="stable").tolist():
        mine = found.get(segments.track_ids[i])
        if mine is None or len(mine) == _N_SEGMENTS or not np.isfinite(segments.start_s[i]):
            continue
        place = float(segments.start_s[i]), float(segments.duration_s[i])
        guess = genres[best[i]], float(segments.probabilities[i, best[i]])
        mine.append(SegmentGuess(start_s=place[0], duration_s=place[1], genre=guess[0], probability=guess[1]))
    return {track_id: tuple(guesses) for track_id, guesses in found.items()}
