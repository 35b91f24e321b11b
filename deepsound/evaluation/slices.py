"""Where a model is worse than elsewhere: its accuracy on parts of a collection, against all other tracks.

A part (slice) is told by the genre, the label, the artist or what is known of the file. Tracks of one artist are
alike, so the test counts artists: the difference of two shares over clusters (W. G. Cochran, Sampling Techniques,
3rd ed., section 9A) by Welch's t (B. L. Welch, Biometrika 34 (1947) 28-35). Artists of unequal size count as fewer
of equal size (L. Kish, Survey Sampling, 1965, section 11.7), and the variance is at least that of independent
tracks, which a side without a mistake would not know. What is asked of an artist is about their own tracks, so in
their slice each track is a unit.

P-values are Holm's over all slices that were looked at, better or worse.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.stats

from deepsound.evaluation.intervals import Interval
from deepsound.evaluation.multiple_tests import SIGNIFICANT, adjust_by_holm
from deepsound.evaluation.predictions import read_predictions
from deepsound.evaluation.units import count_independent, proportion_interval

# Of ``tracks/``: what the file is like.
SLICE_COLUMNS = ("container", "sample_rate_hz", "duration_s", "rms_dbfs")
# Of predictions.
LABEL_COLUMNS = ("genre", "label", "artist")

_WORDS = (*LABEL_COLUMNS, "container")
_NUMBERS = {
    "sample_rate_hz": ("sample rate", "Hz"),
    "duration_s": ("duration", "s"),
    "rms_dbfs": ("level", "dBFS"),
}
_MIN_TRACKS, _MIN_ARTISTS = 20, 5
# Of equal size, inside and outside; fewer have no variance to speak of.
_MIN_UNITS = 4
# Of an artist or a label there can be any number; numbers of more values are cut at quartiles.
_MAX_NAMES, _MAX_VALUES = 50, 5
_MAX_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class Part:
    """Tracks of one value in a column, or of a range: ``above`` to ``up_to``, the latter among it.

    Attributes
    ----------
    name : str
        For example ``container mp3`` or ``duration up to 12.5 s``.
    """

    name: str
    column: str
    value: str | float | None = None
    above: float = -math.inf
    up_to: float = math.inf

    def find(self, table: pa.Table) -> np.ndarray:
        """Which tracks are in it [shape=(n_tracks,), bool]; null and infinite values are in none."""
        if self.column not in table.column_names:
            return np.zeros(table.num_rows, bool)
        if isinstance(self.value, str):
            return np.asarray(pc.fill_null(pc.equal(table[self.column], self.value), False), bool)
        numbers = _to_numbers(table[self.column])
        is_in: np.ndarray = np.isfinite(numbers) & (numbers > self.above) & (numbers <= self.up_to)
        return is_in if self.value is None else is_in & (numbers == self.value)


def _to_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column of numbers [shape=(n_tracks,), float64], null as NaN."""
    numbers: np.ndarray = column.cast(pa.float64()).to_numpy()
    return numbers


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of the labelled tracks (``container mp3``), and how right the model is there.

    ``low`` and ``high`` bound the 95 % interval by artists; ``elsewhere`` is the accuracy of all other tracks.
    P-values are two-sided; ``p_holm`` holds for all slices together.
    """

    part: Part
    n_tracks: int
    accuracy: float
    low: float
    high: float
    elsewhere: float
    p_value: float
    p_holm: float

    @property
    def name(self) -> str:
        """That of its part."""
        return self.part.name

    @property
    def is_beyond_chance(self) -> bool:
        """Whether the difference is no matter of luck."""
        return self.p_holm < SIGNIFICANT

    def describe(self) -> str:
        """``container mp3: 0.41 [0.30, 0.53] of 120 tracks, 0.63 elsewhere; p = 0.003``."""
        p = "p under 0.001" if self.p_holm < 0.001 else f"p = {self.p_holm:.3f}"
        interval = f"[{self.low:.2f}, {self.high:.2f}]"
        of = f"{self.accuracy:.2f} {interval} of {self.n_tracks} tracks"
        return f"{self.name}: {of}, {self.elsewhere:.2f} elsewhere; {p}"


@dataclass(frozen=True, kw_only=True)
class Slices:
    """``worst`` are at most ten slices with a lower accuracy than elsewhere, of ``n_tested``; the surest first."""

    worst: tuple[Slice, ...]
    n_tested: int

    @property
    def beyond_chance(self) -> tuple[Slice, ...]:
        """Those that are no matter of luck."""
        return tuple(one for one in self.worst if one.is_beyond_chance)

    def describe(self) -> list[str]:
        """A line for each that is beyond chance, or one that says that there is none."""
        if found := self.beyond_chance:
            return [f"worse than elsewhere: {one.describe()}" for one in found]
        if not self.n_tested:
            return []
        return [f"slices looked at: {self.n_tested}; none is worse than the rest by more than chance"]

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        worst = [{"name": one.name, **{k: v for k, v in asdict(one).items() if k != "part"}} for one in self.worst]
        return {"n_tested": self.n_tested, "worst": worst}


def join_columns(predictions: pa.Table, tracks: pa.Table) -> pa.Table:
    """Predictions with the columns that another table has of the same tracks, in the order of the predictions.

    Parameters
    ----------
    tracks : pa.Table
        ``track_id``, each at most once, and others that predictions do not have.
    """
    places = pc.index_in(predictions["track_id"], value_set=tracks["track_id"].combine_chunks())
    for name in tracks.column_names:
        if name != "track_id":
            predictions = predictions.append_column(name, tracks[name].take(places))
    return predictions


def find_slices(table: pa.Table, *, genres: Sequence[str]) -> Slices:
    """The slices that a model is worst on.

    Looked at are those of at least 20 tracks, or tracks of 5 known artists, with enough artists inside and outside
    for a test; of slices of the same tracks the first, and of a slice and its rest the worse.

    Parameters
    ----------
    table : pa.Table
        Predictions, with those of :data:`SLICE_COLUMNS` that are known.

    Raises
    ------
    ParameterError
        The table does not hold predictions, or those of other genres.
    """
    labelled = table.filter(pc.and_(pc.is_valid(table["predicted_genre"]), pc.is_valid(table["genre"])))
    predictions = read_predictions(labelled, genres=genres)
    found: dict[bytes, Slice] = {}
    for part in _cut(labelled):
        is_in = part.find(labelled)
        of_artists = predictions.units[is_in]
        n_artists = len(np.unique(of_artists[of_artists < predictions.n_artists]))
        # A slice and all that is not in it are one hypothesis.
        key = np.packbits(is_in ^ is_in[0]).tobytes()
        is_new = key not in found or found[key].accuracy > found[key].elsewhere
        if is_new and (len(of_artists) >= _MIN_TRACKS or n_artists >= _MIN_ARTISTS):
            units = predictions.units
            if part.column == "artist":
                units = np.where(is_in, len(units) + np.arange(len(units)), units)
            measured = _measure(part, is_in, is_right=predictions.is_right, units=units)
            if measured is not None:
                found[key] = measured
    adjusted = adjust_by_holm([one.p_value for one in found.values()])
    corrected = [replace(one, p_holm=p) for one, p in zip(found.values(), adjusted, strict=True)]
    worse = [one for one in corrected if one.accuracy < one.elsewhere]
    worse.sort(key=lambda one: (one.p_value, one.accuracy - one.elsewhere))
    return Slices(worst=tuple(worse[:_MAX_LISTED]), n_tested=len(found))


def compare_with_rest(is_in: np.ndarray, *, is_right: np.ndarray, units: np.ndarray) -> float | None:
    """Two-sided p-value of the same accuracy inside and outside; 1 where all are right, or none.

    None where units (artists) inside or outside are fewer than four of equal size. All three arrays have the shape
    (n_tracks,).
    """
    numbers, n_right = np.unique(units, return_inverse=True)[1], is_right.astype(np.float64)
    sides = [_deviations(side, n_right, numbers) for side in (is_in, ~is_in)]
    if min(n_units for _, n_units in sides) < _MIN_UNITS:
        return None
    share = float(n_right.mean())
    least = share * (1 - share) * (1 / is_in.sum() + 1 / (~is_in).sum())
    if not least:
        return 1.0
    (inside, n_inside), (outside, n_outside) = sides
    variance = max(float(((inside - outside) ** 2).sum()), least)
    # Of the two variances, one may be 0; of both, nothing tells the degrees of freedom.
    parts = [float(inside @ inside), float(outside @ outside)]
    parts = parts if any(parts) else [1 / n_inside, 1 / n_outside]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (n_inside - 1) + parts[1] ** 2 / (n_outside - 1))
    difference = float(n_right[is_in].mean() - n_right[~is_in].mean())
    return float(2 * scipy.stats.t.sf(abs(difference) / math.sqrt(variance), freedom))


def _deviations(is_in: np.ndarray, n_right: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, float]:
    """What each unit adds to the error of a share [shape=(n_units,)], and their number, as if of equal size."""
    n_units = count_independent(np.unique(numbers[is_in], return_inverse=True)[1])
    if n_units <= 1:
        return np.zeros(int(numbers.max(initial=0)) + 1), n_units
    sums = np.bincount(numbers, weights=is_in * (n_right - n_right[is_in].mean()))
    return sums / is_in.sum() * math.sqrt(n_units / (n_units - 1)), n_units


def _measure(part: Part, is_in: np.ndarray, *, is_right: np.ndarray, units: np.ndarray) -> Slice | None:
    p_value = compare_with_rest(is_in, is_right=is_right, units=units)
    if p_value is None:
        return None
    numbers = np.unique(units[is_in], return_inverse=True)[1]
    interval: Interval = proportion_interval(is_right[is_in], units=numbers)
    return Slice(
        part=part,
        n_tracks=int(is_in.sum()),
        accuracy=float(is_right[is_in].mean()),
        low=interval[0],
        high=interval[1],
        elsewhere=float(is_right[~is_in].mean()),
        p_value=p_value,
        p_holm=p_value,
    )


def _cut(table: pa.Table) -> Iterator[Part]:
    """Parts that each hold some of the tracks; of many values the commonest."""
    for column in _WORDS:
        if column in table.column_names:
            counts = sorted(pc.value_counts(table[column]).to_pylist(), key=lambda one: -one["counts"])
            for name in [one["values"] for one in counts if one["values"]][:_MAX_NAMES]:
                yield Part(name=f"{column} {name}", column=column, value=name)
    for column, (what, unit) in _NUMBERS.items():
        if column in table.column_names:
            yield from _cut_numbers(_to_numbers(table[column]), column=column, what=what, unit=unit)


def _cut_numbers(values: np.ndarray, *, column: str, what: str, unit: str) -> Iterator[Part]:
    """Parts of few values each, of more by quartiles."""
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) <= _MAX_VALUES:
        for value in distinct.tolist():
            yield Part(name=f"{what} {value:.6g} {unit}", column=column, value=value)
        return
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    for low, high in itertools.pairwise([-math.inf, *edges.tolist(), math.inf]):
        words = f"{low:.4g} to {high:.4g}"
        if low == -math.inf:
            words = f"up to {high:.4g}"
        elif high == math.inf:
            words = f"over {low:.4g}"
        yield Part(name=f"{what} {words} {unit}", column=column, above=low, up_to=high)
