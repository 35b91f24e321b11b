"""Fitting heads: what is learned from which split, averages of seeds, refits, weights."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.special

from deepsound.config import MlpSettings, TrainSettings
from deepsound.data.layout import Layout
from deepsound.models.head import Head
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import Subset, join_subsets
from deepsound.training.epochs import train_epochs
from deepsound.training.fit import fit_head
from deepsound.training.predictions import predict_tracks

SHAPE = (4, 3)
SETTINGS = TrainSettings(
    feature="toy",
    architecture="mlp",
    mlp=MlpSettings(units=(8,), dropout=0.0, input_dropout=0.0),
    epochs=30,
    learning_rate=0.02,
)


TAXONOMY = Taxonomy(("high", "low", "noise"))


@dataclass(frozen=True)
class Data:
    train: Subset
    validation: Subset
    taxonomy: Taxonomy = TAXONOMY


def make_subset(n_tracks, genres, seed, n_segments=2):
    """Tracks of these genres in turn, told apart by their mean."""
    rng = np.random.default_rng(seed)
    genre_indices = np.resize(genres, n_tracks)
    track_indices = np.repeat(np.arange(n_tracks), n_segments)
    centres = np.array([[3, 0, 10], [-3, 0, 10], [0, 4, 10]], np.float32)
    values = centres[genre_indices[track_indices], None] + rng.normal(size=(len(track_indices), *SHAPE))
    return Subset(values=values.astype(np.float32), track_indices=track_indices, genre_indices=genre_indices)


def fit(data, settings=SETTINGS):
    reported = []
    fitted = fit_head(
        data, settings=settings, report_epoch=lambda epoch, figures: reported.append((epoch, figures))
    )
    return fitted, reported


DATA = Data(train=make_subset(36, [0, 1, 2], seed=0), validation=make_subset(12, [0, 1, 2], seed=1))


def add_feature(subset):
    """The same tracks with a second feature beside the first."""
    layout = Layout((SHAPE, (2, 2)))
    more = np.random.default_rng(len(subset.values)).normal(5, 3, size=(len(subset.values), 2, 2))
    return replace(subset, values=layout.join([subset.values, more.astype(np.float32)]), layout=layout)


BOTH = Data(train=add_feature(DATA.train), validation=add_feature(DATA.validation))


def judge(head, subset):
    track_ids = [f"t{i}" for i in range(len(subset.genre_indices))]
    return predict_tracks(head, subset, track_ids=track_ids).evaluate().metrics


@pytest.mark.parametrize("architecture", ["mlp", "lda", "logistic"])
def test_a_head_is_standardised_on_train_calibrated_on_validation_and_the_same_as_its_keras_model(architecture):
    fitted, reported = fit(DATA, replace(SETTINGS, architecture=architecture))
    spec = fitted.head.spec
    np.testing.assert_allclose(spec.mean, DATA.train.values.reshape(-1, 3).mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(spec.std, DATA.train.values.reshape(-1, 3).std(axis=0), atol=1e-4)
    values = DATA.validation.values
    logits = np.asarray(fitted.model((values - np.float32(spec.mean)) / np.float32(spec.std), training=False))
    head = Head(spec, fitted.head.onnx_bytes)
    np.testing.assert_allclose(head.compute_logits(values), logits, atol=1e-4)
    assert [epoch for epoch, _ in reported] == list(range(len(fitted.history)))
    assert fitted.history[fitted.best_epoch]["val_loss"] == min(epoch["val_loss"] for epoch in fitted.history)
    energies = -scipy.special.logsumexp(logits, axis=1).reshape(-1, 2).mean(axis=1)
    assert (energies > fitted.ood.thresholds["energy"] + 1e-4).mean() <= 0.05
    assert fitted.validation.accuracy == judge(head, DATA.validation).accuracy > 0.9
    assert not fitted.is_refitted


def test_several_seeds_are_one_head_of_networks_that_differ():
    fitted, reported = fit(DATA, replace(SETTINGS, n_seeds=3, epochs=5))
    assert len(reported) == 5
    head = Head(fitted.head.spec, fitted.head.onnx_bytes)
    penultimate = head.score(DATA.train.values).penultimate
    assert penultimate.shape == (72, 24)
    kernel, bias = fitted.model.get_layer("logits").get_weights()
    np.testing.assert_allclose(head.compute_logits(DATA.train.values), penultimate @ kernel + bias, atol=1e-4)
    members = kernel.reshape(3, 8, 3)
    assert min(np.abs(members[i] - members[j]).max() for i, j in ((0, 1), (1, 2), (0, 2))) > 0.01
    single, _ = fit(DATA, replace(SETTINGS, epochs=5))
    np.testing.assert_allclose(single.model.get_layer("logits").get_weights()[0] / 3, members[0], atol=1e-5)
    other, _ = fit(DATA, replace(SETTINGS, epochs=5, seed=1))
    gaps = [np.abs(other.model.get_layer("logits").get_weights()[0] / 3 - member).max() for member in members]
    assert min(gaps) > 0.01


@pytest.mark.parametrize(("data", "architecture"), [(DATA, "mlp"), (BOTH, "cnn")], ids=["one", "two features"])
def test_a_network_and_a_linear_head_are_one_with_each_at_its_own_temperature(data, architecture):
    settings = replace(SETTINGS, architecture=architecture, average_with=("lda",), refit=False, epochs=5)
    if data is BOTH:
        settings = replace(settings, feature="toy+tune")
    together, reported = fit(data, settings)
    assert len(reported) == 5
    values = data.train.values
    expected = 0
    for name in (architecture, "lda"):
        alone, _ = fit(data, replace(settings, architecture=name, average_with=()))
        head = Head(alone.head.spec, alone.head.onnx_bytes)
        expected = expected + head.compute_logits(values) / alone.head.spec.temperature / 2
    head = Head(together.head.spec, together.head.onnx_bytes)
    np.testing.assert_allclose(head.compute_logits(values), expected, atol=1e-3)
    refitted, _ = fit(data, replace(settings, refit=True))
    assert refitted.head.spec == together.head.spec
    again = Head(refitted.head.spec, refitted.head.onnx_bytes).compute_logits(values)
    assert np.abs(again - head.compute_logits(values)).max() > 0.01


def test_each_dimension_of_each_feature_is_standardised_by_its_own_numbers():
    fitted, _ = fit(BOTH, replace(SETTINGS, feature="toy+tune", architecture="lda"))
    spec = fitted.head.spec
    parts = [part.reshape(-1, part.shape[2]) for part in BOTH.train.layout.split(BOTH.train.values)]
    np.testing.assert_allclose(spec.mean, np.concatenate([part.mean(axis=0) for part in parts]), atol=1e-4)
    np.testing.assert_allclose(spec.std, np.concatenate([part.std(axis=0) for part in parts]), atol=1e-4)
    scaled = [(part - part.mean(axis=0)) / part.std(axis=0) for part in parts]
    flat = np.concatenate([part.reshape(len(BOTH.train.values), -1) for part in scaled], axis=1)
    logits = np.asarray(fitted.model(flat[:, None].astype(np.float32), training=False))
    head = Head(spec, fitted.head.onnx_bytes)
    np.testing.assert_allclose(head.compute_logits(BOTH.train.values), logits, atol=1e-3)
    assert judge(head, BOTH.validation).accuracy > 0.9


def test_a_refit_learns_from_validation_tracks_and_judges_them_by_who_had_not():
    """Noise is in validation only: who has not learned from validation cannot know it."""
    data = Data(train=make_subset(24, [0, 1], seed=0), validation=make_subset(12, [0, 1, 2], seed=1))
    settings = replace(SETTINGS, patience=0)
    plain, _ = fit(data, settings)
    refitted, _ = fit(data, replace(settings, refit=True))
    fresh = make_subset(30, [2], seed=5)

    def recall(fitted):
        head = Head(fitted.head.spec, fitted.head.onnx_bytes)
        return judge(head, fresh).per_genre[2].recall

    assert recall(plain) == 0
    assert recall(refitted) > 0.8
    assert refitted.is_refitted
    # Everything that validation says is said by the network that had not learned from it.
    assert refitted.validation.per_genre[2].recall == 0
    assert refitted.head.spec == plain.head.spec
    assert refitted.ood == plain.ood
    assert refitted.history == plain.history


def test_a_refit_trains_as_long_as_was_best(monkeypatch):
    calls = []

    def spy(model, train, validation, **how):
        calls.append((len(train[0]), validation is None, how["stop_after"]))
        train_epochs(model, train, validation, **how)

    monkeypatch.setattr("deepsound.training.fit.train_epochs", spy)
    fitted, _ = fit(DATA, replace(SETTINGS, n_seeds=2, refit=True, patience=3))
    assert [call[:2] for call in calls] == [(72, False), (72, False), (96, True), (96, True)]
    assert calls[2][2] == fitted.best_epoch + 1
    fit(DATA, replace(SETTINGS, refit=True, patience=0, epochs=4))
    assert calls[-1] == (96, True, 4)


def test_weights():
    subset = Subset(
        values=np.zeros((7, *SHAPE), np.float32),
        track_indices=np.array([0, 0, 1, 2, 3, 4, 4]),
        genre_indices=np.array([0, 0, 0, 0, 1]),
        group_sizes=np.array([1, 4, 4, 4, 1]),
    )

    def weights(artist_balance, genre_balance, of=subset):
        return of.weigh_segments(artist_balance=artist_balance, genre_balance=genre_balance)

    np.testing.assert_allclose(weights(0, 0), np.ones(7))
    np.testing.assert_allclose(weights(0.5, 0), np.array([1, 1, 0.5, 0.5, 0.5, 1, 1]) * 7 / 5.5)
    np.testing.assert_allclose(weights(1, 0), np.array([1, 1, 0.25, 0.25, 0.25, 1, 1]) * 7 / 4.75)
    np.testing.assert_allclose(weights(0, 1), np.array([0.25] * 5 + [1, 1]) * 7 / 3.25)
    np.testing.assert_allclose(weights(1, 0.5).mean(), 1)
    without = replace(subset, group_sizes=None)
    np.testing.assert_allclose(weights(1, 0, of=without), np.ones(7))


def test_balances_change_what_is_learned():
    """Nine tracks of one artist against three of three others, all of which contradict them."""
    rng = np.random.default_rng(0)
    values = np.ones((12, *SHAPE), np.float32) + 0.01 * rng.normal(size=(12, *SHAPE)).astype(np.float32)
    train = Subset(
        values=values,
        track_indices=np.arange(12),
        genre_indices=np.array([0] * 9 + [1] * 3),
        group_sizes=np.array([9] * 9 + [1] * 3),
    )
    settings = replace(SETTINGS, mlp=MlpSettings(units=(), statistics=("mean",), dropout=0.0, input_dropout=0.99))
    probabilities = {}
    for name in ("artist_balance", "genre_balance"):
        for balance in (0.0, 1.0):
            fitted, _ = fit(Data(train=train, validation=train), replace(settings, patience=0, **{name: balance}))
            logits = Head(fitted.head.spec, fitted.head.onnx_bytes).compute_logits(values)
            probabilities[name, balance] = scipy.special.softmax(logits, axis=1)[:, 1].mean()
    assert probabilities["artist_balance", 0.0] == pytest.approx(probabilities["genre_balance", 0.0], abs=1e-5)
    for name in ("artist_balance", "genre_balance"):
        assert probabilities[name, 1.0] > probabilities[name, 0.0] + 0.15


def test_subsets_come_apart_and_together_again():
    subset = replace(make_subset(10, [0, 1, 2], seed=3), group_sizes=np.arange(10))
    is_first = np.arange(10) % 3 == 0
    parts = subset.pick(is_first), subset.pick(~is_first)
    assert parts[0].group_sizes.tolist() == [0, 3, 6, 9]
    again = join_subsets(*parts)
    tracks = [*np.flatnonzero(is_first), *np.flatnonzero(~is_first)]
    np.testing.assert_array_equal(again.genre_indices, subset.genre_indices[tracks])
    np.testing.assert_array_equal(again.group_sizes, tracks)
    for position, track in enumerate(tracks):
        segments = again.values[again.track_indices == position]
        np.testing.assert_array_equal(segments, subset.values[subset.track_indices == track])
    assert join_subsets(subset, replace(subset, group_sizes=None)).group_sizes is None


def test_the_transform_is_learned_behind_and_kept_in_the_head():
    def squash(subset):
        return replace(subset, values=scipy.special.expit(subset.values))

    data = Data(train=squash(DATA.train), validation=squash(DATA.validation))
    fitted, _ = fit(data, replace(SETTINGS, transform="auto", epochs=5))
    spec = fitted.head.spec
    assert spec.transforms == ("logit",)
    clipped = np.clip(DATA.train.values, *scipy.special.logit([1e-4, 1 - 1e-4]))
    np.testing.assert_allclose(spec.mean, clipped.reshape(-1, 3).mean(axis=0), atol=1e-3)
    head = Head(spec, fitted.head.onnx_bytes)
    assert judge(head, data.validation).accuracy == fitted.validation.accuracy
