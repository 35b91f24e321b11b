"""What a trained head learns last: which tracks are out-of-distribution."""

import numpy as np

from deepsound.config import OOD_SCORES, TrainSettings
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.ood.fitting import fit_statistics
from deepsound.evaluation.ood.statistics import OodStatistics, SegmentOutputs, compute_ood_score
from deepsound.evaluation.ood.threshold import OodRule, fit_rule
from deepsound.evaluation.units import number_units
from deepsound.training.dataset import Subset


def locate_segments(outputs: SegmentOutputs, train: Subset, *, settings: TrainSettings) -> OodStatistics:
    """Where the training segments lie, from what the network gives for them."""
    return fit_statistics(outputs, segment_genres=train.segment_genres, seed=settings.seed)


def fit_ood_rule(
    outputs: SegmentOutputs,
    validation: Subset,
    *,
    statistics: OodStatistics,
    settings: TrainSettings,
) -> OodRule:
    """From which score on a track is out-of-distribution, by the validation tracks' ``outputs``.

    Training tracks would not do: a network puts them nearer to each other than it does any new ones.
    ``statistics`` are of the training segments, by the same network.
    """
    scores = {name: compute_ood_score(name, outputs, statistics=statistics) for name in OOD_SCORES}
    per_track = {name: _mean_of_tracks(values, validation) for name, values in scores.items()}
    return fit_rule(
        per_track,
        decides=settings.ood.score,
        false_alarm_rate=settings.ood_false_alarm_rate,
        units=number_units(validation.artist_names),
    )


def _mean_of_tracks(values: np.ndarray, subset: Subset) -> np.ndarray:
    return mean_by_track(values, track_indices=subset.track_indices, n_tracks=len(subset.genre_indices))
