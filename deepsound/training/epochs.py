"""Epochs of training with early stopping, and the figures that each of them gives.

A whole epoch is one TensorFlow graph: on heads as small as these, Keras' ``fit`` spends most of its time between
the steps.
"""

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

EpochReporter = Callable[[int, dict[str, float]], None]
# Values (n_segments, n_frames, n_dims) and the class index of each segment.
Labelled = tuple[np.ndarray, np.ndarray]
_Figures = tuple[Any, Any]
# Steps that an epoch of patience stands for at least. A small collection has three or four of them an epoch, and a
# validation loss that rests for thirty steps says nothing.
_PATIENCE_STEPS = 20
# Each training traces functions of its own, which TensorFlow takes for a mistake.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class EpochRecorder:
    """Keeps the figures of each epoch (loss, accuracy, val_loss, val_accuracy) and passes them on as they come.

    Epochs are counted on from one call of :func:`train_epochs` to the next.
    """

    def __init__(self, report_epoch: EpochReporter | None = None) -> None:
        self.history: list[dict[str, float]] = []
        self._report_epoch = report_epoch

    @property
    def best_epoch(self) -> int:
        """The first epoch, from 0, with the lowest validation loss."""
        return int(np.argmin([epoch["val_loss"] for epoch in self.history]))

    def record(self, figures: dict[str, float]) -> None:
        """Take down the next epoch."""
        self.history.append(figures)
        if self._report_epoch is not None:
            self._report_epoch(len(self.history) - 1, figures)


def train_epochs(
    model: keras.Model,
    train: Labelled,
    validation: Labelled | None,
    *,
    epochs: int,
    patience: int,
    batch_size: int,
    learning_rate: float,
    recorder: EpochRecorder,
    weights: np.ndarray | None = None,
    stop_after: int | None = None,
    schedule: str = "constant",
    seed: int = 0,
) -> None:
    """Train with Adam until the validation loss has not fallen for ``patience`` epochs; the best weights stay.

    An epoch of patience has at least 20 steps: where there are fewer in an epoch, more epochs are waited for.
    Without ``validation``, or with a patience of 0, all epochs are trained and the last weights stay. ``weights``
    [shape=(n_segments,)] say how much each training segment counts. No more than ``stop_after`` of the ``epochs``
    that the schedule is made for are trained. By the schedule ``cosine`` the learning rate falls to 0 along half a
    cosine.

    Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)
    learn, validate = _make_learner(model, optimizer), _make_validator(model, batch_size=batch_size)
    weights = np.ones(len(train[0])) if weights is None else weights
    train_data = (*_to_tensors(train), tf.constant(weights, tf.float32))
    validation_data = None if validation is None else _to_tensors(validation)
    plan = _plan_epochs(len(train[0]), epochs=epochs, batch_size=batch_size, schedule=schedule, seed=seed)
    patience = math.ceil(patience * max(1.0, _PATIENCE_STEPS / _count_steps(len(train[0]), batch_size=batch_size)))
    best = _BestWeights(model, patience=patience if validation_data else 0)
    for order, progress in itertools.islice(plan, stop_after):
        loss, accuracy = learn(*train_data, order, learning_rate * progress)
        figures = {"loss": float(loss), "accuracy": float(accuracy)}
        if validation_data:
            val_loss, val_accuracy = validate(*validation_data)
            figures |= {"val_loss": float(val_loss), "val_accuracy": float(val_accuracy)}
        recorder.record(figures)
        if best.is_enough(figures):
            break
    best.restore()


class _BestWeights:
    """Early stopping: remembers the weights of the lowest validation loss; nothing with a patience of 0."""

    def __init__(self, model: keras.Model, *, patience: int) -> None:
        self._model, self._patience = model, patience
        self._loss, self._weights, self._n_worse = np.inf, None, 0

    def is_enough(self, figures: dict[str, float]) -> bool:
        """Take note of an epoch; whether it was the last one."""
        if not self._patience:
            return False
        if figures["val_loss"] < self._loss:
            self._loss, self._weights, self._n_worse = figures["val_loss"], self._model.get_weights(), 0
        else:
            self._n_worse += 1
        return self._n_worse >= self._patience

    def restore(self) -> None:
        """Put the best weights back."""
        if self._weights is not None:
            self._model.set_weights(self._weights)


def _to_tensors(data: Labelled) -> tuple[Any, Any]:
    return tf.constant(data[0], tf.float32), tf.constant(data[1], tf.int64)


def _count_steps(n_segments: int, *, batch_size: int) -> int:
    """Of an epoch."""
    return -(-n_segments // batch_size)


def _plan_epochs(
    n_segments: int, *, epochs: int, batch_size: int, schedule: str, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each epoch's segments [shape=(n_steps, n), int64] and factors of the learning rate [shape=(n_steps,)].

    The last batch is filled up with the first segments of the same epoch.
    """
    rng = np.random.default_rng(seed)
    n_at_a_time = min(batch_size, n_segments)
    n_steps = _count_steps(n_segments, batch_size=batch_size)
    for epoch in range(epochs):
        order = np.resize(rng.permutation(n_segments), (n_steps, n_at_a_time))
        done = (epoch + np.arange(n_steps) / n_steps) / epochs
        progress = (1 + np.cos(np.pi * done)) / 2 if schedule == "cosine" else np.ones(n_steps)
        yield order, progress.astype(np.float32)


def _make_learner(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Any:
    """A graph that takes all steps of an epoch; mean loss and accuracy of its batches."""
    variables = model.trainable_variables

    @tf.function  # type: ignore[untyped-decorator]
    def learn(values: Any, genres: Any, weights: Any, order: Any, rates: Any) -> _Figures:
        loss, n_right = 0.0, 0.0
        for step in tf.range(tf.shape(order)[0]):
            optimizer.learning_rate.assign(rates[step])
            truth = tf.gather(genres, order[step])
            with tf.GradientTape() as tape:
                logits = model(tf.gather(values, order[step]), training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
                step_loss = tf.reduce_mean(tf.gather(weights, order[step]) * losses)
            optimizer.apply(tape.gradient(step_loss, variables), variables)
            loss += step_loss
            n_right += _count_right(logits, truth)
        n_steps, n_segments = tf.cast(tf.shape(order)[0], tf.float32), tf.cast(tf.size(order), tf.float32)
        return loss / n_steps, n_right / n_segments

    return learn


def _make_validator(model: keras.Model, *, batch_size: int) -> Any:
    """A graph that gives mean loss and accuracy of segments, ``batch_size`` of them at a time."""

    @tf.function  # type: ignore[untyped-decorator]
    def validate(values: Any, genres: Any) -> _Figures:
        loss, n_right = 0.0, 0.0
        n_segments = tf.shape(values)[0]
        for start in tf.range(0, n_segments, batch_size):
            batch, truth = values[start : start + batch_size], genres[start : start + batch_size]
            logits = model(batch, training=False)
            loss += tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits))
            n_right += _count_right(logits, truth)
        n = tf.cast(n_segments, tf.float32)
        return loss / n, n_right / n

    return validate


def _count_right(logits: Any, truth: Any) -> Any:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == truth, tf.float32))
