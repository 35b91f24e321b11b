"""VGGish as a Keras network that can be trained on, and a genre head on top of it.

Source: as :mod:`deepsound.networks.vggish`. The network has no batch norm, so there is none to freeze.
"""

from collections.abc import Sequence

import keras
import numpy as np

from deepsound.config import VGGISH_BLOCKS
from deepsound.errors import ParameterError
from deepsound.networks.graph import GraphWriter
from deepsound.networks.vggish import N_DIMS, VggishWeights, write_vggish
from deepsound.networks.vggish_input import N_MELS, PATCH_FRAMES

FINETUNED = "vggish_finetune"
# Layers of the network in their order, named by block; a max pooling follows the last of a convolution block.
_LAYERS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "fc_1", "fc_2", "fc_3")
_POOLED = ("conv1", "conv2", "conv3_2", "conv4_2")


def build_vggish(weights: VggishWeights) -> keras.Model:
    """Patches (n_patches, 96, 64) float32 to embeddings (n_patches, 128) before their ReLU.

    Each block's layers are named after it (``conv4_1``, ``fc_2``).
    """
    layers = keras.layers
    inputs = keras.Input((PATCH_FRAMES, N_MELS), name="log_mel")
    x = layers.Reshape((PATCH_FRAMES, N_MELS, 1))(inputs)
    for name, kernel in zip(_LAYERS, weights.kernels, strict=True):
        if name == "fc_1":
            x = layers.Flatten()(x)
        activation = None if name == "fc_3" else "relu"
        if kernel.ndim == 4:
            x = layers.Conv2D(kernel.shape[-1], 3, padding="same", activation=activation, name=name)(x)
        else:
            x = layers.Dense(kernel.shape[-1], activation=activation, name=name)(x)
        if name in _POOLED:
            x = layers.MaxPooling2D(2)(x)
    model = keras.Model(inputs, x, name="vggish")
    for name, kernel, bias in zip(_LAYERS, weights.kernels, weights.biases, strict=True):
        model.get_layer(name).set_weights([kernel, bias])
    return model


def build_pooled_head(
    mean: np.ndarray, std: np.ndarray, *, n_patches: int, n_genres: int, dropout: float
) -> keras.Model:
    """Embeddings (batch, n_patches, 128), standardised and averaged over the patches, to (batch, n_genres).

    ``mean`` and ``std`` [shape=(128,), float64] are of the training split, before any fine-tuning.
    """
    layers = keras.layers
    inputs = keras.Input((n_patches, N_DIMS), name="embedding")
    standardize = layers.Dense(N_DIMS, trainable=False, name="standardize")
    x = standardize(inputs)
    standardize.set_weights([np.diag(1 / std), -mean / std])
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Identity(name="penultimate")(x)
    return keras.Model(inputs, layers.Dense(n_genres, name="logits")(x), name="head")


def join(vggish: keras.Model, head: keras.Model) -> keras.Model:
    """Both in one, with their present weights: log-mel (batch, 96 * n_patches, 64) to (batch, n_genres) logits."""
    n_patches = head.input_shape[1]
    inputs = keras.Input((n_patches * PATCH_FRAMES, N_MELS), name="features")
    patches = keras.ops.reshape(inputs, (-1, PATCH_FRAMES, N_MELS))
    x = keras.ops.reshape(vggish(patches), (-1, n_patches, N_DIMS))
    for layer in head.layers[1:]:
        copy = type(layer).from_config(layer.get_config())
        x = copy(x)
        copy.set_weights(layer.get_weights())
    return keras.Model(inputs, x, name=FINETUNED)


def write_finetuned_onnx(model: keras.Model) -> bytes:
    """The network of :func:`join` as ONNX, from ``features`` to ``logits`` and ``penultimate``.

    It is written weight by weight: a general converter takes 14 GB for the full size.
    """
    n_frames, n_mels = model.input_shape[1:]
    of_layers = [model.get_layer("vggish").get_layer(name).get_weights() for name in _LAYERS]
    writer = GraphWriter(FINETUNED)
    kernels, biases = zip(*of_layers, strict=True)
    x = write_vggish(writer, "features", VggishWeights(kernels, biases))
    kernel, bias = model.get_layer("standardize").get_weights()
    x = writer.add("Gemm", x, writer.weight(kernel), writer.weight(bias))
    x = writer.add("Reshape", x, writer.weight(np.array([-1, n_frames // PATCH_FRAMES, N_DIMS])))
    x = writer.rename(writer.add("ReduceMean", x, axes=[1], keepdims=0), "penultimate")
    kernel, bias = model.get_layer("logits").get_weights()
    logits = writer.rename(writer.add("Gemm", x, writer.weight(kernel), writer.weight(bias)), "logits")
    outputs = {logits: bias.shape, x: (N_DIMS,)}
    return writer.to_bytes(input_name="features", input_shape=(n_frames, n_mels), outputs=outputs)


def unfreeze(vggish: keras.Model, blocks: Sequence[str]) -> None:
    """Make these blocks trainable, and no other."""
    unknown = sorted(set(blocks) - set(VGGISH_BLOCKS))
    if unknown:
        raise ParameterError(f"VGGish has no {', '.join(unknown)}; its blocks are {', '.join(VGGISH_BLOCKS)}")
    for layer in vggish.layers:
        layer.trainable = layer.name.partition("_")[0] in blocks


def count_patches(shape: tuple[int, int]) -> int:
    """How many patches there are in a feature of this shape.

    Raises ParameterError if it is not of whole log-mel patches.
    """
    n_frames, n_mels = shape
    if n_mels != N_MELS or n_frames < PATCH_FRAMES or n_frames % PATCH_FRAMES:
        raise ParameterError(
            f"VGGish is fine-tuned on log-mel patches, on features of (n * {PATCH_FRAMES}, {N_MELS}); got {shape}"
        )
    return n_frames // PATCH_FRAMES
