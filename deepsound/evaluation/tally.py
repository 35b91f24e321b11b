"""Counting a scored collection, part by part: all that is said of it comes from these counts.

The counts of parts add up to those of the whole, in whole numbers, so that a collection of any size gives the same
figures however it was cut up. Confidences are summed in units of 2^-32 and told apart in thousandths.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deepsound.errors import ParameterError
from deepsound.evaluation.detection import SIDES
from deepsound.evaluation.drift import DriftCounts, DriftReference, count_tracks

N_LEVELS, N_CALIBRATION_BINS = 1001, 15
# Tracks by label, for the ranks of their out-of-distribution scores.
KNOWN, OTHER, NONE = range(3)
_UNITS = 2.0**32
_FAILED, _CONTAINER, _OUTCOME, _STEP = "failed:", "container:", "outcome:", "step:"

Cell = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class ScoredTracks:
    """Some tracks of a collection, as one model scored them.

    Attributes
    ----------
    true_indices : np.ndarray [shape=(n_tracks,), int]
        Position of the genre in the taxonomy; -1 where it is not known.
    predicted_indices : np.ndarray [shape=(n_tracks,), int]
        -1 where there is no prediction; what else is said of such a track is not looked at.
    confidences, ood_scores : np.ndarray [shape=(n_tracks,), float]
    is_ood : np.ndarray [shape=(n_tracks,), bool]
    outcomes : sequence of str
        What became of the label: mapped, unmapped, ambiguous or unlabelled.
    error_codes : sequence of str or None
        Of tracks without a prediction.
    feature_means : np.ndarray [shape=(n_tracks, n_dims), float] or None
        Means of the feature over frames and segments.
    columns : mapping of str to np.ndarray [shape=(n_tracks,), float]
        Quantities of tracks, for :func:`~deepsound.evaluation.drift.count_tracks`.
    containers : sequence of str or None
    """

    true_indices: np.ndarray
    predicted_indices: np.ndarray
    confidences: np.ndarray
    ood_scores: np.ndarray
    is_ood: np.ndarray
    outcomes: Sequence[str]
    error_codes: Sequence[str | None]
    feature_means: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    containers: Sequence[str | None] = ()


@dataclass(frozen=True, kw_only=True)
class TallyPlan:
    """What is counted.

    Attributes
    ----------
    n_genres : int
    home_scores : np.ndarray [shape=(n_home,), float64] or None
        Ascending: the out-of-distribution scores of held-out tracks of home.
    edges : np.ndarray [shape=(n_bins + 1,), float64] or None
        Bins of the collection's scores.
    drift : DriftReference or None
    """

    n_genres: int
    home_scores: np.ndarray | None = None
    edges: np.ndarray | None = None
    drift: DriftReference | None = None

    def empty(self) -> dict[str, np.ndarray]:
        """The tables of no tracks."""
        n_genres = self.n_genres
        shapes: dict[str, tuple[int, ...]] = {
            "confusion": (n_genres + 1, n_genres),
            "ood": (n_genres + 1, n_genres),
            "confidence": (n_genres,),
            **dict.fromkeys(("bin_tracks", "bin_right", "bin_confidence"), (n_genres, N_CALIBRATION_BINS)),
            **dict.fromkeys(("level_tracks", "level_right", "level_confidence"), (N_LEVELS,)),
        }
        if self.home_scores is not None:
            shapes |= {f"rank_{side}": (3, len(self.home_scores) + 1) for side in SIDES}
        if self.edges is not None:
            shapes["distance"] = (len(self.edges) - 1,)
        if self.drift is not None:
            shapes |= {
                "drift_features": self.drift.features.counts.shape,
                "drift_tracks": self.drift.tracks.counts.shape,
            }
        return {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}


class Tally:
    """Counts of tracks.

    Attributes
    ----------
    tables : dict of str to np.ndarray [int64]
        ``confusion`` and ``ood``: scored tracks and those called out-of-distribution, by true (the last row: not
        known) and predicted genre. ``confidence``: sums by predicted genre. ``bin_*``: labelled tracks by
        predicted genre and bin of confidence. ``level_*``: labelled tracks by thousandths of confidence.
        ``rank_*``: by label and rank of the out-of-distribution score. ``distance``: its histogram.
        ``drift_*``: bins of the reference.
    words : Counter of str
        Tracks by error code, container, outcome of the label, and quantity with its value in steps.
    """

    def __init__(self, plan: TallyPlan) -> None:
        self.plan = plan
        self.tables = plan.empty()
        self.words: Counter[str] = Counter()

    def count(self, tracks: ScoredTracks) -> None:
        """Add some tracks."""
        is_scored = tracks.predicted_indices >= 0
        codes = [code for code, scored in zip(tracks.error_codes, is_scored, strict=True) if not scored]
        self.words.update(f"{_FAILED}{code or 'internal'}" for code in codes)
        outcomes = [outcome for outcome, scored in zip(tracks.outcomes, is_scored, strict=True) if scored]
        self.words.update(f"{_OUTCOME}{outcome}" for outcome in outcomes)
        true, predicted = tracks.true_indices[is_scored], tracks.predicted_indices[is_scored]
        confidences, is_ood = tracks.confidences[is_scored].astype(np.float64), tracks.is_ood[is_scored]
        if not ((confidences >= 0) & (confidences <= 1)).all():
            raise ParameterError("a confidence is outside 0..1")
        units = to_units(confidences)
        np.add.at(self.tables["confusion"], (true, predicted), 1)
        np.add.at(self.tables["ood"], (true[is_ood], predicted[is_ood]), 1)
        np.add.at(self.tables["confidence"], predicted, units)
        is_labelled = true >= 0
        self._calibrate(
            predicted[is_labelled], confidences[is_labelled], units[is_labelled], (true == predicted)[is_labelled]
        )
        kinds = np.where(is_labelled, KNOWN, [NONE if outcome == "unlabelled" else OTHER for outcome in outcomes])
        self._place(tracks.ood_scores[is_scored].astype(np.float64), kinds.astype(np.int64))
        if self.plan.drift is not None and tracks.feature_means is not None:
            self._compare(tracks, is_scored, confidences)

    def _calibrate(
        self, predicted: np.ndarray, confidences: np.ndarray, units: np.ndarray, is_right: np.ndarray
    ) -> None:
        bins = np.minimum((confidences * N_CALIBRATION_BINS).astype(np.int64), N_CALIBRATION_BINS - 1)
        levels = np.rint(confidences * (N_LEVELS - 1)).astype(np.int64)
        ones = np.ones(len(units), np.int64)
        counted = {"tracks": ones, "right": is_right.astype(np.int64), "confidence": units}
        for what, values in counted.items():
            np.add.at(self.tables[f"bin_{what}"], (predicted, bins), values)
            np.add.at(self.tables[f"level_{what}"], levels, values)

    def _place(self, scores: np.ndarray, kinds: np.ndarray) -> None:
        home, edges = self.plan.home_scores, self.plan.edges
        if home is not None:
            for side in SIDES:
                np.add.at(self.tables[f"rank_{side}"], (kinds, np.searchsorted(home, scores, side)), 1)
        if edges is not None:
            places = np.searchsorted(edges, scores, side="right") - 1
            np.add.at(self.tables["distance"], np.clip(places, 0, len(edges) - 2), 1)

    def _compare(self, tracks: ScoredTracks, is_scored: np.ndarray, confidences: np.ndarray) -> None:
        assert self.plan.drift is not None and tracks.feature_means is not None  # noqa: PT018
        columns = {name: values[is_scored] for name, values in tracks.columns.items()}
        containers = [name for name, scored in zip(tracks.containers, is_scored, strict=False) if scored]
        counts = count_tracks(
            self.plan.drift,
            feature_means=tracks.feature_means[is_scored],
            columns={**columns, "confidence": confidences},
            containers=containers,
        )
        self.tables["drift_features"] += counts.features
        self.tables["drift_tracks"] += counts.tracks
        self.words.update({f"{_CONTAINER}{name}": n for name, n in counts.containers.items()})
        self.words.update({f"{_STEP}{name}:{place}": n for (name, place), n in counts.steps.items()})

    def cells(self) -> Iterator[Cell]:
        """What is not 0, as (table, place in it, count): how counts travel."""
        for name, table in self.tables.items():
            flat = table.ravel()
            for place in np.flatnonzero(flat).tolist():
                yield name, place, int(flat[place])
        for word, n in self.words.items():
            yield word, 0, n

    def add_cells(self, cells: Iterable[Cell]) -> None:
        """Add the counts of another part."""
        for name, place, n in cells:
            if name in self.tables:
                self.tables[name].reshape(-1)[place] += n
            else:
                self.words[name] += n

    def failures(self) -> dict[str, int]:
        """Tracks without a prediction, by error code."""
        return self._words(_FAILED)

    def outcomes(self) -> dict[str, int]:
        """Scored tracks, by what became of their label."""
        return self._words(_OUTCOME)

    def drift_counts(self) -> DriftCounts:
        """Scored tracks in the bins of the reference."""
        return DriftCounts(
            features=self.tables["drift_features"],
            tracks=self.tables["drift_tracks"],
            containers=self._words(_CONTAINER),
            steps={
                (name, int(place)): n
                for name, _, place, n in ((*word.rpartition(":"), n) for word, n in self._words(_STEP).items())
            },
        )

    def _words(self, prefix: str) -> dict[str, int]:
        return {word.removeprefix(prefix): n for word, n in sorted(self.words.items()) if word.startswith(prefix)}


def to_units(confidences: np.ndarray) -> np.ndarray:
    """Whole numbers whose sums are exact, in whatever order."""
    units: np.ndarray = np.rint(confidences * _UNITS).astype(np.int64)
    return units


def from_units(units: np.ndarray) -> np.ndarray:
    """The inverse of :func:`to_units`."""
    confidences: np.ndarray = units / _UNITS
    return confidences
