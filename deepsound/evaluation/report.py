"""What evaluation comes to: how right, how sure, how far from the training tracks, and what the tracks hold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepsound.evaluation.coverage import CoverageCurve
from deepsound.evaluation.detection import Detection
from deepsound.evaluation.drift.report import DriftReport
from deepsound.evaluation.intervals import Interval
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.evaluation.quantification import Quantification
from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.slices import Slices
from deepsound.label_maps.label_map import TakenLabel


@dataclass(frozen=True, kw_only=True)
class PredictedGenre:
    """The scored tracks that were predicted as a genre, labelled or not.

    ``mean_confidence`` is None without such tracks; ``calibration_error``, the expected calibration error (15 bins
    of equal width) of those with a known genre, is None without any.
    """

    genre: str
    n_tracks: int
    n_ood: int
    mean_confidence: float | None
    calibration_error: float | None


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Out-of-distribution scores of a collection beside those of held-out in-distribution tracks (home).

    Attributes
    ----------
    edges : np.ndarray [shape=(n_bins + 1,), float64] or None
        Of the histogram; what lies outside is counted in the outermost bins. None for bundles without held-out
        scores.
    home, collection : np.ndarray [shape=(n_bins,), int64] or None
        Tracks in each bin; of the collection those of the sample, where there is one.
    detection : mapping of str to Detection
        How well the score tells in-distribution tracks from ``all`` tracks of the collection, those with a label
        in the taxonomy (``known genres``) and those with another label (``other labels``); only what there is.
    n_ood, n_scored : int
        Tracks called out-of-distribution, of all that were scored; ``ood_interval`` is of their share, by artists.
    accepted_accuracy : (n_right, n_labelled)
        Of labelled tracks not called out-of-distribution; ``accepted_interval`` is of their accuracy, by artists.
    """

    rule: OodRule
    edges: np.ndarray | None
    home: np.ndarray | None
    collection: np.ndarray | None
    detection: Mapping[str, Detection]
    n_ood: int
    n_scored: int
    ood_interval: Interval | None
    accepted_accuracy: tuple[int, int]
    accepted_interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that one model's predictions come to.

    Attributes
    ----------
    metrics : CollectionMetrics
        Of the scored tracks with a genre that the model knows.
    failures : mapping of str to int
        Tracks without a prediction by error code.
    labels : mapping of str to int
        Scored tracks by what became of their label: mapped, unmapped, ambiguous, unlabelled.
    taken_labels : tuple of TakenLabel
        Labels taken for their last words, the commonest first.
    genres : tuple of PredictedGenre, in the order of the taxonomy
    reliability, coverage
        None without a labelled track.
    distances : Distances or None
        None without a rule.
    shares : Quantification or None
        None where the probabilities or the model's training shares are not known, or nothing was scored.
    drift, slices
        None where they were not computed.
    n_sampled : int
        Scored tracks that curves and ranks come from: all of them, or a sample by hash of a larger table.
    """

    metrics: CollectionMetrics
    n_tracks: int
    n_scored: int
    failures: Mapping[str, int]
    labels: Mapping[str, int]
    taken_labels: tuple[TakenLabel, ...]
    genres: tuple[PredictedGenre, ...]
    reliability: Reliability | None
    coverage: CoverageCurve | None
    distances: Distances | None
    shares: Quantification | None
    drift: DriftReport | None
    slices: Slices | None
    n_sampled: int

    @property
    def is_sampled(self) -> bool:
        """Whether curves and ranks come from a sample of the scored tracks."""
        return self.n_sampled < self.n_scored

    @property
    def n_ood(self) -> int:
        """Tracks called out-of-distribution."""
        return 0 if self.distances is None else self.distances.n_ood

    @property
    def n_failed(self) -> int:
        """Tracks without a prediction."""
        return self.n_tracks - self.n_scored
