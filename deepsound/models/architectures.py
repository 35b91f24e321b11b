"""Architectures of the heads, one function each: (n_frames, n_dims) in, one logit per genre out.

Inputs are standardised features; outputs are logits, without softmax, so that temperature and energy can be
computed from them. Every layer exports to ONNX.
"""

from typing import Any

import keras

from deepsound.config import Cnn, TrainSettings
from deepsound.errors import ParameterError

# Keras' 0.99 needs some 500 steps until the running averages are right; a small collection has a dozen an epoch,
# and until then the validation loss that stops the training would be meaningless.
_BATCH_NORM_MOMENTUM = 0.9


def build_model(settings: TrainSettings, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """The untrained head that ``settings.architecture`` names.

    Parameters
    ----------
    shape : (n_frames, n_dims)

    Raises
    ------
    ParameterError
        If nobody builds that architecture.
    """
    if settings.architecture == "cnn":
        return build_cnn(settings.resolved_cnn, shape=shape, n_genres=n_genres)
    raise ParameterError(f"no architecture is called {settings.architecture!r}")


def build_cnn(settings: Cnn, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """2-D CNN: convolution, batch norm, ReLU and max pooling per entry of ``filters``, then dense layers.

    The original study's baseline (three convolution and pooling layers on 13 MFCCs), with batch norm and
    with averaging over time instead of flattening, so that the number of weights does not grow with the
    segment's length.

    Parameters
    ----------
    shape : (n_frames, n_dims)

    Returns
    -------
    keras.Model
        (batch, n_frames, n_dims) float32 to (batch, n_genres) logits.
    """
    layers = keras.layers
    inputs = keras.Input(shape, name="features")
    x = layers.Dropout(settings.input_dropout)(inputs)
    x = layers.Reshape((*shape, 1))(x)
    for n_filters in settings.filters:
        x = _convolve(x, n_filters, settings.kernel_shape)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(settings.pool_shape, padding="same")(x)
    # Average over time only: which coefficient a pattern stands in matters, when it sounds does not.
    x = layers.AveragePooling2D((x.shape[1], 1))(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(settings.dropout)(x)
    if settings.dense_units:
        x = layers.Dense(settings.dense_units, activation="relu")(x)
        x = layers.Dropout(settings.dropout)(x)
    return keras.Model(inputs, layers.Dense(n_genres, name="logits")(x), name="cnn")


def _convolve(x: Any, n_filters: int, kernel_shape: tuple[int, int]) -> Any:
    """A convolution that keeps the number of frames; one over all dims leaves a single one."""
    layers = keras.layers
    n_frames, n_dims = kernel_shape
    if n_dims:
        return layers.Conv2D(n_filters, kernel_shape, padding="same", use_bias=False)(x)
    before = (n_frames - 1) // 2
    x = layers.ZeroPadding2D(((before, n_frames - 1 - before), (0, 0)))(x)
    return layers.Conv2D(n_filters, (n_frames, x.shape[2]), use_bias=False)(x)
