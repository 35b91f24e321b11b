"""What a trained head learns last: which tracks are out-of-distribution."""

from deepsound.config import OOD_SCORES, TrainSettings
from deepsound.evaluation.ood.statistics import OodStatistics, SegmentOutputs, compute_ood_score
from deepsound.evaluation.ood.threshold import OodRule, fit_rule
from deepsound.evaluation.units import number_units
from deepsound.training.dataset import Subset


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
    per_track = {name: validation.mean_by_track(values) for name, values in scores.items()}
    return fit_rule(
        per_track,
        decides=settings.ood.score,
        false_alarm_rate=settings.ood_false_alarm_rate,
        units=number_units(validation.artist_names),
    )
