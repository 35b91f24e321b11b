"""The table of a benchmark: features and heads on the same tracks, under several ways of dividing them.

Every figure comes from predictions of tracks by a model that has not learned from them, evaluated as all others
are, with intervals that count artists. What careless protocols add is measured on the same tracks. Heads are
compared in pairs, by artists, and p-values are Holm's over all pairs of a protocol.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deepsound.errors import ParameterError
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.inflation import ARTISTS, SEGMENTS, TRACKS, InflationLine, inflation_lines
from deepsound.evaluation.multiple_tests import adjust_by_holm
from deepsound.evaluation.paired import PairedComparison, compare_paired
from deepsound.evaluation.predictions import read_predictions
from deepsound.evaluation.report import Report

SPLIT, FOREIGN = "test split", "foreign"
# From the most careless to the most careful, then what tracks of their own are asked.
PROTOCOL_NAMES = {"segments": SEGMENTS, "tracks": TRACKS, "artists": ARTISTS, "split": SPLIT, "foreign": FOREIGN}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What a head on a feature says of tracks.

    Attributes
    ----------
    protocol : str
        A key of :data:`PROTOCOL_NAMES`.
    predictions : pa.Table
        Sorted by ``track_id``, with the number of the ``fold`` that tested each, where there is one.
    seconds : float
        That training and prediction took.
    run_id : str
        In MLflow.
    """

    feature: str
    architecture: str
    protocol: str
    predictions: pa.Table
    seconds: float
    run_id: str

    @property
    def head(self) -> str:
        """``lda on mfcc``."""
        return f"{self.architecture} on {self.feature}"


@dataclass(frozen=True, kw_only=True)
class BenchmarkLine:
    """A cell evaluated.

    ``fold_accuracies`` are empty where tracks were not tested fold by fold; ``inflation`` is what the protocol
    adds to the accuracy under whole artists, None without that, or of other tracks.
    """

    cell: Cell
    report: Report
    fold_accuracies: tuple[float, ...]
    inflation: InflationLine | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkPair:
    """Two heads under one protocol; ``p_holm`` is corrected for all pairs of the protocol."""

    protocol: str
    head_a: str
    head_b: str
    comparison: PairedComparison
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Everything that a benchmark comes to.

    ``headline`` is the most careful protocol that there is: the one to quote. ``pairs`` are of the headline, the
    test split and the foreign collection; ``notes`` say what to know before any figure is quoted.
    """

    genres: tuple[str, ...]
    headline: str
    lines: tuple[BenchmarkLine, ...]
    pairs: tuple[BenchmarkPair, ...]
    notes: tuple[str, ...]

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that there are, in the order of :data:`PROTOCOL_NAMES`."""
        return tuple(name for name in PROTOCOL_NAMES if any(line.cell.protocol == name for line in self.lines))

    @property
    def heads(self) -> tuple[str, ...]:
        """Those that there are, in the order of the cells."""
        return tuple(dict.fromkeys(line.cell.head for line in self.lines))

    @property
    def best(self) -> BenchmarkLine:
        """The line with the highest accuracy under the headline's protocol."""
        return max(self.of(self.headline).values(), key=lambda line: line.report.metrics.accuracy or 0.0)

    def of(self, protocol: str) -> dict[str, BenchmarkLine]:
        """The lines of a protocol by head."""
        return {line.cell.head: line for line in self.lines if line.cell.protocol == protocol}


def evaluate_benchmark(cells: Sequence[Cell], *, genres: Sequence[str], notes: Sequence[str] = ()) -> Benchmark:
    """The table, from what was predicted.

    Raises
    ------
    ParameterError
        No cell; or two of a protocol are not of the same tracks.
    """
    if not cells:
        raise ParameterError("a benchmark without a cell")
    inflations = _measure_inflations(cells)
    lines = tuple(
        BenchmarkLine(
            cell=cell,
            report=evaluate(cell.predictions, genres=genres),
            fold_accuracies=_accuracies_of_folds(cell.predictions),
            inflation=inflations.get((cell.head, cell.protocol)),
        )
        for cell in cells
    )
    protocols = {cell.protocol for cell in cells}
    headline = next(name for name in ("artists", "tracks", "segments", "split", "foreign") if name in protocols)
    pairs = [
        pair
        for protocol in PROTOCOL_NAMES
        if protocol in {headline, "split", "foreign"}
        for pair in _compare([cell for cell in cells if cell.protocol == protocol], genres)
    ]
    return Benchmark(
        genres=tuple(genres),
        headline=headline,
        lines=lines,
        pairs=tuple(pairs),
        notes=(*notes, *_notes_on_genres(cells, protocols)),
    )


def is_right(predictions: pa.Table) -> np.ndarray:
    """Whether each track was predicted as what it is [shape=(n_tracks,), bool]."""
    pairs = zip(predictions["genre"].to_pylist(), predictions["predicted_genre"].to_pylist(), strict=True)
    return np.array([true == predicted for true, predicted in pairs], bool)


def _measure_inflations(cells: Sequence[Cell]) -> dict[tuple[str, str], InflationLine]:
    by_head: dict[str, dict[str, Cell]] = defaultdict(dict)
    for cell in cells:
        by_head[cell.head][cell.protocol] = cell
    found = {}
    for head, of_head in by_head.items():
        if "artists" not in of_head:
            continue
        rights: dict[str, np.ndarray] = {
            name: is_right(of_head[name].predictions)[np.newaxis].astype(np.float64)
            for name in ("segments", "tracks", "artists")
            if name in of_head
        }
        groups = np.array(_groups_of(of_head["artists"].predictions))
        found.update({(head, line.split): line for line in inflation_lines(rights, groups=groups)})
    return found


def _groups_of(predictions: pa.Table) -> list[str]:
    """The artist of each track, or the track."""
    pairs = zip(predictions["artist"].to_pylist(), predictions["track_id"].to_pylist(), strict=True)
    return [f"track:{track}" if artist is None else f"artist:{artist}" for artist, track in pairs]


def _accuracies_of_folds(predictions: pa.Table) -> tuple[float, ...]:
    if "fold" not in predictions.column_names or predictions["fold"].null_count:
        return ()
    folds, right = predictions["fold"].to_numpy(), is_right(predictions)
    return tuple(float(right[folds == fold].mean()) for fold in np.unique(folds))


def _compare(cells: Sequence[Cell], genres: Sequence[str]) -> list[BenchmarkPair]:
    """All pairs of heads of one protocol."""
    if len({tuple(cell.predictions["track_id"].to_pylist()) for cell in cells}) > 1:
        raise ParameterError(f"the heads of {cells[0].protocol} were not asked about the same tracks")
    rights = [is_right(cell.predictions) for cell in cells]
    pairs = list(itertools.combinations(range(len(cells)), 2))
    if not pairs:
        return []
    units = read_predictions(cells[0].predictions, genres=genres).units
    compared = [compare_paired(rights[i], rights[j], units=units) for i, j in pairs]
    adjusted = adjust_by_holm([comparison.p_value for comparison in compared])
    return [
        BenchmarkPair(
            protocol=cells[i].protocol,
            head_a=cells[i].head,
            head_b=cells[j].head,
            comparison=comparison,
            p_holm=p_holm,
        )
        for (i, j), comparison, p_holm in zip(pairs, compared, adjusted, strict=True)
    ]


def _notes_on_genres(cells: Sequence[Cell], protocols: set[str]) -> list[str]:
    """Genres that whole artists cannot be judged by: of one artist, unknown whenever it is tested."""
    if "artists" not in protocols:
        return []
    tracks = next(cell.predictions for cell in cells if cell.protocol == "artists")
    owners: Mapping[str, set[str]] = defaultdict(set)
    genres = tracks["genre"].to_pylist()
    for genre, group in zip(genres, _groups_of(tracks), strict=True):
        owners[genre].add(group)
    alone = sorted(genre for genre, names in owners.items() if len(names) == 1)
    if not alone:
        return []
    most = sum(genre not in alone for genre in genres) / len(genres)
    named = ", ".join(alone)
    return [
        f"{named}: of one artist each, so all wrong by whole artists, whatever the head; no accuracy can be above "
        f"{most:.2f}"
    ]
