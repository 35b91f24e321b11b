"""Setting temperature and out-of-distribution rule, on a head that is a matrix: no TensorFlow."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deepsound.config import OOD_SCORES, OodSettings, TrainSettings
from deepsound.data.layout import Layout
from deepsound.errors import ConfigError
from deepsound.evaluation.ood.fitting import fit_statistics
from deepsound.evaluation.ood.statistics import SegmentOutputs, compute_energy, pack_statistics
from deepsound.evaluation.ood.threshold import fit_threshold
from deepsound.models.head import HeadSpec, PackedHead, load_head
from deepsound.training.calibrate import fit_ood_rule
from deepsound.training.dataset import Subset

SHAPE, N_GENRES = (2, 4), 3


def make_onnx(weights):
    """penultimate = flatten(x), logits = penultimate @ weights."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["penultimate"]),
            helper.make_node("MatMul", ["penultimate", "w"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", N_GENRES]),
            helper.make_tensor_value_info("penultimate", TensorProto.FLOAT, ["n", 8]),
        ],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def make_subset(n_tracks, *, seed, spread=1.0):
    rng = np.random.default_rng(seed)
    genres = np.arange(n_tracks) % N_GENRES
    track_indices = np.sort(np.r_[np.arange(n_tracks), rng.integers(0, n_tracks, size=n_tracks)])
    centres = 4 * np.eye(N_GENRES, 8)[genres[track_indices]].reshape(-1, *SHAPE)
    values = centres + spread * rng.normal(size=centres.shape)
    return Subset(values=values.astype(np.float32), track_indices=track_indices, genre_indices=genres)


@pytest.fixture(scope="module")
def weights():
    return np.eye(8, N_GENRES) + 0.1 * np.random.default_rng(0).normal(size=(8, N_GENRES))


TRAIN, VALIDATION = make_subset(60, seed=1, spread=0.3), make_subset(30, seed=2)


def give(subset, weights):
    """What the network gives for segments."""
    penultimate = subset.values.reshape(-1, 8)
    means = subset.values.mean(axis=1)
    return SegmentOutputs(logits=penultimate @ weights, penultimate=penultimate, feature_means=means)


def calibrate(weights, *, temperature=2.0, **settings):
    settings = TrainSettings(**settings)
    statistics = fit_statistics(give(TRAIN, weights), segment_genres=TRAIN.segment_genres, seed=0)
    rule = fit_ood_rule(give(VALIDATION, weights), VALIDATION, statistics=statistics, settings=settings)
    spec = HeadSpec(
        genres=("a", "b", "c"),
        layout=Layout((SHAPE,)),
        mean=(0.0,) * 4,
        std=(1.0,) * 4,
        temperature=temperature,
        transforms=("none",),
    )
    return rule, load_head(PackedHead(spec, make_onnx(weights), pack_statistics(statistics)))


def score_tracks(head, subset):
    scores = head.score(subset.values, ood_scores=head.ood_scores)
    n_tracks = len(subset.genre_indices)
    return {
        name: np.bincount(subset.track_indices, weights=values)
        / np.bincount(subset.track_indices, minlength=n_tracks)
        for name, values in scores.ood.items()
    }


def test_thresholds_come_from_the_means_of_validation_tracks(weights):
    rule, head = calibrate(weights)
    assert set(rule.thresholds) == set(OOD_SCORES)
    assert rule.n_tracks == 30
    logits = VALIDATION.values.reshape(-1, 8) @ weights
    energies = compute_energy(logits)
    per_track = np.array([energies[VALIDATION.track_indices == i].mean() for i in range(30)])
    assert rule.thresholds["energy"] == pytest.approx(fit_threshold(per_track, false_alarm_rate=0.05), abs=1e-4)
    scores = score_tracks(head, VALIDATION)
    for name, threshold in rule.thresholds.items():
        assert threshold == pytest.approx(fit_threshold(scores[name], false_alarm_rate=0.05), rel=1e-4, abs=1e-4)


def test_few_tracks_of_home_are_called_foreign_and_most_foreign_ones(weights):
    """Also by scores whose threshold no training track comes near: the network has seen those."""
    rule, head = calibrate(weights)
    home = score_tracks(head, make_subset(300, seed=3))
    training = score_tracks(head, TRAIN)
    foreign = make_subset(300, seed=4)
    foreign.values[:, 1, :] += 12
    scores = score_tracks(head, foreign)
    for name, threshold in rule.thresholds.items():
        assert np.mean(home[name] > threshold) < 0.17, name
    for name in ("knn", "feature_mahalanobis"):
        assert np.mean(scores[name] > rule.thresholds[name]) > 0.9, name
        assert training[name].max() < rule.thresholds[name]


@pytest.mark.parametrize("name", OOD_SCORES)
def test_the_setting_picks_the_score(weights, name):
    rule, _ = calibrate(weights, ood=OodSettings(score=name), ood_false_alarm_rate=0.2)
    assert (rule.score, rule.false_alarm_rate) == (name, 0.2)
    assert rule.threshold == rule.thresholds[name]
    assert rule.expected_rate == pytest.approx(6 / 31)


def test_other_scores_are_refused_by_name():
    with pytest.raises(
        ConfigError, match=r"'ood.score' is 'odin'; wanted one of energy, knn, feature_mahalanobis"
    ):
        OodSettings(score="odin")
