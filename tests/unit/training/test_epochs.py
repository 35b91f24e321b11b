"""The loop that trains, against Keras' own and against what it promises."""

import keras
import numpy as np
import pytest

from deepsound.training.epochs import EpochRecorder, _plan_epochs, train_epochs

N_GENRES = 3


def make_data(n_segments=60, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(99).normal(size=(N_GENRES, 4, 5))
    genres = np.arange(n_segments) % N_GENRES
    return (centres[genres] + noise * rng.normal(size=(n_segments, 4, 5))).astype(np.float32), genres


def make_model(seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((4, 5)), keras.layers.Flatten(), keras.layers.Dense(6, activation="relu")]
    return keras.Sequential([*layers, keras.layers.Dense(N_GENRES)])


def train(model, data, validation=None, **asked):
    recorder = EpochRecorder(lambda *_: None)
    defaults = {"epochs": 5, "patience": 0, "batch_size": 16, "learning_rate": 0.01}
    train_epochs(model, data, validation, recorder=recorder, **{**defaults, **asked})
    return recorder


def loss_of(model, data):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return float(loss(data[1], model(data[0], training=False)))


def test_the_same_steps_as_keras():
    """Batches of everything, so that the order does not matter."""
    data, validation = make_data(), make_data(seed=1)
    ours, theirs = make_model(), make_model()
    recorder = train(ours, data, validation, batch_size=60)
    theirs.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = theirs.fit(*data, validation_data=validation, batch_size=60, epochs=5, verbose=0).history
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert recorder.history[0].keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose([epoch[name] for epoch in recorder.history], values, atol=1e-4)


@pytest.mark.parametrize(
    ("batch_size", "n_waited"),
    [(16, 50), (1, 5)],  # 2 steps an epoch, of which 20 are one of patience, and 30
)
def test_the_weights_of_the_lowest_validation_loss_stay(batch_size, n_waited):
    validation = make_data(seed=1, noise=4.0)
    model = make_model()
    asked = {"epochs": 200, "patience": 5, "learning_rate": 0.05, "batch_size": batch_size}
    recorder = train(model, make_data(30), validation, **asked)
    losses = [epoch["val_loss"] for epoch in recorder.history]
    assert len(losses) == recorder.best_epoch + 1 + n_waited < 200
    assert min(losses) == losses[recorder.best_epoch] < losses[-1]
    assert loss_of(model, validation) == pytest.approx(min(losses), abs=1e-5)


def test_without_patience_or_validation_all_epochs_are_trained():
    validation = make_data(seed=1, noise=4.0)
    for given, n_figures in ((validation, 4), (None, 2)):
        model = make_model()
        recorder = train(model, make_data(30), given, epochs=40, learning_rate=0.05, patience=0 if given else 3)
        assert len(recorder.history) == 40
        assert len(recorder.history[-1]) == n_figures
    assert loss_of(model, make_data(30)) < 0.1


def test_a_part_of_the_epochs_under_the_schedule_of_all_of_them():
    whole, part = make_model(), make_model()
    rates = []
    for model, n_epochs in ((whole, None), (part, 2)):
        recorder = train(model, make_data(), schedule="cosine", epochs=6, stop_after=n_epochs)
        rates.append([epoch["loss"] for epoch in recorder.history])
    assert len(rates[1]) == 2
    np.testing.assert_allclose(rates[0][:2], rates[1], atol=1e-6)


def test_plan():
    plan = list(_plan_epochs(10, epochs=4, batch_size=4, schedule="cosine", seed=0))
    assert len(plan) == 4
    for order, _ in plan:
        assert order.shape == (3, 4)
        assert set(order.ravel()) == set(range(10))
    assert plan[0][0].tolist() != plan[1][0].tolist()
    progress = np.concatenate([progress for _, progress in plan])
    np.testing.assert_allclose(progress, (1 + np.cos(np.pi * np.arange(12) / 12)) / 2, atol=1e-6)
    assert {
        *np.concatenate([p for _, p in _plan_epochs(3, epochs=2, batch_size=9, schedule="constant", seed=0)])
    } == {1}


def test_a_cosine_ends_where_nothing_moves_any_more():
    steps = {}
    for schedule in ("constant", "cosine"):
        weights = []
        for n_epochs in (19, 20):
            model = make_model()
            how = {"schedule": schedule, "epochs": 20, "stop_after": n_epochs, "learning_rate": 0.05}
            train(model, make_data(noise=8.0), **how)
            weights.append(np.concatenate([weight.ravel() for weight in model.get_weights()]))
        steps[schedule] = np.abs(weights[1] - weights[0]).max()
    assert steps["cosine"] < 0.1 * steps["constant"]


def test_a_segment_of_weight_0_teaches_nothing():
    values, genres = make_data(60, noise=0.3)
    wrong = np.arange(60) % 5 == 0
    lied = np.where(wrong, (genres + 1) % N_GENRES, genres)
    model = make_model()
    train(model, (values, lied), epochs=60, weights=np.where(wrong, 0.0, 1.25), learning_rate=0.05)
    predicted = np.asarray(model(values)).argmax(axis=1)
    assert (predicted == genres).all()


def test_a_seed_gives_the_same_network_again_and_another_seed_another():
    def weights(seed):
        model = make_model()
        train(model, make_data(), seed=seed)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    np.testing.assert_array_equal(weights(1), weights(1))
    assert np.abs(weights(1) - weights(2)).max() > 1e-4


def test_dropout_is_for_learning_only_and_figures_are_of_all_batches():
    data, validation = make_data(), make_data(50, seed=1, noise=4.0)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 5)), keras.layers.Flatten(), keras.layers.Dropout(0.8), keras.layers.Dense(N_GENRES)]
    model = keras.Sequential(layers)
    (figures,) = train(model, data, validation, epochs=1, learning_rate=0.0).history
    is_right = np.asarray(model(validation[0], training=False)).argmax(axis=1) == validation[1]
    assert figures["val_loss"] == pytest.approx(loss_of(model, validation), rel=1e-5)
    assert figures["val_accuracy"] == pytest.approx(is_right.mean())
    assert figures["loss"] > 1.5 * loss_of(model, data)


def test_frozen_layers_stay():
    model = make_model()
    model.layers[1].trainable = False
    before = model.get_weights()
    train(model, make_data())
    after = model.get_weights()
    assert [bool((a == b).all()) for a, b in zip(before, after, strict=True)] == [True, True, False, False]
