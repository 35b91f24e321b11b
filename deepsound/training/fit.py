"""Fitting one head: standardise, train with early stopping, export, calibrate."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np

from deepsound.config import TrainSettings
from deepsound.evaluation.calibration import mean_by_track
from deepsound.evaluation.metrics import CollectionMetrics, compute_metrics, count_confusion
from deepsound.evaluation.ood import OodRule
from deepsound.models.architectures import build_model
from deepsound.models.export import export_onnx
from deepsound.models.head import Head, HeadSpec, PackedHead
from deepsound.taxonomy import Taxonomy
from deepsound.training.calibrate import calibrate_head
from deepsound.training.dataset import Subset
from deepsound.training.standardize import compute_standardization, standardize

EpochReporter = Callable[[int, dict[str, float]], None]
_PROBE_SEGMENTS = 8
_BATCH_SEGMENTS = 256


class TrainingData(Protocol):
    """What fitting looks at: a dataset without its test split, or all folds but one."""

    @property
    def taxonomy(self) -> Taxonomy:
        """The genres, in the order of the logits."""

    @property
    def train(self) -> Subset:
        """What the weights and the standardisation are learned from."""

    @property
    def validation(self) -> Subset:
        """What training stops by, and the temperature is set on."""


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A network after training, in Keras, with the standardisation that its inputs want.

    ``history`` has one mapping per epoch (loss, accuracy, val_loss, val_accuracy; of segments);
    ``best_epoch`` (from 0) is the one whose weights were kept.
    """

    model: keras.Model
    mean: np.ndarray
    std: np.ndarray
    history: list[dict[str, float]]
    best_epoch: int

    def compute_logits(self, values: np.ndarray) -> np.ndarray:
        """Logits [shape=(n_segments, n_genres)] of raw features [shape=(n_segments, n_frames, n_dims)]."""
        starts = range(0, len(values), _BATCH_SEGMENTS)
        batches = (standardize(values[i : i + _BATCH_SEGMENTS], self.mean, self.std) for i in starts)
        # Called as it is: predict() would build, and for every fold build again, a graph of its own.
        return np.concatenate([np.asarray(self.model(batch, training=False)) for batch in batches])


@dataclass(frozen=True, kw_only=True)
class FittedHead:
    """A trained head.

    ``model``, ``history`` and ``best_epoch`` as in :class:`TrainedModel`, ``ood`` and ``confidences`` as in
    :class:`~deepsound.training.calibrate.CalibratedHead`.
    """

    head: PackedHead
    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int
    ood: OodRule
    confidences: np.ndarray


def fit_head(data: TrainingData, *, settings: TrainSettings, report_epoch: EpochReporter) -> FittedHead:
    """Train on the training split, stop and calibrate on the validation split, export.

    Parameters
    ----------
    report_epoch : callable
        Called after each epoch with its number (from 0) and its figures.
    """
    trained = train_model(data, settings=settings, report_epoch=report_epoch)
    probe = standardize(data.train.values[:_PROBE_SEGMENTS], trained.mean, trained.std)
    calibrated = calibrate_head(
        _spec_of(trained, data),
        export_onnx(trained.model, probe=probe),
        train=data.train,
        validation=data.validation,
        settings=settings,
    )
    return FittedHead(
        head=calibrated.head,
        model=trained.model,
        history=trained.history,
        best_epoch=trained.best_epoch,
        ood=calibrated.ood,
        confidences=calibrated.confidences,
    )


def train_model(data: TrainingData, *, settings: TrainSettings, report_epoch: EpochReporter) -> TrainedModel:
    """The network that ``settings`` ask for, trained; see :func:`fit_head`."""
    mean, std = compute_standardization(data.train.values)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, shape=data.train.values.shape[1:], n_genres=len(data.taxonomy))
    model.compile(
        optimizer=keras.optimizers.Adam(settings.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    recorder = _EpochRecorder(report_epoch)
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=settings.patience, restore_best_weights=True
    )
    train, validation = (
        (standardize(s.values, mean, std), s.segment_genres) for s in (data.train, data.validation)
    )
    model.fit(
        *train,
        validation_data=validation,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        callbacks=[recorder, stopping],
        verbose=0,
    )
    best_epoch = int(np.argmin([epoch["val_loss"] for epoch in recorder.history]))
    return TrainedModel(model=model, mean=mean, std=std, history=recorder.history, best_epoch=best_epoch)


def evaluate_head(head: Head, subset: Subset, *, taxonomy: Taxonomy) -> CollectionMetrics:
    """Metrics of tracks: the mean of their segments' probabilities decides."""
    probabilities = mean_by_track(
        head.score(subset.values).probabilities,
        track_indices=subset.track_indices,
        n_tracks=len(subset.genre_indices),
    )
    predicted = probabilities.argmax(axis=1)
    confusion = count_confusion(list(subset.genre_indices), list(predicted), n_genres=len(taxonomy))
    return compute_metrics(confusion, genres=taxonomy.genres)


def save_keras(model: keras.Model, path: pathlib.Path) -> None:
    """Write the model in Keras' own format, which loads under ``safe_mode``."""
    model.save(path)


def _spec_of(trained: TrainedModel, data: TrainingData) -> HeadSpec:
    return HeadSpec(
        genres=data.taxonomy.genres,
        shape=data.train.values.shape[1:],
        mean=tuple(trained.mean.tolist()),
        std=tuple(trained.std.tolist()),
        temperature=1.0,
    )


class _EpochRecorder(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the figures of each epoch and passes them on as they come."""

    def __init__(self, report_epoch: EpochReporter) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._report_epoch = report_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(figures)
        self._report_epoch(epoch, figures)
