"""What the training tracks are like, for the bundle to tell later how other collections differ."""

import numpy as np

from deepsound.data.store import read_known_tracks
from deepsound.evaluation.drift.reference import TRACK_QUANTITIES, DriftReference, build_reference
from deepsound.training.dataset import Dataset


def build_drift_reference(
    features: str, dataset: Dataset, *, feature: str, confidences: np.ndarray
) -> DriftReference:
    """Bins of the training split's tracks.

    ``confidences`` [shape=(n_validation_tracks,)] are of the validation tracks: the model is surer of its training
    tracks than of any others.
    """
    train = dataset.train
    means = train.mean_by_track(train.layout.average_frames(train.values, dtype=np.float64))
    table = read_known_tracks(features, columns=(*TRACK_QUANTITIES, "container"))
    rows = dict(zip(table["track_id"].to_pylist(), table.to_pylist(), strict=True))
    is_train = [split == "train" for split in dataset.split["split"].to_pylist()]
    known = [rows[t.track_id] for t, is_in in zip(dataset.tracks, is_train, strict=True) if is_in]
    return build_reference(
        feature,
        feature_means=means,
        columns={
            name: np.array([row[name] for row in known], np.float64)
            for name in TRACK_QUANTITIES
            if name in table.column_names
        },
        confidences=confidences,
        containers=[row.get("container") for row in known],
        artists=train.artist_names,
        n_dims=[n_dims for _, n_dims in train.layout.shapes],
    )
