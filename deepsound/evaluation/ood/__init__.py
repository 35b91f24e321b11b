"""Out-of-distribution scores: how far from the training tracks a track is. Higher is farther, for all of them.

===================  ============================================================================================
energy               of the logits; W. Liu et al., NeurIPS 2020
knn                  distance to the 5th nearest training segment in the penultimate layer, vectors brought to
                     length 1; Y. Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML
                     2022
feature_mahalanobis  squared distance of the features' own means over time to the nearest genre's mean of them,
                     with the covariance within genres; no head has to learn it first: the default. K. Lee et al.,
                     "A simple unified framework for detecting out-of-distribution samples and adversarial
                     attacks", NeurIPS 2018, has it of a network's layers
===================  ============================================================================================

Each sees another place: what the head says, what it sees, what it is given. Bundles of former versions may go by
another score; they are scored by one of these, whose threshold they hold too.

A track's score is the mean over its segments: unlike the highest or lowest one, it does not grow or fall with the
number of segments, and sums can be added up wherever the segments are scored.

The default was chosen among these by the mean AUROC of held-out tracks against other music, noise, speech and solo
instruments (``python -m tests.bench.ood``). None of them tells every solo instrument from music.

Fitting the statistics is :mod:`deepsound.evaluation.ood.fitting`; all else needs numpy and scipy alone.
"""
