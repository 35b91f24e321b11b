"""What a trained head learns last: its temperature, and which tracks are too far from home."""

from dataclasses import dataclass, replace

import numpy as np

from deepsound.config import TrainSettings
from deepsound.evaluation.calibration import fit_temperature, mean_by_track
from deepsound.evaluation.ood import OodRule, fit_rule, pack_statistics
from deepsound.evaluation.ood.fitting import fit_statistics
from deepsound.models.head import Head, HeadSpec, PackedHead, load_head
from deepsound.training.dataset import Subset


@dataclass(frozen=True, kw_only=True)
class CalibratedHead:
    """A head that is ready to judge.

    Attributes
    ----------
    ood : OodRule
        Set on the validation tracks.
    confidences : np.ndarray [shape=(n_validation_tracks,), float64]
        Of the validation tracks' predictions.
    """

    head: PackedHead
    ood: OodRule
    confidences: np.ndarray


def calibrate_head(
    spec: HeadSpec, onnx_bytes: bytes, *, train: Subset, validation: Subset, settings: TrainSettings
) -> CalibratedHead:
    """Set temperature and out-of-distribution rule of a trained head.

    Statistics of the penultimate layer come from the training tracks. The thresholds on them do not: a network has
    seen its training tracks, and puts them nearer to each other than it does any new ones.

    Parameters
    ----------
    spec : HeadSpec
        Its temperature does not matter.
    train, validation : Subset
        What the network was trained on, and tracks that it was not.
    """
    head = Head(spec, onnx_bytes)
    temperature = fit_temperature(
        head.compute_logits(validation.values),
        true_indices=validation.genre_indices,
        track_indices=validation.track_indices,
    )
    statistics = fit_statistics(
        head.compute_penultimate(train.values), segment_genres=train.segment_genres, seed=settings.seed
    )
    packed = PackedHead(replace(spec, temperature=temperature), onnx_bytes, pack_statistics(statistics))
    probabilities, scores = score_tracks(load_head(packed), validation)
    rule = fit_rule(scores, decides=settings.ood.score, false_alarm_rate=settings.ood_false_alarm_rate)
    return CalibratedHead(head=packed, ood=rule, confidences=probabilities.max(axis=1))


def score_tracks(head: Head, subset: Subset) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Probabilities [shape=(n_tracks, n_genres)] and all out-of-distribution scores [shape=(n_tracks,)]."""
    n_tracks = len(subset.genre_indices)
    scores = head.score(subset.values, ood_scores=head.ood_scores)
    probabilities, *ood = (
        mean_by_track(values, track_indices=subset.track_indices, n_tracks=n_tracks)
        for values in (scores.probabilities, *scores.ood.values())
    )
    return probabilities, dict(zip(scores.ood, ood, strict=True))
