"""The MusiCNN network: its weights, by their names in the published checkpoint, and the same network as ONNX.

Source: J. Pons and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking demo; the package musicnn 0.1.0 (ISC licence), models.py: build_musicnn. Batch norms
follow the ReLU there, with TensorFlow's epsilon of 1e-3.

The package takes patch by patch, of which neighbours share half their frames. Here a whole stretch goes through
the costly convolutions once, and only the frames at the borders of each patch, where its padding shows, once more.
And a maximum over the bands comes before the ReLU and the batch norm that follow its convolution, not behind them:
both are monotone, so that it is a maximum still, or a minimum where the scale of the batch norm is negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from deepsound.errors import NetworkMismatchError
from deepsound.networks.graph import GraphWriter
from deepsound.networks.musicnn_input import HOP_FRAMES, N_MELS, PATCH_FRAMES
from deepsound.networks.tall_convolution import (
    N_BORDER_FRAMES,
    SPECTRUM_SIZE,
    TallConvolution,
    add_neighbourhoods,
    add_spectra,
)

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
        A model from ``log_mel`` (n_frames, 96) to the penultimate layer (n_patches, 200), both float32, where
        ``n_frames = 187 + 93 * (n_patches - 1)``.
    """
    layers = _Layers(GraphWriter("musicnn"), weights.arrays)
    penultimate = layers.back_end(layers.mid_end(layers.front_end("log_mel")))
    return layers.writer.to_bytes(
        input_name="log_mel", input_shape=(N_MELS,), outputs={penultimate: (N_DIMS,)}, input_length="n_frames"
    )


class _Layers:
    """Writes MusiCNN's three parts; each method follows the function of the same part in models.py."""

    def __init__(self, writer: GraphWriter, arrays: Mapping[str, np.ndarray]) -> None:
        self.writer = writer
        self._arrays = arrays

    def front_end(self, log_mel: str) -> str:
        """Musically motivated convolutions of each patch: (n_frames, 96) to (n_patches, 561, 187)."""
        image = self._batch_norm(self.writer.reshape(log_mel, 1, 1, -1, N_MELS), 0)
        frames = self.writer.reshape(image, -1, N_MELS)
        timbral = self._timbral_blocks(add_spectra(self.writer, frames))
        patches = self.writer.reshape(self._cut_patches(frames, N_MELS), -1, 1, PATCH_FRAMES, N_MELS)
        temporal = [self._temporal_block(patches, i) for i in (2, 3, 4)]
        return self.writer.add("Concat", timbral, *temporal, axis=1)

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

    def _timbral_blocks(self, spectra: str) -> str:
        """Tall in frequency, "same" in time: (n_frames, 98) to (n_patches, 408, 187)."""
        writer, border = self.writer, N_BORDER_FRAMES
        whole = self._pad(self.writer.reshape(spectra, 1, -1, SPECTRUM_SIZE), border, border)
        patches = self._cut_patches(spectra, SPECTRUM_SIZE)
        # What the first and the last frames of a patch see: its padding, and as many frames beyond themselves.
        before = self._pad(writer.slice(patches, 0, 2 * border, axis=1), border, 0)
        behind = self._pad(writer.slice(patches, -2 * border, axis=1), 0, border)
        around = [add_neighbourhoods(writer, part) for part in (before, whole, behind)]
        blocks = []
        for i in (0, 1):
            sign = self._scale_sign(i)
            convolution = TallConvolution(
                writer, self._arrays[f"{_layer_name('conv2d', i)}/kernel"][:, :, 0] * sign
            )
            bias = writer.weight(sign * self._arrays[f"{_layer_name('conv2d', i)}/bias"])
            maxima = [writer.add("Add", convolution.add_maximum(part), bias) for part in around]
            first, inner, last = (self._finish_block(part, i, sign) for part in maxima)
            inner = self._cut_patches(inner, len(sign))
            inner = writer.slice(inner, border, PATCH_FRAMES - border, axis=1)
            first, last = (self.writer.reshape(part, -1, border, len(sign)) for part in (first, last))
            blocks.append(writer.add("Concat", first, inner, last, axis=1))
        return writer.add("Transpose", writer.add("Concat", *blocks, axis=2), perm=[0, 2, 1])

    def _temporal_block(self, patches: str, index: int) -> str:
        """Long in time: (n_patches, 1, 187, 96) to (n_patches, 51, 187)."""
        name, sign = _layer_name("conv2d", index), self._scale_sign(index)
        kernel = self._arrays[f"{name}/kernel"].transpose(3, 2, 0, 1) * sign[:, np.newaxis, np.newaxis, np.newaxis]
        bias = self.writer.weight(sign * self._arrays[f"{name}/bias"])
        # TensorFlow's "same" pads an even kernel by one more at the end.
        pads = [kernel.shape[2] // 2 - 1, 0, kernel.shape[2] // 2, 0]
        x = self.writer.add("Conv", patches, self.writer.weight(kernel), bias, pads=pads)
        maximum = self.writer.add("ReduceMax", x, axes=[3], keepdims=0)
        return self._finish_block(maximum, index, sign[:, np.newaxis])

    def _scale_sign(self, index: int) -> np.ndarray:
        """Per channel of a front-end convolution -1 where its minimum is wanted: the maximum of its negative."""
        return np.where(self._arrays[f"{_layer_name('batch_normalization', index + 1)}/gamma"] < 0, -1, 1)

    def _finish_block(self, maximum: str, index: int, sign: np.ndarray) -> str:
        """ReLU and batch norm of what the maximum over the bands has left, in which ``sign`` is undone."""
        signed = self.writer.add("Mul", maximum, self.writer.weight(sign.astype(np.float32)))
        return self._batch_norm(self.writer.add("Relu", signed), index + 1)

    def _cut_patches(self, frames: str, n_values: int) -> str:
        """(n_frames, n_values) to (n_patches, 187, n_values): a patch is two hops and a frame."""
        slices = [
            self.writer.slice(frames, 0, HOP_FRAMES - PATCH_FRAMES, axis=0),
            self.writer.slice(frames, HOP_FRAMES, 2 * HOP_FRAMES - PATCH_FRAMES, axis=0),
            self.writer.slice(frames, 2 * HOP_FRAMES, axis=0, step=HOP_FRAMES),
        ]
        lengths = (HOP_FRAMES, HOP_FRAMES, 1)
        parts = [self.writer.reshape(part, -1, n, n_values) for part, n in zip(slices, lengths, strict=True)]
        return self.writer.add("Concat", *parts, axis=1)

    def _pad(self, x: str, n_before: int, n_behind: int) -> str:
        """Zeros along the middle one of three axes."""
        return self.writer.add("Pad", x, self.writer.weight(np.array([0, n_before, 0, 0, n_behind, 0])))

    def _mid_block(self, x: str, index: int) -> str:
        name = _layer_name("conv2d", index)
        # The kernel spans all channels, so this is a convolution over time: (7, n, 1, 64) as (64, n, 7).
        kernel = self._arrays[f"{name}/kernel"][:, :, 0, :].transpose(2, 1, 0)
        bias = self.writer.weight(self._arrays[f"{name}/bias"])
        x = self.writer.add("Conv", x, self.writer.weight(kernel), bias, pads=[3, 3])
        return self._batch_norm(self.writer.add("Relu", x), index + 1)

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
