"""A network is one file: ONNX that has its numbers read from another one is refused, wherever it says so."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import deepsound
from deepsound.errors import BundleError, NetworkMismatchError
from deepsound.models.head import Head, open_head
from deepsound.networks import onnx_file
from deepsound.networks.engine import OnnxEngine
from deepsound.networks.onnx_file import check_self_contained, open_network
from deepsound.networks.vggish import read_vggish_onnx

SECRET = np.arange(36, dtype=np.float32).reshape(12, 3)


def inside(name="w"):
    return numpy_helper.from_array(SECRET, name)


def outside(name="w", location="secret.bin"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=SECRET.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def graph(*, weights=(), nodes=(), sparse=()):
    layers = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    x, logits = (helper.make_tensor_value_info(n, 1, ["n", *s]) for n, s in (("x", (4, 3)), ("logits", (3,))))
    return helper.make_graph([*nodes, *layers], "g", [x], [logits], weights, sparse_initializer=sparse)


def model(of_graph, **more):
    return helper.make_model(of_graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8, **more)


def with_node(**attributes):
    return model(graph(weights=[inside()], nodes=[helper.make_node("Constant", [], ["c"], **attributes)]))


def with_subgraph(tensor):
    branch = helper.make_graph([], "branch", [], [helper.make_tensor_value_info("s", 1, [12, 3])], [tensor])
    condition = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True)))
    node = helper.make_node("If", ["yes"], ["s2"], then_branch=branch, else_branch=branch)
    return model(graph(weights=[inside()], nodes=[condition, node]))


def with_function(tensor):
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    function = helper.make_function("own", "f", [], ["y"], [constant], [helper.make_opsetid("", 15)])
    return model(graph(weights=[inside()]), functions=[function])


def with_training(tensor):
    made = model(graph(weights=[inside()]))
    made.training_info.add().algorithm.initializer.append(tensor)
    return made


def sparse(values, indices):
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[5])


def in_lists(**fields):
    made = with_node(value=inside())
    attribute = made.graph.node[0].attribute.add(name="more")
    for name, value in fields.items():
        getattr(attribute, name).append(value)
    return made


ONE = numpy_helper.from_array(np.ones(1, np.float32), "v")
PLACES = {
    "initializer": lambda t: model(graph(weights=[t])),
    "attribute": lambda t: with_node(value=t),
    "list of an attribute": lambda t: in_lists(tensors=t),
    "graph of a list": lambda t: in_lists(graphs=graph(weights=[t])),
    "subgraph": with_subgraph,
    "function": with_function,
    "training": with_training,
    "sparse values": lambda t: model(graph(weights=[inside()], sparse=[sparse(t, ONE)])),
    "sparse indices": lambda t: model(graph(weights=[inside()], sparse=[sparse(ONE, t)])),
    "sparse attribute": lambda t: with_node(sparse_value=sparse(t, ONE)),
    "sparse list of an attribute": lambda t: in_lists(sparse_tensors=sparse(t, ONE)),
}


@pytest.fixture(autouse=True)
def _secret(tmp_path, monkeypatch):
    (tmp_path / "secret.bin").write_bytes(SECRET.tobytes())
    monkeypatch.chdir(tmp_path)


def test_onnx_runtime_alone_reads_it():
    content = PLACES["initializer"](outside()).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"x": np.ones((1, 4, 3), np.float32)})
    np.testing.assert_array_equal(logits[0], SECRET.sum(axis=0))


@pytest.mark.parametrize("place", PLACES)
def test_numbers_of_another_file_are_refused_wherever_they_stand(place, tmp_path):
    check_self_contained(PLACES[place](inside()).SerializeToString())
    content = PLACES[place](outside()).SerializeToString()
    (tmp_path / "network.onnx").write_bytes(content)
    for source in (content, tmp_path / "network.onnx"):
        with pytest.raises(NetworkMismatchError, match="numbers in another file"):
            open_network(source)


def test_each_half_of_what_says_so_is_enough():
    for field in ("external_data", "data_location"):
        tensor = outside()
        tensor.ClearField(field)
        with pytest.raises(NetworkMismatchError, match="numbers in another file"):
            check_self_contained(model(graph(weights=[tensor])).SerializeToString())


def test_the_ways_to_tensors_are_those_of_onnx():
    """All of them, of the version that is installed: found through its own descriptors."""
    ways, left = {}, [onnx.ModelProto.DESCRIPTOR]
    while left:
        message = left.pop()
        if message.name in ways or message.name == onnx_file.TENSOR:
            continue
        inner = [field for field in message.fields if field.message_type is not None]
        ways[message.name] = {field.number: field.message_type.name for field in inner}
        left += [field.message_type for field in inner]
    # Types, shapes and metadata lead to no tensor.
    leading = {onnx_file.TENSOR}
    while more := {name for name, fields in ways.items() if leading & {*fields.values()}} - leading:
        leading |= more
    found = {
        name: {n: to for n, to in ways[name].items() if to in leading} for name in leading - {onnx_file.TENSOR}
    }
    assert found == onnx_file.WAYS_TO_TENSORS
    tensor = onnx.TensorProto.DESCRIPTOR.fields_by_name
    assert tensor["external_data"].number == onnx_file._EXTERNAL_DATA
    assert tensor["data_location"].number == onnx_file._DATA_LOCATION


def test_every_road_by_which_a_network_is_loaded_looks(tiny_bundle, tmp_path):
    content = PLACES["initializer"](outside()).SerializeToString()
    (tmp_path / "network.onnx").write_bytes(content)
    for load in (
        lambda: Head(tiny_bundle.head.spec, content),
        lambda: open_head(tiny_bundle.head.spec, str(tmp_path / "network.onnx")),
    ):
        with pytest.raises(BundleError, match="the head is refused: the network keeps numbers in another file"):
            load()
    for load in (OnnxEngine, read_vggish_onnx):
        with pytest.raises(NetworkMismatchError, match=r"network.onnx is refused: .*numbers in another file"):
            load(tmp_path / "network.onnx")


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"\x00",
            b"\x3a\xff\xff\xff\xff\x0f",
            b"\x3a\x05abc",
            b"\xff" * 20,
            b"\x3b\x3c",
            b"\x09\x01",
            b"\x3a",
        ),
        # Field 7 behind a tag of 2^35 more, which protobuf would cut off.
        b"\xba\x80\x80\x80\x80\x01\x00",
    ],
)
def test_what_is_no_protobuf_is_refused(content, tmp_path):
    (tmp_path / "network.onnx").write_bytes(content)
    for source in (content, tmp_path / "network.onnx"):
        with pytest.raises(NetworkMismatchError, match="no ONNX model that can be run"):
            open_network(source)


def test_graphs_within_graphs_end_no_stack():
    content = graph(weights=[inside()]).SerializeToString()
    for _ in range(3000):
        # A graph's node's attribute's graph.
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            content = tag + onnx_varint(len(content)) + content
    with pytest.raises(NetworkMismatchError, match="no ONNX model"):
        open_network(b"\x3a" + onnx_varint(len(content)) + content)


def onnx_varint(number):
    made = b""
    while number > 0x7F:
        made += bytes([number & 0x7F | 0x80])
        number >>= 7
    return made + bytes([number])


def test_the_format_of_onnx_runtime_itself_is_refused(tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "network.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(model(graph(weights=[inside()])).SerializeToString(), options)
    with pytest.raises(NetworkMismatchError, match="no ONNX model"):
        open_network((tmp_path / "network.ort").read_bytes())


def test_onnx_runtime_calls_nobody(tmp_path):
    """Untold, it leaves a number of this machine in the home folder, and sends home what it does."""
    left_out = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = [sys.executable, "-c", "import deepsound.networks.onnx_file"]
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(command, env={**environment, "HOME": str(home)}, check=True, timeout=60)
    assert list(home.iterdir()) == []


def test_it_is_imported_in_one_place():
    importing = [
        path.name
        for path in pathlib.Path(deepsound.__file__).parent.rglob("*.py")
        if re.search("^ *(import|from) onnxruntime", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["onnx_file.py"]
