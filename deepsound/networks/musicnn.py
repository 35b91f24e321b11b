"""The MusiCNN network: its weights, by their names in the published checkpoint, and the same network as ONNX.

Source: J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking demo; the package musicnn 0.1.0 (ISC licence), models.py: build_musicnn. Batch norms
follow the ReLU there, with TensorFlow's epsilon of 1e-3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepsound.errors import NetworkMismatchError
from deepsound.networks.graph import GraphWriter
from deepsound.networks.musicnn_input import N_MELS, PATCH_FRAMES

N_DIMS = 200

_BATCH_NORM_EPSILON = 1e-3
_BATCH_NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")
# Kernel by layer, in the order in which the package creates its layers.
_KERNEL_SHAPES = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
}
_BATCH_NORM_SIZES = (1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200)


@dataclass(frozen=True)
class MusicnnWeights:
    """Arrays by their name in the checkpoint: ``conv2d/kernel``, ``batch_normalization_3/gamma``."""

    arrays: Mapping[str, np.ndarray]

    def named_arrays(self) -> dict[str, np.ndarray]:
        """All arrays that the penultimate layer depends on."""
        return {name: self.arrays[name] for name in _expected_shapes()}


def pick_musicnn_weights(variables: Mapping[str, np.ndarray]) -> MusicnnWeights:
    """Check that a checkpoint's variables are MusiCNN's, and leave out those of its optimiser.

    Raises
    ------
    NetworkMismatchError
        A variable is missing or of another shape.
    """
    for name, shape in _expected_shapes().items():
        found = variables[name].shape if name in variables else "nothing"
        if found != shape:
            raise NetworkMismatchError(f"the weights are not MusiCNN's: '{name}' is {found}, wanted {shape}")
    return MusicnnWeights({name: variables[name] for name in _expected_shapes()})


def build_musicnn_onnx(weights: MusicnnWeights) -> bytes:
    """The network as ONNX.

    Returns
    -------
    bytes
        A model from ``log_mel`` (n_patches, 187, 96) to the penultimate layer (n_patches, 200), both float32.
    """
    layers = _Layers(GraphWriter("musicnn"), weights.arrays)
    front = layers.front_end("log_mel")
    penultimate = layers.back_end(layers.mid_end(front))
    return layers.writer.to_bytes(
        input_name="log_mel", input_shape=(PATCH_FRAMES, N_MELS), outputs={penultimate: (N_DIMS,)}
    )


class _Layers:
    """Writes MusiCNN's three parts; each method follows the function of the same part in models.py."""

    def __init__(self, writer: GraphWriter, arrays: Mapping[str, np.ndarray]) -> None:
        self.writer = writer
        self._arrays = arrays

    def front_end(self, log_mel: str) -> str:
        """Musically motivated convolutions: (n, 187, 96) to (n, 561, 187)."""
        as_image = self.writer.weight(np.array([-1, 1, PATCH_FRAMES, N_MELS]))
        image = self._batch_norm(self.writer.add("Reshape", log_mel, as_image), 0)
        # Timbral: "same" in time, tall in frequency. Temporal: long in time; TensorFlow's "same" pads an even
        # kernel by one more at the end.
        blocks = [self._front_block(image, i, pads=[3, 0, 3, 0]) for i in (0, 1)]
        blocks += [
            self._front_block(image, i, pads=[length // 2 - 1, 0, length // 2, 0])
            for i, length in ((2, 128), (3, 64), (4, 32))
        ]
        return self.writer.add("Concat", *blocks, axis=1)

    def mid_end(self, front: str) -> str:
        """Three convolutions over time with residuals, joined with the front end: (n, 753, 187)."""
        first = self._mid_block(front, 5)
        second = self.writer.add("Add", self._mid_block(first, 6), first)
        third = self.writer.add("Add", self._mid_block(second, 7), second)
        return self.writer.add("Concat", front, first, second, third, axis=1)

    def back_end(self, features: str) -> str:
        """Maximum and mean over time, then the penultimate dense layer: (n, 200)."""
        pooled = [self.writer.add(op, features, axes=[2], keepdims=1) for op in ("ReduceMax", "ReduceMean")]
        # The package flattens (channel, [max, mean]): the two alternate.
        flat = self.writer.add("Flatten", self.writer.add("Concat", *pooled, axis=2))
        kernel, bias = (self.writer.weight(self._arrays[f"dense/{part}"]) for part in ("kernel", "bias"))
        dense = self.writer.add("Gemm", self._batch_norm(flat, 9), kernel, bias)
        return self._batch_norm(self.writer.add("Relu", dense), 10)

    def _front_block(self, image: str, index: int, *, pads: list[int]) -> str:
        name = _layer_name("conv2d", index)
        kernel = self._arrays[f"{name}/kernel"]
        x = self._convolve(image, name, kernel.transpose(3, 2, 0, 1), pads=pads)
        x = self._batch_norm(self.writer.add("Relu", x), index + 1)
        # Where in frequency a pattern stands does not matter: (n, channels, 187).
        return self.writer.add("ReduceMax", x, axes=[3], keepdims=0)

    def _mid_block(self, x: str, index: int) -> str:
        name = _layer_name("conv2d", index)
        # The kernel spans all channels, so this is a convolution over time: (7, n, 1, 64) as (64, n, 7).
        kernel = self._arrays[f"{name}/kernel"][:, :, 0, :].transpose(2, 1, 0)
        return self._batch_norm(self.writer.add("Relu", self._convolve(x, name, kernel, pads=[3, 3])), index + 1)

    def _convolve(self, x: str, name: str, kernel: np.ndarray, *, pads: list[int]) -> str:
        bias = self.writer.weight(self._arrays[f"{name}/bias"])
        return self.writer.add("Conv", x, self.writer.weight(kernel), bias, pads=pads)

    def _batch_norm(self, x: str, index: int) -> str:
        name = _layer_name("batch_normalization", index)
        parts = [self.writer.weight(self._arrays[f"{name}/{part}"]) for part in _BATCH_NORM_PARTS]
        return self.writer.add("BatchNormalization", x, *parts, epsilon=_BATCH_NORM_EPSILON)


def _layer_name(kind: str, index: int) -> str:
    return f"{kind}_{index}" if index else kind


def _expected_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, shape in _KERNEL_SHAPES.items():
        shapes |= {f"{layer}/kernel": shape, f"{layer}/bias": shape[-1:]}
    for index, size in enumerate(_BATCH_NORM_SIZES):
        layer = _layer_name("batch_normalization", index)
        shapes |= {f"{layer}/{part}": (size,) for part in _BATCH_NORM_PARTS}
    return shapes
