"""Setting temperature and out-of-distribution rule, on a head that is a matrix: no TensorFlow."""

import numpy as np
import onnx
import pytest
import scipy.special
from onnx import TensorProto, helper, numpy_helper

from deepsound.config import OOD_SCORES, OodSettings, TrainSettings
from deepsound.errors import ConfigError
from deepsound.evaluation.ood import compute_energy, fit_threshold
from deepsound.models.head import HeadSpec, load_head
from deepsound.training.calibrate import calibrate_head, score_tracks
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


def calibrate(weights, **settings):
    spec = HeadSpec(genres=("a", "b", "c"), shape=SHAPE, mean=(0.0,) * 4, std=(1.0,) * 4, temperature=1.0)
    train, validation = make_subset(60, seed=1, spread=0.3), make_subset(30, seed=2)
    calibrated = calibrate_head(
        spec, make_onnx(weights), train=train, validation=validation, settings=TrainSettings(**settings)
    )
    return calibrated, validation


def test_thresholds_come_from_the_means_of_validation_tracks(weights):
    calibrated, validation = calibrate(weights)
    assert set(calibrated.ood.thresholds) == set(OOD_SCORES)
    assert calibrated.ood.n_tracks == 30
    logits = validation.values.reshape(-1, 8) @ weights
    energy = compute_energy(logits)
    per_track = np.array([energy[validation.track_indices == i].mean() for i in range(30)])
    expected = fit_threshold(per_track, false_alarm_rate=0.05)
    assert calibrated.ood.thresholds["energy"] == pytest.approx(expected, abs=1e-4)
    probabilities = scipy.special.softmax(logits / calibrated.head.spec.temperature, axis=1)
    means = np.stack([probabilities[validation.track_indices == i].mean(axis=0) for i in range(30)])
    np.testing.assert_allclose(calibrated.confidences, means.max(axis=1), atol=1e-5)


def test_few_tracks_of_home_are_called_foreign_and_most_foreign_ones(weights):
    """Also by scores whose threshold no training track comes near: the network has seen those."""
    calibrated, _ = calibrate(weights)
    head = load_head(calibrated.head)
    _, home = score_tracks(head, make_subset(300, seed=3))
    _, training = score_tracks(head, make_subset(60, seed=1, spread=0.3))
    foreign = make_subset(300, seed=4)
    foreign.values[:, 1, :] += 12
    _, scores = score_tracks(head, foreign)
    for name, threshold in calibrated.ood.thresholds.items():
        assert np.mean(home[name] > threshold) < 0.17, name
    for name in ("mahalanobis", "relative_mahalanobis", "knn"):
        threshold = calibrated.ood.thresholds[name]
        assert np.mean(scores[name] > threshold) > 0.9, name
        assert training[name].max() < threshold


@pytest.mark.parametrize("name", OOD_SCORES)
def test_the_setting_picks_the_score(weights, name):
    calibrated, _ = calibrate(weights, ood=OodSettings(score=name), ood_false_alarm_rate=0.2)
    assert (calibrated.ood.score, calibrated.ood.false_alarm_rate) == (name, 0.2)
    assert calibrated.ood.threshold == calibrated.ood.thresholds[name]
    assert calibrated.ood.expected_rate == pytest.approx(6 / 31)


def test_other_scores_are_refused_by_name():
    with pytest.raises(
        ConfigError, match=r"'ood.score' is 'odin'; wanted one of energy, max_softmax, mahalanobis"
    ):
        OodSettings(score="odin")
