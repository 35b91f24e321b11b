"""How much a careless split flatters: the same simple classifier under three ways of dividing the same tracks.

**Random segments**: segments of one track are learned from and tested on. **Random tracks**: tracks of one artist
are. **Whole artists**: neither. What the first two are above the last is memory of recordings and artists, not
knowledge of genres (A. Flexer, ISMIR 2007; B. L. Sturm, "The state of the art ten years after a state of the
art", J. New Music Res. 43 (2014) 147-172). The classifier is a logistic regression on standardised segment means;
a track is what the mean of its segments' probabilities says, under every split.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from deepsound.errors import ParameterError
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.units import clustered_mean_interval, clustered_proportion_interval

SEGMENTS, TRACKS, ARTISTS = "random segments", "random tracks", "whole artists"
# More tracks than this make the figures more precise than anybody asks for, and take hours.
_MAX_TRACKS = 2000

Divider = Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True, kw_only=True)
class InflationLine:
    """One way of dividing.

    ``accuracy`` is the share of right tracks, each tested once a repeat by a model that did not learn from its
    fold, and ``sd_over_repeats`` its standard deviation over repeats. ``inflation_points`` is its lead on the most
    careful line, in percentage points. ``low`` and ``high`` bound 95 % intervals by artists.
    """

    split: str
    accuracy: float
    low: float
    high: float
    sd_over_repeats: float
    inflation_points: float
    inflation_low: float
    inflation_high: float


@dataclass(frozen=True, kw_only=True)
class InflationReport:
    """All lines, the most careful one last; ``notes`` say what could not be had, and why."""

    lines: tuple[InflationLine, ...]
    n_tracks: int
    n_artists: int
    n_folds: int
    n_repeats: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LabelledSegments:
    """Segment means with what they are of.

    Attributes
    ----------
    means : np.ndarray [shape=(n_segments, n_dims), float]
    track_indices : np.ndarray [shape=(n_segments,), int]
    genres, artists : np.ndarray [shape=(n_tracks,), str objects]
        Artists are None where they are unknown.
    """

    means: np.ndarray
    track_indices: np.ndarray
    genres: np.ndarray
    artists: np.ndarray

    @property
    def groups(self) -> np.ndarray:
        """The artist of each track; the track itself where the artist is unknown."""
        named = [f"artist:{a}" if a is not None else f"track:{i}" for i, a in enumerate(self.artists)]
        return np.array(named)

    def pick(self, is_wanted: np.ndarray) -> "LabelledSegments":
        """Only the tracks where ``is_wanted`` [shape=(n_tracks,), bool]."""
        is_here = is_wanted[self.track_indices]
        return LabelledSegments(
            means=self.means[is_here],
            track_indices=(np.cumsum(is_wanted) - 1)[self.track_indices[is_here]],
            genres=self.genres[is_wanted],
            artists=self.artists[is_wanted],
        )


def measure_inflation(
    segments: LabelledSegments, *, seed: int = 0, n_folds: int = 5, n_repeats: int = 5
) -> InflationReport:
    """Measure what careless splits add, by ``n_folds``-fold cross-validation, ``n_repeats`` times.

    Raises
    ------
    ParameterError
        Fewer than two genres of at least two artists (or tracks, where no artist is known), or fewer of those
        than folds.
    """
    notes: list[str] = []
    segments = _usable(segments, seed=seed, notes=notes)
    groups, n_tracks = segments.groups, len(segments.genres)
    is_known = any(artist is not None for artist in segments.artists)
    if len(set(segments.genres)) < 2 or len(set(groups)) < n_folds:
        raise ParameterError(
            f"{n_tracks} tracks of {len(set(groups))} artists (or tracks of unknown artist) in "
            f"{len(set(segments.genres))} genres are too few to compare splits in {n_folds} folds; wanted two "
            f"genres of at least two artists each, and {n_folds} artists"
        )
    dividers = {SEGMENTS: _by_segment(segments, n_folds), TRACKS: _by_track(segments, n_folds)}
    if is_known:
        dividers[ARTISTS] = _by_artist(segments, groups, n_folds)
    else:
        notes.append("no artist is known, so the line for whole artists cannot be had: the true figure is lower")
    if np.bincount(segments.track_indices).max() == 1:
        notes.append("every track is one segment, so a split by segments is one by tracks")
        del dividers[SEGMENTS]
    rights = {
        name: np.stack([_judge(segments, divide(seed + repeat)) for repeat in range(n_repeats)])
        for name, divide in dividers.items()
    }
    return InflationReport(
        lines=inflation_lines(rights, groups=groups),
        n_tracks=n_tracks,
        n_artists=len({artist for artist in segments.artists if artist is not None}),
        n_folds=n_folds,
        n_repeats=n_repeats,
        notes=tuple(notes),
    )


def inflation_lines(rights: Mapping[str, np.ndarray], *, groups: np.ndarray) -> tuple[InflationLine, ...]:
    """A line for each way of dividing.

    Parameters
    ----------
    rights : mapping of str to np.ndarray [shape=(n_repeats, n_tracks), float, 0..1]
        Whether each track is right in each repeat; the most careful way last.
    groups : np.ndarray [shape=(n_tracks,), str]
        The artist of each track, or the track.
    """
    clusters, careful = groups.tolist(), list(rights.values())[-1].mean(axis=0)
    return tuple(_line(name, right, careful, clusters) for name, right in rights.items())


def _line(name: str, right: np.ndarray, careful: np.ndarray, clusters: list[str]) -> InflationLine:
    of_tracks = right.mean(axis=0)
    low, high = clustered_proportion_interval(of_tracks, clusters=clusters)
    above = 100 * (of_tracks - careful)
    inflation_low, inflation_high = clustered_mean_interval(above, clusters=clusters)
    return InflationLine(
        split=name,
        accuracy=float(of_tracks.mean()),
        low=low,
        high=high,
        sd_over_repeats=float(right.mean(axis=1).std(ddof=1)) if len(right) > 1 else 0.0,
        inflation_points=float(above.mean()),
        inflation_low=inflation_low,
        inflation_high=inflation_high,
    )


def inflation_to_plain(report: InflationReport) -> dict[str, Any]:
    """The report for JSON."""
    return {**asdict(report), "lines": [asdict(line) for line in report.lines], "notes": list(report.notes)}


def format_inflation(report: InflationReport) -> list[str]:
    """The report as lines for people."""
    lines = [
        f"logistic regression on segment means, {report.n_folds} folds, {report.n_repeats} repeats, "
        f"{report.n_tracks} tracks, {report.n_artists} known artists",
        f"{'split':<16} {'accuracy':>8} {'95 % interval':>15}   inflation in points",
    ]
    for line in report.lines:
        interval = f"{line.low:.3f} to {line.high:.3f}"
        if line is report.lines[-1]:
            inflation = "what the others are held against"
        else:
            inflation = f"{line.inflation_points:+.1f} ({line.inflation_low:+.1f} to {line.inflation_high:+.1f})"
        lines.append(f"{line.split:<16} {line.accuracy:>8.3f} {interval:>15}   {inflation}")
    return [*lines, *report.notes]


def _usable(segments: LabelledSegments, *, seed: int, notes: list[str]) -> LabelledSegments:
    """Genres that can be both learned and tested, and no more tracks than the figures need."""
    groups = segments.groups
    owners: dict[str, set[str]] = defaultdict(set)
    for genre, group in zip(segments.genres, groups, strict=True):
        owners[genre].add(group)
    alone = sorted(genre for genre, names in owners.items() if len(names) < 2)
    if alone:
        notes.append(f"left out, as only one artist is of that genre: {', '.join(alone)}")
    is_wanted = ~np.isin(segments.genres, alone)
    if is_wanted.sum() > _MAX_TRACKS:
        names = np.unique(groups[is_wanted])
        np.random.default_rng(seed).shuffle(names)
        sizes = np.array([np.sum(is_wanted & (groups == name)) for name in names])
        kept = names[: int(np.searchsorted(np.cumsum(sizes), _MAX_TRACKS, side="right"))]
        is_wanted &= np.isin(groups, kept)
        notes.append(f"measured on {is_wanted.sum()} tracks, of artists picked at random: enough for such figures")
    return segments.pick(is_wanted)


def _by_segment(segments: LabelledSegments, n_folds: int) -> Divider:
    labels = segments.genres[segments.track_indices]

    def divide(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        yield from folds.split(labels, labels)

    return divide


def _by_track(segments: LabelledSegments, n_folds: int) -> Divider:
    def divide(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        yield from _segments_of(segments, folds.split(segments.genres, segments.genres))

    return divide


def _by_artist(segments: LabelledSegments, groups: np.ndarray, n_folds: int) -> Divider:
    def divide(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        yield from _segments_of(segments, folds.split(segments.genres, segments.genres, groups))

    return divide


def _segments_of(
    segments: LabelledSegments, folds: Iterator[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _, tested in folds:
        is_tested = np.isin(segments.track_indices, tested)
        yield np.flatnonzero(~is_tested), np.flatnonzero(is_tested)


def _judge(segments: LabelledSegments, folds: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Whether each track is right [shape=(n_tracks,), float], every segment predicted from the other folds."""
    genres = np.unique(segments.genres)
    labels = segments.genres[segments.track_indices]
    probabilities = np.zeros((len(labels), len(genres)))
    # Fits this small only wait for BLAS' threads: with one of them they are several times as fast.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # A genre of fewer tracks than folds: it is missing from some of them, as it has to be.
        warnings.simplefilter("ignore")
        for learned, tested in folds:
            if not len(tested):
                continue
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
            model.fit(segments.means[learned], labels[learned])
            columns = np.searchsorted(genres, model.classes_)
            probabilities[np.ix_(tested, columns)] = model.predict_proba(segments.means[tested])
    means = mean_by_track(probabilities, track_indices=segments.track_indices, n_tracks=len(segments.genres))
    right: np.ndarray = (genres[means.argmax(axis=1)] == segments.genres).astype(np.float64)
    return right
