"""Out-of-distribution scores: how far from home a track is. Higher is farther, for all of them.

=====================  ==========================================================================================
energy                 of the logits; W. Liu et al., NeurIPS 2020
max_softmax            1 - the largest calibrated probability; D. Hendrycks and K. Gimpel, ICLR 2017
mahalanobis            squared distance to the nearest genre's mean in the penultimate layer, with the covariance
                       within genres; K. Lee et al., "A simple unified framework for detecting out-of-distribution
                       samples and adversarial attacks", NeurIPS 2018 (its last layer alone, without input noise)
relative_mahalanobis   that less the distance to the mean of everything; J. Ren et al., "A simple fix to
                       Mahalanobis distance for improving near-OOD detection", ICML 2021 workshop
knn                    distance to the 5th nearest training segment in the penultimate layer, vectors brought to
                       length 1; Y. Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML
                       2022
feature_mahalanobis    squared distance of the features' own means over time to their mean over the training
                       segments, which no head has to learn first; the default
=====================  ==========================================================================================

A track's score is the mean over its segments: unlike the highest or lowest one, it does not grow or fall with the
number of segments, and sums can be added up wherever the segments are scored.

The default was chosen among these by the mean AUROC of held-out tracks against other music, noise, speech and solo
instruments (``python -m tests.bench.ood``). None of them tells every solo instrument from music.

Fitting the statistics is :mod:`deepsound.evaluation.ood.fitting`; all else needs numpy and scipy alone.
"""

from deepsound.config import OOD_SCORES
from deepsound.evaluation.ood.logits import compute_doubt, compute_energy
from deepsound.evaluation.ood.statistics import (
    OodStatistics,
    SegmentOutputs,
    available_scores,
    compute_ood_score,
    pack_statistics,
    unpack_statistics,
)
from deepsound.evaluation.ood.threshold import OodRule, fit_rule, fit_threshold, tracks_needed

__all__ = [
    "OOD_SCORES",
    "OodRule",
    "OodStatistics",
    "SegmentOutputs",
    "available_scores",
    "compute_doubt",
    "compute_energy",
    "compute_ood_score",
    "fit_rule",
    "fit_threshold",
    "pack_statistics",
    "tracks_needed",
    "unpack_statistics",
]
