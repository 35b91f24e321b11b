"""Fitting one head: standardise, train with early stopping, average, export, calibrate."""

import functools
import pathlib
from dataclasses import dataclass, replace
from typing import Protocol

import keras
import numpy as np
import scipy.special

from deepsound.config import Lda, Logistic, TrainSettings
from deepsound.data.layout import Layout
from deepsound.evaluation.calibration import fit_temperature
from deepsound.evaluation.metrics import CollectionMetrics, measure
from deepsound.evaluation.ood.fitting import fit_statistics
from deepsound.evaluation.ood.statistics import OodStatistics, pack_statistics
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.models.architectures import build_model
from deepsound.models.ensemble import average_heads
from deepsound.models.export import export_onnx
from deepsound.models.head import HeadSpec, PackedHead
from deepsound.models.transform import apply_transforms, choose_transform
from deepsound.taxonomy import Taxonomy
from deepsound.training.calibrate import fit_ood_rule
from deepsound.training.dataset import Subset, join_subsets
from deepsound.training.epochs import EpochRecorder, EpochReporter, train_epochs
from deepsound.training.finetune import finetune
from deepsound.training.linear import fit_linear
from deepsound.training.outputs import compute_logits, compute_outputs
from deepsound.training.standardize import compute_standardization, standardize

__all__ = [
    "EpochReporter",
    "FittedHead",
    "TrainedModel",
    "TrainingData",
    "compute_temperature",
    "fit_head",
    "save_keras",
    "train_model",
]
_PROBE_SEGMENTS = 8


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
    """A network after training, in Keras, with the transforms and the standardisation that its inputs want.

    ``history`` has one mapping per epoch (loss, accuracy, val_loss, val_accuracy; of segments) of the first seed;
    ``best_epoch`` (from 0) is the one whose weights were kept. ``held_out`` is the network before a refit, which
    learns from the validation tracks, ``validation_logits`` [shape=(n_segments, n_genres)] what it says of them.
    """

    model: keras.Model
    held_out: keras.Model
    transforms: tuple[str, ...]
    mean: np.ndarray
    std: np.ndarray
    layout: Layout
    history: list[dict[str, float]]
    best_epoch: int
    validation_logits: np.ndarray

    def compute_logits(self, values: np.ndarray) -> np.ndarray:
        """Logits [shape=(n_segments, n_genres)] of raw features [shape=(n_segments, *layout.shape)]."""
        return compute_logits(self.model, self.prepare(values))

    def prepare(self, values: np.ndarray) -> np.ndarray:
        """Raw features as the network takes them."""
        transformed = apply_transforms(values, self.transforms, layout=self.layout)
        return standardize(transformed, self.layout.spread(self.mean), self.layout.spread(self.std))


@dataclass(frozen=True, kw_only=True)
class FittedHead:
    """A trained head; ``model``, ``history`` and ``best_epoch`` as in :class:`TrainedModel`.

    ``validation`` are the metrics of the validation tracks before a refit, ``confidences`` [shape=(n_tracks,)]
    those of their predictions, ``ood`` is set on them too; ``is_refitted`` says whether the head has learned from
    them since.
    """

    head: PackedHead
    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int
    ood: OodRule
    validation: CollectionMetrics
    confidences: np.ndarray
    is_refitted: bool


def fit_head(data: TrainingData, *, settings: TrainSettings, report_epoch: EpochReporter) -> FittedHead:
    """Train on the training split, stop and calibrate on the validation split, export.

    ``report_epoch`` gets the number (from 0) and the figures of each epoch of the first seed.
    """
    trained = train_model(data, settings=settings, report_epoch=report_epoch)
    probe = trained.prepare(data.train.values[:_PROBE_SEGMENTS])
    spec = HeadSpec(
        genres=data.taxonomy.genres,
        layout=trained.layout,
        mean=tuple(trained.mean.tolist()),
        std=tuple(trained.std.tolist()),
        temperature=compute_temperature(trained, data.validation),
        transforms=trained.transforms,
    )
    rule, statistics = _fit_ood(trained, data, settings=settings)
    probabilities = data.validation.mean_by_track(
        scipy.special.softmax(trained.validation_logits / spec.temperature, axis=1)
    )
    return FittedHead(
        head=PackedHead(spec, export_onnx(trained.model, probe=probe), pack_statistics(statistics)),
        model=trained.model,
        history=trained.history,
        best_epoch=trained.best_epoch,
        ood=rule,
        validation=_measure(probabilities, data.validation, data.taxonomy),
        confidences=probabilities.max(axis=1),
        is_refitted=settings.recipe.refit,
    )


def train_model(
    data: TrainingData, *, settings: TrainSettings, report_epoch: EpochReporter | None = None
) -> TrainedModel:
    """The network that ``settings`` ask for, trained; see :func:`fit_head`.

    With ``refit``, training and validation tracks are learned from together in the end, each seed for as many
    epochs as were best for it before. Nothing is stopped by or calibrated on a track that was learned from.
    """
    if settings.pretrained:
        return _train_pretrained(data, settings=settings, report_epoch=report_epoch)
    layout = data.train.layout
    transforms = tuple(
        choose_transform(settings.transform, values=part) for part in layout.split(data.train.values)
    )
    train, validation = (
        replace(subset, values=apply_transforms(subset.values, transforms, layout=layout))
        for subset in (data.train, data.validation)
    )
    mean, std = compute_standardization(*layout.split(train.values))
    scale = layout.spread(mean), layout.spread(std)
    train_member = functools.partial(_train_member, scale=scale, n_genres=len(data.taxonomy))
    asked, recipe = settings.members, settings.recipe
    recorders = [EpochRecorder(report_epoch), *(EpochRecorder() for _ in asked[1:])]
    members = [
        train_member(train, validation, settings=one, recorder=recorder)
        for one, recorder in zip(asked, recorders, strict=True)
    ]
    prepared, temperatures = standardize(validation.values, *scale), None
    if recipe.average_with:
        temperatures = [_fit_temperature(compute_logits(member, prepared), validation) for member in members]
    model = held_out = average_heads(members, temperatures=temperatures)
    best_epochs = [recorder.best_epoch if recipe.patience else len(recorder.history) - 1 for recorder in recorders]
    if recipe.refit:
        everything = join_subsets(train, validation)
        members = [
            train_member(everything, None, settings=one, stop_after=best_epoch + 1)
            for one, best_epoch in zip(asked, best_epochs, strict=True)
        ]
        model = average_heads(members, temperatures=temperatures)
    return TrainedModel(
        model=model,
        held_out=held_out,
        transforms=transforms,
        mean=mean,
        std=std,
        layout=layout,
        history=recorders[0].history,
        best_epoch=best_epochs[0],
        validation_logits=compute_logits(held_out, prepared),
    )


def compute_temperature(trained: TrainedModel, validation: Subset) -> float:
    """The temperature that suits the validation tracks."""
    return _fit_temperature(trained.validation_logits, validation)


def save_keras(model: keras.Model, path: pathlib.Path) -> None:
    """Write the model in Keras' own format, which loads under ``safe_mode``."""
    # Anew, and so not compiled: Adam's state is twice as large as the weights that it has trained.
    keras.Model(model.inputs, model.outputs, name=model.name).save(path)


def _train_member(
    train: Subset,
    validation: Subset | None,
    *,
    scale: tuple[np.ndarray, np.ndarray],
    n_genres: int,
    settings: TrainSettings,
    recorder: EpochRecorder | None = None,
    stop_after: int | None = None,
) -> keras.Model:
    """One head of an average."""
    recipe = settings.recipe
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings.networks, layout=train.layout, n_genres=n_genres)
    recorder = recorder or EpochRecorder()
    data = (
        (standardize(train.values, *scale), train.segment_genres),
        None if validation is None else (standardize(validation.values, *scale), validation.segment_genres),
    )
    weights = train.weigh_segments(artist_balance=recipe.artist_balance, genre_balance=settings.genre_balance)
    network = settings.networks[0]
    if isinstance(network, Lda | Logistic):
        fit_linear(model, network, *data, recorder=recorder, weights=weights)
        return model
    train_epochs(
        model,
        *data,
        weights=weights,
        epochs=settings.epochs,
        stop_after=stop_after,
        patience=recipe.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        schedule=recipe.schedule,
        recorder=recorder,
        seed=settings.seed,
    )
    return model


def _train_pretrained(
    data: TrainingData, *, settings: TrainSettings, report_epoch: EpochReporter | None
) -> TrainedModel:
    """The pretrained network takes its input as it is, so there is nothing to standardise."""
    keras.utils.set_random_seed(settings.seed)
    recorder = EpochRecorder(report_epoch)
    train, validation = ((subset.values, subset.segment_genres) for subset in (data.train, data.validation))
    model = finetune(train, validation, n_genres=len(data.taxonomy), settings=settings, recorder=recorder)
    layout = data.train.layout
    return TrainedModel(
        model=model,
        held_out=model,
        transforms=("none",),
        mean=np.zeros(layout.n_dims),
        std=np.ones(layout.n_dims),
        layout=layout,
        history=recorder.history,
        best_epoch=recorder.best_epoch,
        validation_logits=compute_logits(model, data.validation.values),
    )


def _fit_ood(
    trained: TrainedModel, data: TrainingData, *, settings: TrainSettings
) -> tuple[OodRule, OodStatistics]:
    """The rule that tells out-of-distribution tracks, and the statistics of the network that will be asked.

    After a refit these are another network's than those the rule was set by. There are no tracks left to set
    another one by, and distances are measured in units of each network's own spread.
    """
    train, validation = (
        compute_outputs(trained.held_out, trained.prepare(subset.values), layout=trained.layout)
        for subset in (data.train, data.validation)
    )
    statistics = fit_statistics(train, segment_genres=data.train.segment_genres, seed=settings.seed)
    rule = fit_ood_rule(validation, data.validation, statistics=statistics, settings=settings)
    if settings.recipe.refit:
        refitted = compute_outputs(trained.model, trained.prepare(data.train.values), layout=trained.layout)
        statistics = fit_statistics(refitted, segment_genres=data.train.segment_genres, seed=settings.seed)
    return rule, statistics


def _fit_temperature(logits: np.ndarray, validation: Subset) -> float:
    return fit_temperature(logits, true_indices=validation.genre_indices, track_indices=validation.track_indices)


def _measure(probabilities: np.ndarray, subset: Subset, taxonomy: Taxonomy) -> CollectionMetrics:
    predicted = probabilities.argmax(axis=1)
    return measure(subset.genre_indices, predicted, genres=taxonomy.genres, artists=subset.artist_names)
