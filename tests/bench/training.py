"""Training a CNN on MFCCs: the network as it is against one that normalises before it pools."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.bench.measure import BenchLine, measure_alternately

_SHAPE = (431, 13)  # of a segment of 10 s
_N_GENRES = 10
_N_SEGMENTS, _BATCH_SIZE = 64, 32
_TARGET = 2.0


def run() -> Iterator[BenchLine]:
    """CPU seconds of the steps of an epoch, both compiled."""
    from deepsound.config.networks import CNN_FOR_MFCC
    from deepsound.data.layout import Layout
    from deepsound.models.architectures import build_model

    ours = build_model([CNN_FOR_MFCC], layout=Layout((_SHAPE,)), n_genres=_N_GENRES)
    steps = [_make_epoch(model) for model in (ours, _build_plain_cnn((32, 64, 96)))]
    seconds = measure_alternately(*steps, n_rounds=3, n_in_a_row=2, clock=time.process_time)
    ms = [1000 * s / _N_SEGMENTS for s in seconds]
    ratio = ms[1] / ms[0]
    yield BenchLine(
        name="training cnn on MFCC, a segment of 10 s in an epoch, CPU time",
        figure=f"ours {ms[0]:.1f} ms, normalising first {ms[1]:.1f} ms: {ratio:.1f} x",
        target=f">= {_TARGET:.1f} x",
        is_met=ratio >= _TARGET,
    )


def _make_epoch(model: Any) -> Callable[[], object]:
    import keras

    from deepsound.training.epochs import _make_learner

    rng = np.random.default_rng(0)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    learn = _make_learner(model, optimizer)
    values = rng.normal(size=(_N_SEGMENTS, *_SHAPE)).astype(np.float32)
    genres, weights = rng.integers(0, _N_GENRES, _N_SEGMENTS), np.ones(_N_SEGMENTS, np.float32)
    order = rng.permutation(_N_SEGMENTS).reshape(-1, _BATCH_SIZE)
    rates = np.full(len(order), 1e-3, np.float32)
    learn(values, genres, weights, order, rates)  # compiles it
    return lambda: learn(values, genres, weights, order, rates)


def _build_plain_cnn(filters: tuple[int, ...]) -> Any:
    """Convolution, batch norm, ReLU and pooling, in the usual order."""
    import keras

    layers = keras.layers
    inputs = keras.Input(_SHAPE)
    x = layers.Reshape((*_SHAPE, 1))(inputs)
    for n_filters in filters:
        x = layers.Conv2D(n_filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D((3, 2), padding="same")(x)
    x = layers.Flatten()(layers.AveragePooling2D((x.shape[1], 1))(x))
    x = layers.Dropout(0.4)(layers.Dense(64, activation="relu")(layers.Dropout(0.4)(x)))
    return keras.Model(inputs, layers.Dense(_N_GENRES)(x))
