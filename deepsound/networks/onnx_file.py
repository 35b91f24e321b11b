"""Opening ONNX, which may come from a stranger: all that a network is lies in the file itself.

ONNX lets a tensor name another file to be read for its numbers ("external data"), and ONNX Runtime looks for it in
the working directory, or beside the model. Such a network would carry a file of this machine into its outputs, so
it is refused, wherever in it the tensor stands.

The look is at the bytes, without the package onnx: executors have ONNX Runtime alone, and so have MLflow clients
that load a bundle; and a network of 289 MB is not parsed twice, as what is long is jumped over.
"""

import mmap
import os
import pathlib
from collections.abc import Iterator

# A toolkit for other people's collections does not call home; ONNX Runtime looks when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from deepsound.errors import NetworkMismatchError

# Message, field to the message behind it: the ways from a model to its tensors. Source: onnx/onnx.proto.
TENSOR = "TensorProto"
WAYS_TO_TENSORS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        **{5: TENSOR, 6: "GraphProto", 10: TENSOR, 11: "GraphProto"},
        **{22: "SparseTensorProto", 23: "SparseTensorProto"},
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_TAG = (1 << 32) - 1

Content = bytes | mmap.mmap


def open_network(onnx: bytes | pathlib.Path, *, n_threads: int = 1) -> onnxruntime.InferenceSession:
    """A session that runs a network: its bytes or its file, on ``n_threads`` threads.

    Raises
    ------
    NetworkMismatchError
        If that is no ONNX model, or one that reads other files.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    # Else bytes that are ONNX, and at the same time ONNX Runtime's own format, would be read as the latter.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        check_self_contained(onnx)
        source = onnx if isinstance(onnx, bytes) else str(onnx)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except NetworkMismatchError:
        raise
    except Exception as exc:  # onnxruntime raises a class per status code, without a public base
        raise NetworkMismatchError(f"no ONNX model that can be run: {str(exc)[:200]}") from exc


def check_self_contained(onnx: bytes | pathlib.Path) -> None:
    """Refuse a network that has numbers in another file.

    Raises
    ------
    NetworkMismatchError
        It has, or it is no ONNX.
    OSError
    """
    if isinstance(onnx, bytes):
        _check(onnx)
        return
    with onnx.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as exc:
            raise NetworkMismatchError("no ONNX model that can be run: the file is empty") from exc
        with content:
            _check(content)


def _check(content: Content) -> None:
    # Not by recursion: graphs lie in graphs, as deep as a stranger likes.
    left = [("ModelProto", 0, len(content))]
    while left:
        message, start, end = left.pop()
        for field, wire_type, first, last in _fields(content, start, end):
            if message == TENSOR:
                is_elsewhere = field == _EXTERNAL_DATA or (field == _DATA_LOCATION and any(content[first:last]))
                if is_elsewhere:
                    raise NetworkMismatchError(
                        "the network keeps numbers in another file (ONNX external data), which is not read; "
                        "save it as one file"
                    )
            elif wire_type == _BYTES and field in WAYS_TO_TENSORS[message]:
                left.append((WAYS_TO_TENSORS[message][field], first, last))


def _fields(content: Content, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field, wire type, start, end) of what a message holds; for bytes, of what follows their length."""
    position = start
    while position < end:
        tag, position = _read_varint(content, position, end)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            first, position = position, _read_varint(content, position, end)[1]
        elif wire_type == _BYTES:
            size, first = _read_varint(content, position, end)
            position = first + size
        elif wire_type in _FIXED_SIZES:
            first, position = position, position + _FIXED_SIZES[wire_type]
        else:
            position = end + 1
        # Stricter than protobuf, which lets larger tags pass and cuts them: nothing may be read in two ways.
        if position > end or not field or tag > _MAX_TAG:
            raise NetworkMismatchError("no ONNX model that can be run: its bytes are no protobuf")
        yield field, wire_type, first, position


def _read_varint(content: Content, position: int, end: int) -> tuple[int, int]:
    """(number, where it ends)."""
    value = 0
    for n_read in range(min(_MAX_VARINT_BYTES, end - position)):
        byte = content[position + n_read]
        value |= (byte & 0x7F) << (7 * n_read)
        if byte < 0x80:
            return value, position + n_read + 1
    raise NetworkMismatchError("no ONNX model that can be run: its bytes are no protobuf")
