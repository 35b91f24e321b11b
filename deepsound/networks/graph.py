"""A small writer of ONNX graphs: one call a layer, weights as initializers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

# Opset 15 and IR version 8 are read by every ONNX Runtime from 1.10 on.
_OPSET = 15
_IR_VERSION = 8
_TO_THE_END = (1 << 63) - 1


class GraphWriter:
    """Collects nodes and weights of a network with one input, whose first dimension and the outputs' are free."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Append one operator; the name of what it gives."""
        output = f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def weight(self, array: np.ndarray) -> str:
        """A constant of the network; its name. Floating point becomes float32."""
        is_float = np.issubdtype(array.dtype, np.floating)
        kept = np.ascontiguousarray(array, dtype=np.float32 if is_float else np.int64)
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(kept, name))
        return name

    def slice(self, x: str, start: int, end: int = _TO_THE_END, *, axis: int, step: int = 1) -> str:
        """``x[start:end:step]`` along one axis."""
        return self.add("Slice", x, *(self.weight(np.array([value])) for value in (start, end, axis, step)))

    def reshape(self, x: str, *shape: int) -> str:
        """The same values in another shape, of which one length may be -1: whatever is left."""
        return self.add("Reshape", x, self.weight(np.array(shape)))

    def rename(self, output: str, name: str) -> str:
        """The same under a name that others will look for."""
        self._nodes.append(helper.make_node("Identity", [output], [name]))
        return name

    def to_bytes(
        self,
        *,
        input_name: str,
        input_shape: tuple[int, ...],
        outputs: Mapping[str, tuple[int, ...]],
        input_length: str = "n",
    ) -> bytes:
        """The checked model; all shapes without the first dimension.

        That of the outputs is ``n``, and so is the input's where ``input_length`` does not call it another.
        """
        float32 = TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(input_name, float32, [input_length, *input_shape])],
            [helper.make_tensor_value_info(name, float32, ["n", *shape]) for name, shape in outputs.items()],
            self._weights,
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        checker.check_model(model)
        return bytes(model.SerializeToString())
