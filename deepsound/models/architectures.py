"""Architectures of the heads, one function each: features in, one logit per genre out.

Inputs are standardised features; outputs are logits, without softmax, so that temperature and energy can be
computed from them. The numbers that the last dense layer sees are those of the layer called ``penultimate``.
Every layer exports to ONNX; GELU would not (TensorFlow's Erfc has no counterpart).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras

from deepsound.config import Cnn, Head, Lda, Logistic, Lstm, Mlp, Network, Transformer, check_n_steps
from deepsound.data.layout import Layout
from deepsound.errors import PluginError, first_line

# Keras' 0.99 needs some 500 steps until the running averages are right; a small collection has a dozen an epoch,
# and until then the validation loss that stops the training would be meaningless.
_BATCH_NORM_MOMENTUM = 0.9
# Keeps the gradient of a standard deviation finite where a feature does not change over time.
_VARIANCE_FLOOR = 1e-6
_STATISTICS = {
    "mean": keras.ops.mean,
    "std": lambda x, axis: keras.ops.sqrt(keras.ops.var(x, axis=axis) + _VARIANCE_FLOOR),
    "min": keras.ops.min,
    "max": keras.ops.max,
}


def build_model(networks: Sequence[Network | Head], *, layout: Layout, n_genres: int) -> keras.Model:
    """An untrained head: (batch, *layout.shape) float32 to (batch, n_genres) logits.

    There is one network a feature, all of one architecture. Each feature has a branch of its own, whose ends are
    joined before the last layer; those of an MLP before its hidden layers, which are as the last network says.
    Raises PluginError if a head of another package cannot be built; ConfigError if it cannot work on such a shape.
    """
    inputs = keras.Input(layout.shape, name="features")
    parts = zip(networks, _split_parts(inputs, layout), strict=True)
    x = _join([_build_branch(network, part) for network, part in parts])
    last = networks[-1]
    if isinstance(last, Mlp):
        for n_units in last.units:
            x = _add_dense(x, n_units, dropout=last.dropout)
    x = keras.layers.Identity(name="penultimate")(x)
    return keras.Model(inputs, keras.layers.Dense(n_genres, name="logits")(x), name=type(last).__name__.lower())


def _split_parts(inputs: Any, layout: Layout) -> list[Any]:
    """Each feature, (batch, n_frames, n_dims); see :class:`~deepsound.data.layout.Layout`."""
    if len(layout.shapes) == 1:
        return [inputs]
    n_values = sum(layout.sizes)
    flat = keras.layers.Reshape((n_values, 1))(inputs)
    ends = list(itertools.accumulate(layout.sizes))
    return [
        keras.layers.Reshape(shape)(keras.layers.Cropping1D((end - size, n_values - end))(flat))
        for shape, size, end in zip(layout.shapes, layout.sizes, ends, strict=True)
    ]


def _build_branch(network: Network | Head, x: Any) -> Any:
    """One feature, (batch, n_frames, n_dims), to numbers (batch, n_units)."""
    match network:
        case Cnn():
            return _build_cnn(network, x)
        case Lstm():
            return _build_lstm(network, x)
        case Transformer():
            return _build_transformer(network, x)
        case Mlp():
            # Statistics of each dimension over time, brought to one scale.
            x = keras.layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(
                _compute_statistics(x, network.statistics)
            )
            return keras.layers.Dropout(network.input_dropout)(x)
        case Lda() | Logistic():
            # Of a single frame, mean, min and max are that frame; deepsound.training.linear sets the last layer.
            return _compute_statistics(x, network.statistics)
    return _build_own(network, x)


def _build_own(head: Head, x: Any) -> Any:
    """What a head of another package makes of one feature."""
    try:
        built = head.build(x)
        rank = len(built.shape)
    except Exception as exc:  # the code of another package may raise anything
        raise PluginError(
            f"the head {head!r:.200} cannot be built: {type(exc).__name__}: {first_line(exc)}"
        ) from exc
    if rank != 2:
        raise PluginError(f"the head {head!r:.200} makes {built.shape}; wanted (batch, n_units)")
    return built


def _build_cnn(settings: Cnn, x: Any) -> Any:
    """2-D CNN: convolution, max pooling, batch norm and ReLU per entry of ``filters``, then dense layers.

    The original study's baseline (three convolution and pooling layers on 13 MFCCs), with batch norm and
    with averaging over time instead of flattening, so that the number of weights does not grow with the
    segment's length.
    """
    layers = keras.layers
    shape = x.shape[1:]
    x = layers.Dropout(settings.input_dropout)(x)
    x = layers.Reshape((*shape, 1))(x)
    for n_filters in settings.filters:
        x = _convolve(x, n_filters, settings.kernel_shape)
        # Pooled first: on all frames and dims, batch norm and its gradient take longer than the convolution.
        x = layers.MaxPooling2D(settings.pool_shape, padding="same")(x)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        x = layers.ReLU()(x)
    # Average over time only: which coefficient a pattern stands in matters, when it sounds does not.
    x = layers.AveragePooling2D((x.shape[1], 1))(x)
    x = layers.Dropout(settings.dropout)(layers.Flatten()(x))
    return _add_dense(x, settings.dense_units, dropout=settings.dropout) if settings.dense_units else x


def _build_lstm(settings: Lstm, x: Any) -> Any:
    """Recurrent layers, in both directions if asked for, whose outputs are averaged over time.

    Source: S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997.
    """
    check_n_steps(settings, n_frames=x.shape[1], name="lstm")
    layers = keras.layers
    x = layers.Dropout(settings.input_dropout)(x)
    x = _average_frames(x, settings.frames_per_step)
    for n_units in settings.units:
        recurrent = layers.LSTM(n_units, return_sequences=True)
        x = layers.Bidirectional(recurrent)(x) if settings.bidirectional else recurrent(x)
    x = layers.Dropout(settings.dropout)(layers.GlobalAveragePooling1D()(x))
    return _add_dense(x, settings.dense_units, dropout=settings.dropout) if settings.dense_units else x


def _build_transformer(settings: Transformer, x: Any) -> Any:
    """Pre-norm transformer encoder, averaged over time.

    Sources: A. Vaswani et al., "Attention is all you need", NeurIPS 2017; R. Xiong et al., "On layer
    normalization in the transformer architecture", ICML 2020. Instead of positions, a convolution over three
    steps makes the vectors: it tells what follows on what, and no segment starts at a place that means anything.
    """
    check_n_steps(settings, n_frames=x.shape[1], name="transformer")
    layers = keras.layers
    x = layers.Dropout(settings.input_dropout)(x)
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
    return layers.Dropout(settings.dropout)(x)


def _add_dense(x: Any, n_units: int, *, dropout: float) -> Any:
    return keras.layers.Dropout(dropout)(keras.layers.Dense(n_units, activation="relu")(x))


def _join(parts: Sequence[Any]) -> Any:
    return keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def _average_frames(x: Any, frames_per_step: int) -> Any:
    """Fewer steps in time; the last one is the mean of the frames that are left."""
    if frames_per_step == 1:
        return x
    return keras.layers.AveragePooling1D(frames_per_step, padding="same")(x)


def _compute_statistics(x: Any, names: tuple[str, ...]) -> Any:
    return _join([_STATISTICS[name](x, axis=1) for name in names])


def _convolve(x: Any, n_filters: int, kernel_shape: tuple[int, int]) -> Any:
    """A convolution that keeps the number of frames; one over all dims leaves a single one."""
    layers = keras.layers
    n_frames, n_dims = kernel_shape
    if n_dims:
        return layers.Conv2D(n_filters, kernel_shape, padding="same", use_bias=False)(x)
    before = (n_frames - 1) // 2
    x = layers.ZeroPadding2D(((before, n_frames - 1 - before), (0, 0)))(x)
    return layers.Conv2D(n_filters, (n_frames, x.shape[2]), use_bias=False)(x)
