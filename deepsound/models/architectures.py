"""Architectures of the heads, one function each: (n_frames, n_dims) in, one logit per genre out.

Inputs are standardised features; outputs are logits, without softmax, so that temperature and energy can be
computed from them. The numbers that the last dense layer sees are those of the layer called ``penultimate``.
Every layer exports to ONNX; GELU would not (TensorFlow's Erfc has no counterpart).
"""

from typing import Any

import keras

from deepsound.config import Cnn, Lda, Logistic, Lstm, Mlp, TrainSettings, Transformer, check_n_steps
from deepsound.errors import ParameterError

# Keras' 0.99 needs some 500 steps until the running averages are right; a small collection has a dozen an epoch,
# and until then the validation loss that stops the training would be meaningless.
_BATCH_NORM_MOMENTUM = 0.9
# Keeps the gradient of a standard deviation finite where a feature does not change over time.
_VARIANCE_FLOOR = 1e-6


def build_model(settings: TrainSettings, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """The untrained head that ``settings.architecture`` names.

    Parameters
    ----------
    shape : (n_frames, n_dims)

    Raises
    ------
    ParameterError
        If nobody builds that architecture.
    ConfigError
        If it cannot do anything with that shape.
    """
    match settings.network:
        case Cnn() as cnn:
            return build_cnn(cnn, shape=shape, n_genres=n_genres)
        case Lstm() as lstm:
            return build_lstm(lstm, shape=shape, n_genres=n_genres)
        case Transformer() as transformer:
            return build_transformer(transformer, shape=shape, n_genres=n_genres)
        case Mlp() as mlp:
            return build_mlp(mlp, shape=shape, n_genres=n_genres)
        case Lda() | Logistic() as linear:
            return build_linear(linear, shape=shape, n_genres=n_genres)
    raise ParameterError(f"nobody builds {settings.network!r}")


def build_cnn(settings: Cnn, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """2-D CNN: convolution, max pooling, batch norm and ReLU per entry of ``filters``, then dense layers.

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
        # Pooled first: on all frames and dims, batch norm and its gradient take longer than the convolution.
        x = layers.MaxPooling2D(settings.pool_shape, padding="same")(x)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.ReLU()(x)
    # Average over time only: which coefficient a pattern stands in matters, when it sounds does not.
    x = layers.AveragePooling2D((x.shape[1], 1))(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(settings.dropout)(x)
    if settings.dense_units:
        x = layers.Dense(settings.dense_units, activation="relu")(x)
        x = layers.Dropout(settings.dropout)(x)
    return _classify(inputs, x, n_genres=n_genres, name="cnn")


def build_lstm(settings: Lstm, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """Recurrent layers, in both directions if asked for, whose outputs are averaged over time.

    Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.

    Parameters and return value as :func:`build_cnn`.

    Raises
    ------
    ConfigError
        If the feature makes a single step in time.
    """
    check_n_steps(settings, n_frames=shape[0], name="lstm")
    layers = keras.layers
    inputs = keras.Input(shape, name="features")
    x = layers.Dropout(settings.input_dropout)(inputs)
    x = _average_frames(x, settings.frames_per_step)
    for n_units in settings.units:
        recurrent = layers.LSTM(n_units, return_sequences=True)
        x = layers.Bidirectional(recurrent)(x) if settings.bidirectional else recurrent(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(settings.dropout)(x)
    if settings.dense_units:
        x = layers.Dense(settings.dense_units, activation="relu")(x)
        x = layers.Dropout(settings.dropout)(x)
    return _classify(inputs, x, n_genres=n_genres, name="lstm")


def build_transformer(settings: Transformer, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """Pre-norm transformer encoder, averaged over time.

    Sources: A. Vaswani et al., "Attention is all you need", NeurIPS 2017; R. Xiong et al., "On layer
    normalization in the transformer architecture", ICML 2020. Instead of positions, a convolution over three
    steps makes the vectors: it tells what follows on what, and no segment starts at a place that means anything.

    Parameters and return value as :func:`build_cnn`.

    Raises
    ------
    ConfigError
        If the feature makes a single step in time.
    """
    check_n_steps(settings, n_frames=shape[0], name="transformer")
    layers = keras.layers
    inputs = keras.Input(shape, name="features")
    x = layers.Dropout(settings.input_dropout)(inputs)
    x = _average_frames(x, settings.frames_per_step)
    x = layers.Conv1D(settings.width, 3, padding="same")(x)
    for _ in range(settings.n_blocks):
        y = layers.LayerNormalization()(x)
        y = layers.MultiHeadAttention(settings.n_heads, settings.width // settings.n_heads)(y, y)
        x = layers.Add()([x, layers.Dropout(settings.dropout)(y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(settings.feedforward_units, activation="relu")(y)
        x = layers.Add()([x, layers.Dropout(settings.dropout)(layers.Dense(settings.width)(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return _classify(inputs, layers.Dropout(settings.dropout)(x), n_genres=n_genres, name="transformer")


def build_mlp(settings: Mlp, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """Statistics of each dimension over time, brought to one scale, then dense layers.

    Parameters and return value as :func:`build_cnn`. Of a single frame, mean, min and max are that frame.
    """
    layers = keras.layers
    inputs = keras.Input(shape, name="features")
    x = _compute_statistics(inputs, settings.statistics)
    x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
    x = layers.Dropout(settings.input_dropout)(x)
    for n_units in settings.units:
        x = layers.Dense(n_units, activation="relu")(x)
        x = layers.Dropout(settings.dropout)(x)
    return _classify(inputs, x, n_genres=n_genres, name="mlp")


def build_linear(settings: Lda | Logistic, *, shape: tuple[int, int], n_genres: int) -> keras.Model:
    """Statistics of each dimension over time and a linear layer, which :mod:`deepsound.training.linear` sets.

    Parameters and return value as :func:`build_cnn`.
    """
    inputs = keras.Input(shape, name="features")
    statistics = _compute_statistics(inputs, settings.statistics)
    return _classify(inputs, statistics, n_genres=n_genres, name=type(settings).__name__.lower())


def _classify(inputs: Any, x: Any, *, n_genres: int, name: str) -> keras.Model:
    x = keras.layers.Identity(name="penultimate")(x)
    return keras.Model(inputs, keras.layers.Dense(n_genres, name="logits")(x), name=name)


def _average_frames(x: Any, frames_per_step: int) -> Any:
    """Fewer steps in time; the last one is the mean of the frames that are left."""
    if frames_per_step == 1:
        return x
    return keras.layers.AveragePooling1D(frames_per_step, padding="same")(x)


def _compute_statistics(x: Any, names: tuple[str, ...]) -> Any:
    statistics = [_compute_statistic(x, name) for name in names]
    return keras.layers.Concatenate()(statistics) if len(statistics) > 1 else statistics[0]


def _compute_statistic(x: Any, name: str) -> Any:
    match name:
        case "mean":
            return keras.ops.mean(x, axis=1)
        case "std":
            return keras.ops.sqrt(keras.ops.var(x, axis=1) + _VARIANCE_FLOOR)
        case "min":
            return keras.ops.min(x, axis=1)
        case "max":
            return keras.ops.max(x, axis=1)
    raise ParameterError(f"no statistic is called {name!r}")


def _convolve(x: Any, n_filters: int, kernel_shape: tuple[int, int]) -> Any:
    """A convolution that keeps the number of frames; one over all dims leaves a single one."""
    layers = keras.layers
    n_frames, n_dims = kernel_shape
    if n_dims:
        return layers.Conv2D(n_filters, kernel_shape, padding="same", use_bias=False)(x)
    before = (n_frames - 1) // 2
    x = layers.ZeroPadding2D(((before, n_frames - 1 - before), (0, 0)))(x)
    return layers.Conv2D(n_filters, (n_frames, x.shape[2]), use_bias=False)(x)
