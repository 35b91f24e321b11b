"""Training on a pretrained VGGish: a head on the frozen network, then the upper blocks along with it.

The order follows J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018
(gradual unfreezing): an untrained head would send noise into the pretrained weights.
"""

import pathlib
from collections.abc import Callable

import keras
import numpy as np

from deepsound.config import TrainSettings
from deepsound.errors import NetworkMismatchError, NetworkUnavailableError
from deepsound.models.vggish import build_pooled_head, build_vggish, count_patches, join, unfreeze
from deepsound.networks.engine import NetworkFile
from deepsound.networks.prepare import prepare_networks
from deepsound.networks.vggish import read_vggish_onnx
from deepsound.networks.vggish_input import N_MELS, PATCH_FRAMES
from deepsound.training.epochs import EpochRecorder, Labelled, train_epochs
from deepsound.training.standardize import compute_standardization

# Patches that the frozen network takes at a time: 0.3 GB of activations.
_PATCHES_AT_A_TIME = 32


def prepare_pretrained(network: str, *, shape: tuple[int, int], report: Callable[[str], None]) -> NetworkFile:
    """The VGGish of ``finetune.network`` that training starts from, located, checked and cached.

    Raises ParameterError if the feature's ``shape`` (n_frames, n_dims) is not of log-mel patches;
    NetworkUnavailableError if the weights cannot be had; NetworkMismatchError if they are another network's, or of
    a VGGish that computes something else.
    """
    count_patches(shape)
    try:
        (prepared,) = prepare_networks(("vggish",), network=network, report=report)
    except (NetworkUnavailableError, NetworkMismatchError) as exc:
        # What it says is about extraction, where the setting has another name.
        raise type(exc)(str(exc).replace("--set network=", "--set finetune.network=")) from exc
    if prepared.engine != "onnx":
        raise NetworkMismatchError(
            f"'finetune.network': {network} computes something else than VGGish with its weights, so it cannot be "
            "trained on; the feature vggish still works with it"
        )
    return prepared


def finetune(
    train: Labelled, validation: Labelled, *, n_genres: int, settings: TrainSettings, recorder: EpochRecorder
) -> keras.Model:
    """A head, then the upper blocks of a VGGish with it: (batch, 96 * n_patches, 64) raw log-mel to logits.

    Where the second stage finds no lower validation loss than the first, its weights are not kept. Raises what
    :func:`prepare_pretrained` does.
    """
    shape = train[0].shape[1:]
    network = prepare_pretrained(settings.finetune.network, shape=shape, report=lambda _: None)
    vggish = build_vggish(read_vggish_onnx(pathlib.Path(network.path)))
    embedded = [(_embed(vggish, values), genres) for values, genres in (train, validation)]
    mean, std = compute_standardization(embedded[0][0])
    head = build_pooled_head(
        mean, std, n_patches=count_patches(shape), n_genres=n_genres, dropout=settings.finetune.dropout
    )
    # The frozen network gives the same in every epoch, so it runs once.
    train_epochs(
        head,
        *embedded,
        epochs=settings.epochs,
        patience=settings.recipe.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        recorder=recorder,
    )
    model = join(vggish, head)
    if settings.finetune.unfreeze:
        _train_upper_blocks(model, train, validation, settings=settings, recorder=recorder)
    return model


def _embed(vggish: keras.Model, values: np.ndarray) -> np.ndarray:
    """Log-mel (n_segments, 96 * n_patches, 64) to embeddings (n_segments, n_patches, 128)."""
    patches = values.reshape(-1, PATCH_FRAMES, N_MELS)
    embedding: np.ndarray = vggish.predict(patches, batch_size=_PATCHES_AT_A_TIME, verbose=0)
    return embedding.reshape(len(values), -1, embedding.shape[1])


def _train_upper_blocks(
    model: keras.Model, train: Labelled, validation: Labelled, *, settings: TrainSettings, recorder: EpochRecorder
) -> None:
    n_before = len(recorder.history)
    unfreeze(model.get_layer("vggish"), settings.finetune.unfreeze)
    before = [np.array(weight) for weight in model.trainable_variables]
    train_epochs(
        model,
        train,
        validation,
        epochs=settings.finetune.epochs,
        patience=settings.recipe.patience,
        batch_size=settings.finetune.batch_size,
        learning_rate=settings.finetune.learning_rate,
        recorder=recorder,
    )
    if recorder.best_epoch < n_before:
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)
