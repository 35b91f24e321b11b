"""VGGish as a Keras network that can be trained on, and a genre head on top of it.

Source: as :mod:`deepsound.networks.vggish`. The network has no batch norm, so there is none to freeze.
"""

from collections.abc import Sequence

import keras
import numpy as np

from deepsound.config import VGGISH_BLOCKS
from deepsound.errors import ParameterError
from deepsound.networks.vggish import N_DIMS, VggishWeights
from deepsound.networks.vggish_input import N_MELS, PATCH_FRAMES

# Layers of the network in their order, named by block; a max pooling follows the last of a convolution block.
_LAYERS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "fc_1", "fc_2", "fc_3")
_POOLED = ("conv1", "conv2", "conv3_2", "conv4_2")


def build_vggish(weights: VggishWeights) -> keras.Model:
    """The network with these weights, each block's layers named after it (``conv4_1``, ``fc_2``).

    Returns
    -------
    keras.Model
        (n_patches, 96, 64) float32 to the embedding (n_patches, 128), before its ReLU.
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
    """Standardised embeddings, averaged over the patches, to logits.

    Parameters
    ----------
    mean, std : np.ndarray [shape=(128,), float64]
        Of the embeddings of the training split, before any fine-tuning.

    Returns
    -------
    keras.Model
        (batch, n_patches, 128) float32 to (batch, n_genres).
    """
    layers = keras.layers
    inputs = keras.Input((n_patches, N_DIMS), name="embedding")
    # Not layers.Normalization: its constants become inputs of the exported ONNX model.
    standardize = layers.Dense(N_DIMS, trainable=False, name="standardize")
    x = standardize(inputs)
    standardize.set_weights([np.diag(1 / std), -mean / std])
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(n_genres, name="logits")(x), name="head")


def join(vggish: keras.Model, head: keras.Model) -> keras.Model:
    """Both in one; they keep sharing their weights with it.

    Returns
    -------
    keras.Model
        (batch, 96 * n_patches, 64) float32 log-mel to (batch, n_genres) logits.
    """
    n_patches = head.input_shape[1]
    inputs = keras.Input((n_patches * PATCH_FRAMES, N_MELS), name="features")
    patches = keras.ops.reshape(inputs, (-1, PATCH_FRAMES, N_MELS))
    embedding = keras.ops.reshape(vggish(patches), (-1, n_patches, N_DIMS))
    return keras.Model(inputs, head(embedding), name="vggish_finetune")


def unfreeze(vggish: keras.Model, blocks: Sequence[str]) -> None:
    """Make these blocks trainable, and no other."""
    unknown = sorted(set(blocks) - set(VGGISH_BLOCKS))
    if unknown:
        raise ParameterError(f"VGGish has no {', '.join(unknown)}; its blocks are {', '.join(VGGISH_BLOCKS)}")
    for layer in vggish.layers:
        layer.trainable = layer.name.partition("_")[0] in blocks


def count_patches(shape: tuple[int, int]) -> int:
    """How many patches there are in a feature of this shape.

    Raises
    ------
    ParameterError
        If it is none of whole log-mel patches.
    """
    n_frames, n_mels = shape
    if n_mels != N_MELS or n_frames < PATCH_FRAMES or n_frames % PATCH_FRAMES:
        raise ParameterError(
            f"VGGish is fine-tuned on log-mel patches, on features of (n * {PATCH_FRAMES}, {N_MELS}); got {shape}"
        )
    return n_frames // PATCH_FRAMES
