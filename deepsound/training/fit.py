"""Fitting one head: standardise, train with early stopping, export, calibrate."""

import pathlib
from dataclasses import dataclass

import keras
import numpy as np

from deepsound.config import TrainSettings
from deepsound.evaluation.calibration import fit_temperature, mean_by_track
from deepsound.evaluation.metrics import CollectionMetrics, compute_metrics, count_confusion
from deepsound.evaluation.ood import compute_energy, fit_threshold
from deepsound.models.architectures import build_model
from deepsound.models.export import export_onnx
from deepsound.models.head import Head, HeadSpec, PackedHead
from deepsound.taxonomy import Taxonomy
from deepsound.training.dataset import Dataset, Subset
from deepsound.training.epochs import EpochRecorder, EpochReporter, train_epochs
from deepsound.training.finetune import finetune
from deepsound.training.standardize import compute_standardization, standardize

__all__ = ["EpochReporter", "FittedHead", "evaluate_head", "fit_head", "save_keras"]
_PROBE_SEGMENTS = 8


@dataclass(frozen=True, kw_only=True)
class FittedHead:
    """A trained head.

    ``history`` has one mapping per epoch (loss, accuracy, val_loss, val_accuracy; of segments);
    ``best_epoch`` (from 0) is the one whose weights were kept.
    """

    head: PackedHead
    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int
    ood_threshold: float


def fit_head(dataset: Dataset, *, settings: TrainSettings, report_epoch: EpochReporter) -> FittedHead:
    """Train on the training split, stop and calibrate on the validation split; the test split is not touched.

    Parameters
    ----------
    report_epoch : callable
        Called after each epoch with its number (from 0) and its figures.
    """
    keras.utils.set_random_seed(settings.seed)
    recorder = EpochRecorder(report_epoch)
    model, mean, std = _train(dataset, settings, recorder)
    probe = standardize(dataset.train.values[:_PROBE_SEGMENTS], mean, std)
    onnx_bytes = export_onnx(model, probe=probe)
    head, ood_threshold = _calibrate(onnx_bytes, dataset, mean, std, settings)
    return FittedHead(
        head=head,
        model=model,
        history=recorder.history,
        best_epoch=recorder.best_epoch,
        ood_threshold=ood_threshold,
    )


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


def _train(
    dataset: Dataset, settings: TrainSettings, recorder: EpochRecorder
) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """The trained network, and the standardisation of what it takes."""
    n_dims, n_genres = dataset.train.values.shape[2], len(dataset.taxonomy)
    subsets = (dataset.train, dataset.validation)
    if settings.architecture == "vggish_finetune":
        # The pretrained network takes its input as it is.
        raw = [(subset.values, subset.segment_genres) for subset in subsets]
        model = finetune(*raw, n_genres=n_genres, settings=settings, recorder=recorder)
        return model, np.zeros(n_dims), np.ones(n_dims)
    mean, std = compute_standardization(dataset.train.values)
    model = build_model(settings, shape=dataset.train.values.shape[1:], n_genres=n_genres)
    train_epochs(
        model,
        *((standardize(subset.values, mean, std), subset.segment_genres) for subset in subsets),
        epochs=settings.epochs,
        patience=settings.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        recorder=recorder,
    )
    return model, mean, std


def _calibrate(
    onnx_bytes: bytes, dataset: Dataset, mean: np.ndarray, std: np.ndarray, settings: TrainSettings
) -> tuple[PackedHead, float]:
    spec = HeadSpec(
        genres=dataset.taxonomy.genres,
        shape=dataset.train.values.shape[1:],
        mean=tuple(mean.tolist()),
        std=tuple(std.tolist()),
        temperature=1.0,
    )
    validation = dataset.validation
    logits = Head(spec, onnx_bytes).compute_logits(validation.values)
    temperature = fit_temperature(
        logits, true_indices=validation.genre_indices, track_indices=validation.track_indices
    )
    energy = mean_by_track(
        compute_energy(logits),
        track_indices=validation.track_indices,
        n_tracks=len(validation.genre_indices),
    )
    threshold = fit_threshold(energy, false_alarm_rate=settings.ood_false_alarm_rate)
    calibrated = HeadSpec(
        genres=spec.genres, shape=spec.shape, mean=spec.mean, std=spec.std, temperature=temperature
    )
    return PackedHead(calibrated, onnx_bytes), threshold
