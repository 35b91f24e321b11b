"""MusiCNN layer by layer and patch by patch, as the package musicnn 0.1.0 writes it; and weights of its shapes."""

import numpy as np
import onnxruntime

from deepsound.networks.graph import GraphWriter
from deepsound.networks.musicnn import _expected_shapes, pick_musicnn_weights

EPSILON = 1e-3


def make_weights(seed=0):
    """Half of the scales negative, and biases that put some units to sleep."""
    rng = np.random.default_rng(seed)
    variables = {}
    for name, shape in _expected_shapes().items():
        spread = 1 / np.sqrt(np.prod(shape[:-1])) if name.endswith("kernel") else 1
        values = spread * rng.normal(size=shape)
        variables[name] = (np.abs(values) + 0.1 if name.endswith("variance") else values).astype(np.float32)
    return pick_musicnn_weights(variables)


def open_plain_musicnn(weights):
    """A session from patches (n, 187, 96) to the penultimate layer."""
    plain = _Plain(weights.arrays)
    penultimate = plain.back_end(plain.mid_end(plain.front_end("patches")))
    onnx = plain.writer.to_bytes(input_name="patches", input_shape=(187, 96), outputs={penultimate: (200,)})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


class _Plain:
    def __init__(self, arrays):
        self.writer, self._arrays = GraphWriter("plain"), arrays

    def front_end(self, patches):
        image = self.writer.add("Reshape", patches, self.writer.weight(np.array([-1, 1, 187, 96])))
        image = self._batch_norm(image, 0)
        blocks = []
        for index, before, behind in ((0, 3, 3), (1, 3, 3), (2, 63, 64), (3, 31, 32), (4, 15, 16)):
            kernel = self._arrays[f"{_name('conv2d', index)}/kernel"].transpose(3, 2, 0, 1)
            x = self._block(image, index, kernel, pads=[before, 0, behind, 0])
            blocks.append(self.writer.add("ReduceMax", x, axes=[3], keepdims=0))
        return self.writer.add("Concat", *blocks, axis=1)

    def mid_end(self, front):
        layers = [front]
        for index in (5, 6, 7):
            kernel = self._arrays[f"conv2d_{index}/kernel"][:, :, 0, :].transpose(2, 1, 0)
            x = self._block(layers[-1], index, kernel, pads=[3, 3])
            layers.append(x if index == 5 else self.writer.add("Add", x, layers[-1]))
        return self.writer.add("Concat", *layers, axis=1)

    def back_end(self, features):
        pooled = [self.writer.add(op, features, axes=[2], keepdims=1) for op in ("ReduceMax", "ReduceMean")]
        flat = self._batch_norm(self.writer.add("Flatten", self.writer.add("Concat", *pooled, axis=2)), 9)
        kernel, bias = (self.writer.weight(self._arrays[f"dense/{part}"]) for part in ("kernel", "bias"))
        return self._batch_norm(self.writer.add("Relu", self.writer.add("Gemm", flat, kernel, bias)), 10)

    def _block(self, x, index, kernel, *, pads):
        bias = self.writer.weight(self._arrays[f"{_name('conv2d', index)}/bias"])
        x = self.writer.add("Conv", x, self.writer.weight(kernel), bias, pads=pads)
        return self._batch_norm(self.writer.add("Relu", x), index + 1)

    def _batch_norm(self, x, index):
        parts = ("gamma", "beta", "moving_mean", "moving_variance")
        weights = [self._arrays[f"{_name('batch_normalization', index)}/{part}"] for part in parts]
        return self.writer.add("BatchNormalization", x, *map(self.writer.weight, weights), epsilon=EPSILON)


def _name(kind, index):
    return f"{kind}_{index}" if index else kind
