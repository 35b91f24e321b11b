"""The VGGish network: its weights, found by their shapes, and the same network as ONNX.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017, and
tensorflow/models research/audioset/vggish: vggish_slim.py (configuration A of VGG: 3 x 3 convolutions with
"same" padding, 2 x 2 max pooling, ReLU; the embedding is taken before its ReLU).
"""

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from deepsound.errors import NetworkMismatchError, first_line
from deepsound.networks.graph import GraphWriter
from deepsound.networks.onnx_file import check_self_contained
from deepsound.networks.vggish_input import N_MELS, PATCH_FRAMES

N_DIMS = 128

# Four poolings halve both axes of a patch.
_POOLED_POSITIONS = (PATCH_FRAMES // 16) * (N_MELS // 16)
_N_CONVOLUTIONS = 6
# Counted from 0: a max pooling follows these convolutions.
_POOLED_AFTER = (0, 1, 3, 5)


@dataclass(frozen=True, kw_only=True)
class VggishWidths:
    """Channels of the convolution blocks and width of the two hidden dense layers.

    The published network has the defaults; anything narrower is for tests.
    """

    conv1: int = 64
    conv2: int = 128
    conv3: int = 256
    conv4: int = 512
    dense: int = 4096

    def kernel_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the nine kernels in the order of the network."""
        channels = (1, self.conv1, self.conv2, self.conv3, self.conv3, self.conv4, self.conv4)
        units = (_POOLED_POSITIONS * self.conv4, self.dense, self.dense, N_DIMS)
        convolutions = tuple((3, 3, *pair) for pair in itertools.pairwise(channels))
        return (*convolutions, *itertools.pairwise(units))


@dataclass(frozen=True)
class VggishWeights:
    """Nine kernels, as TensorFlow lays them out (height, width, in, out) and (in, out), and their biases."""

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def named_arrays(self) -> dict[str, np.ndarray]:
        """All arrays under names that do not depend on where they come from."""
        kernels = {f"kernel_{i}": kernel for i, kernel in enumerate(self.kernels)}
        return {**kernels, **{f"bias_{i}": bias for i, bias in enumerate(self.biases)}}


def match_vggish_weights(variables: Mapping[str, np.ndarray]) -> VggishWeights:
    """Find VGGish's weights among variables in the order of their creation, whatever their names.

    No two of the nine kernels have the same shape. A bias belongs to the kernel in whose scope it stands
    (``vggish/conv1/weights``, ``vggish/conv1/biases``), or else to the kernel that it follows.

    Raises
    ------
    NetworkMismatchError
        A kernel or a bias is missing, there twice, or of another shape.
    """
    kernels = {name: array for name, array in variables.items() if array.ndim in (2, 4)}
    expected = _infer_widths(kernels).kernel_shapes()
    by_shape = {array.shape: name for name, array in kernels.items()}
    found = sorted(array.shape for array in kernels.values())
    if found != sorted(expected) or len(by_shape) != len(expected):
        raise NetworkMismatchError(
            f"the weights are not VGGish's: wanted kernels of the shapes {_list_shapes(expected)}, "
            f"found {_list_shapes(found)}"
        )
    names = [by_shape[shape] for shape in expected]
    biases = _match_biases(names, variables)
    return VggishWeights(tuple(kernels[name] for name in names), biases)


def make_random_weights(seed: int, *, widths: VggishWidths | None = None) -> VggishWeights:
    """Untrained weights that keep the signal's size from layer to layer; for tests and benchmarks only.

    Source: K. He et al., "Delving Deep into Rectifiers", ICCV 2015: variance 2 / fan-in.
    """
    rng = np.random.default_rng(seed)
    kernels, biases = [], []
    for shape in (widths or VggishWidths()).kernel_shapes():
        scale = np.float32(np.sqrt(2.0 / np.prod(shape[:-1])))
        kernels.append(rng.standard_normal(shape, dtype=np.float32) * scale)
        biases.append(rng.standard_normal(shape[-1], dtype=np.float32) * np.float32(0.01))
    return VggishWeights(tuple(kernels), tuple(biases))


def build_vggish_onnx(weights: VggishWeights) -> bytes:
    """The network as ONNX.

    Returns
    -------
    bytes
        A model from ``log_mel`` (n_patches, 96, 64) to the embedding (n_patches, 128), both float32.
    """
    writer = GraphWriter("vggish")
    embedding = write_vggish(writer, "log_mel", weights)
    return writer.to_bytes(
        input_name="log_mel", input_shape=(PATCH_FRAMES, N_MELS), outputs={embedding: (N_DIMS,)}
    )


def write_vggish(writer: GraphWriter, log_mel: str, weights: VggishWeights) -> str:
    """Append the network to a graph: from patches, or segments of patches, to embeddings (n_patches, 128)."""
    # One channel, so that no transposition is needed: (n, 96, 64) is (n, 1, 96, 64).
    x = writer.reshape(log_mel, -1, 1, PATCH_FRAMES, N_MELS)
    for i in range(_N_CONVOLUTIONS):
        kernel = weights.kernels[i].transpose(3, 2, 0, 1)
        x = writer.add("Conv", x, writer.weight(kernel), writer.weight(weights.biases[i]), pads=[1, 1, 1, 1])
        x = writer.add("Relu", x)
        if i in _POOLED_AFTER:
            x = writer.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = writer.add("Flatten", x)
    for i in range(_N_CONVOLUTIONS, len(weights.kernels)):
        kernel = _channels_first(weights.kernels[i]) if i == _N_CONVOLUTIONS else weights.kernels[i]
        if i > _N_CONVOLUTIONS:
            x = writer.add("Relu", x)
        x = writer.add("Gemm", x, writer.weight(kernel), writer.weight(weights.biases[i]))
    return x


def read_vggish_onnx(path: pathlib.Path) -> VggishWeights:
    """The weights that :func:`build_vggish_onnx` wrote, laid out as TensorFlow has them.

    Raises
    ------
    NetworkMismatchError
        If the file is no such model.
    """
    try:
        check_self_contained(path)
        arrays = [numpy_helper.to_array(weight) for weight in onnx.load(str(path)).graph.initializer]
        kernels = [array for array in arrays if array.ndim in (2, 4)]
        biases = tuple(array for array in arrays if array.ndim == 1 and array.dtype == np.float32)
        convolutions = [kernel.transpose(2, 3, 1, 0) for kernel in kernels[:_N_CONVOLUTIONS]]
        first_dense, *dense = kernels[_N_CONVOLUTIONS:]
        kernels = [*convolutions, _channels_last(first_dense), *dense]
    except NetworkMismatchError as exc:
        raise NetworkMismatchError(f"{path} is refused: {exc}") from exc
    except (OSError, ValueError, DecodeError) as exc:
        raise NetworkMismatchError(f"{path} is no converted VGGish: {first_line(exc)}") from exc
    shapes = tuple(kernel.shape for kernel in kernels)
    wanted = _infer_widths({str(shape): kernel for shape, kernel in zip(shapes, kernels, strict=True)})
    if shapes != wanted.kernel_shapes() or [b.shape for b in biases] != [shape[-1:] for shape in shapes]:
        raise NetworkMismatchError(f"{path} is no converted VGGish: it holds {_list_shapes(shapes)}")
    return VggishWeights(tuple(kernels), biases)


def _channels_first(kernel: np.ndarray) -> np.ndarray:
    """Rows of the first dense kernel from TensorFlow's flattening (height, width, channel) to ONNX's."""
    height, width = PATCH_FRAMES // 16, N_MELS // 16
    n_out = kernel.shape[1]
    return kernel.reshape(height, width, -1, n_out).transpose(2, 0, 1, 3).reshape(-1, n_out)


def _channels_last(kernel: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_channels_first`."""
    height, width = PATCH_FRAMES // 16, N_MELS // 16
    n_out = kernel.shape[1]
    return kernel.reshape(-1, height, width, n_out).transpose(1, 2, 0, 3).reshape(-1, n_out)


def _infer_widths(kernels: Mapping[str, np.ndarray]) -> VggishWidths:
    """The widths that a network with these kernels would have; the published ones where that makes no sense."""
    # Channels never get fewer on the way, so the order of shapes is the order of layers.
    convolutions = sorted(array.shape[2:] for array in kernels.values() if array.ndim == 4)
    if len(convolutions) != _N_CONVOLUTIONS:
        return VggishWidths()
    n_flat = _POOLED_POSITIONS * convolutions[-1][1]
    dense = [array.shape[1] for array in kernels.values() if array.ndim == 2 and array.shape[0] == n_flat]
    return VggishWidths(
        conv1=convolutions[0][1],
        conv2=convolutions[1][1],
        conv3=convolutions[2][1],
        conv4=convolutions[5][1],
        dense=dense[0] if dense else VggishWidths().dense,
    )


def _match_biases(kernel_names: Sequence[str], variables: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    order = list(variables)
    biases = []
    for kernel_name in kernel_names:
        n_out = variables[kernel_name].shape[-1]
        fitting = [name for name in order if variables[name].shape == (n_out,)]
        scope = kernel_name.rpartition("/")[0]
        in_scope = [name for name in fitting if name.rpartition("/")[0] == scope]
        after = [name for name in fitting if order.index(name) > order.index(kernel_name)]
        chosen = in_scope if len(in_scope) == 1 else after
        if not chosen:
            raise NetworkMismatchError(
                f"the weights are not VGGish's: no bias of length {n_out} for the kernel '{kernel_name}'"
            )
        biases.append(variables[chosen[0]])
    return tuple(biases)


def _list_shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    listed = " ".join(str(shape).replace(" ", "") for shape in shapes[:12])
    return (listed or "none") + (f" and {len(shapes) - 12} more" if len(shapes) > 12 else "")
