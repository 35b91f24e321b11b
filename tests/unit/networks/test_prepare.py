"""Networks from every source people have, and every way in which a source can be wrong."""

import functools
import hashlib
import http.server
import io
import json
import pathlib
import shutil
import tarfile
import threading

import numpy as np
import pytest

from deepsound.errors import NetworkMismatchError, NetworkUnavailableError, OutputError
from deepsound.features.vggish import VggishExtractor
from deepsound.networks import prepare as prepare_module
from deepsound.networks import source
from deepsound.networks import vggish as vggish_module
from deepsound.networks.engine import load_engine
from deepsound.networks.prepare import prepare_networks
from tests.tiny_vggish import CHANNELS, DENSE, make_variables, write_saved_model, write_slim_checkpoint

THREE_WAYS = ("--set network=https://tfhub.dev/google/vggish/1", "SavedModel folder", "vggish_model.ckpt")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("DEEPSOUND_CACHE_DIR", str(folder))
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    return folder


@pytest.fixture
def lines():
    return []


@pytest.fixture
def prepare(lines):
    def prepare_one(network, feature="vggish"):
        (prepared,) = prepare_networks((feature,), network=str(network), report=lines.append)
        return prepared

    return prepare_one


@pytest.fixture
def music():
    rng = np.random.default_rng(3)
    time_s = np.arange(3 * 16000) / 16000
    return (0.3 * np.sin(2 * np.pi * 440 * time_s) + 0.1 * rng.normal(size=len(time_s))).astype(np.float32)


def call_saved_model(folder, waveform):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    return model(waveform).numpy()


def expect_all_ways(error):
    message = str(error.value)
    for way in (*THREE_WAYS, "--set features=[musicnn]"):
        assert way in message
    return message


# ---- sources that work


def test_saved_model_runs_as_onnx_and_equals_its_callable(prepare, tiny_vggish, music, lines):
    network = prepare(tiny_vggish)
    assert network.engine == "onnx"
    assert not any("warning" in line for line in lines)
    expected = call_saved_model(tiny_vggish, music)
    got = VggishExtractor(network=network).compute(music)
    assert got.shape == expected.shape == (3, 128)
    assert (expected < 0).any(), "the embedding stands before the last ReLU"
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_slim_checkpoint_in_one_file_is_the_same_network(prepare, tiny_vggish, tmp_path):
    path = write_slim_checkpoint(tmp_path / "vggish_model.ckpt", make_variables())
    assert path.is_file()
    assert prepare(path).digest == prepare(tiny_vggish).digest


def test_checkpoint_of_the_newer_form_by_either_name(prepare, tiny_vggish):
    digest = prepare(tiny_vggish).digest
    assert prepare(tiny_vggish / "variables" / "variables").digest == digest
    assert prepare(tiny_vggish / "variables" / "variables.index").digest == digest


class _Hub:
    """A TF-Hub of one module on loopback: any address gives the module as tar.gz, ``missing`` gives 404."""

    def __init__(self, folder):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(folder, arcname="")
        self.requests = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hub.requests.append(self.path)
                is_there = "missing" not in self.path
                self.send_response(200 if is_there else 404)
                self.end_headers()
                if is_there:
                    self.wfile.write(packed.getvalue())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.handle = f"http://127.0.0.1:{self.server.server_port}/google/vggish/1"


@pytest.fixture
def hub(tiny_vggish):
    hub = _Hub(tiny_vggish)
    thread = threading.Thread(target=hub.server.serve_forever)
    thread.start()
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


def test_tf_hub_handle_is_downloaded_once_into_the_hub_cache(prepare, hub, tiny_vggish, tmp_path):
    network = prepare(hub.handle)
    assert network.digest == prepare(tiny_vggish).digest
    assert network.source == hub.handle
    assert len(hub.requests) == 1
    assert (tmp_path / "hub" / hashlib.sha1(hub.handle.encode()).hexdigest() / "saved_model.pb").is_file()
    prepare(hub.handle)
    assert len(hub.requests) == 1


def test_biases_are_found_without_names_by_their_place():
    variables = make_variables()
    nameless = {f"v{i:02}": array for i, array in enumerate(variables.values())}
    matched = vggish_module.match_vggish_weights(nameless)
    for got, expected in zip(matched.biases, list(variables.values())[1::2], strict=True):
        np.testing.assert_array_equal(got, expected)


def test_musicnn_comes_from_its_package_without_importing_it(prepare):
    import sys

    network = prepare("unused", feature="musicnn")
    assert network.engine == "onnx"
    assert "MSD_musicnn" in network.source
    assert "musicnn" not in sys.modules


def test_features_without_a_network_need_none():
    assert prepare_networks(("mfcc",), network="/nowhere", report=print) == ()


# ---- random weights: only by name, and marked


def test_random_network_is_seeded_and_marked(prepare, monkeypatch):
    widths = vggish_module.VggishWidths(conv1=4, conv2=6, conv3=8, conv4=10, dense=24)
    small = functools.partial(vggish_module.make_random_weights, widths=widths)
    monkeypatch.setattr(vggish_module, "make_random_weights", small)
    first, again, other = prepare("random:7"), prepare("random:7"), prepare("random:8")
    assert first == again
    assert first.digest != other.digest
    assert first.is_random
    assert first.definition() == {"digest": first.digest, "engine": "onnx", "random_seed": "7"}


def test_random_weights_are_of_the_published_size():
    shapes = vggish_module.VggishWidths().kernel_shapes()
    n_weights = sum(int(np.prod(shape)) + shape[-1] for shape in shapes)
    assert shapes[6] == (12288, 4096)
    assert n_weights == 72_141_184


@pytest.mark.parametrize("network", ["random:", "random:abc", "random:-1"])
def test_random_without_a_seed(prepare, network):
    with pytest.raises(NetworkUnavailableError, match="wanted random:SEED"):
        prepare(network)


# ---- the check and its fallback


def test_a_conversion_that_fails_its_check_runs_in_tensorflow(prepare, tmp_path, music, lines):
    folder = write_saved_model(tmp_path / "louder", make_variables(), finish=lambda x: 1.01 * x)
    network = prepare(folder)
    assert network.engine == "tensorflow"
    assert any("warning" in line and "TensorFlow engine" in line for line in lines)
    got = VggishExtractor(network=network).compute(music)
    np.testing.assert_allclose(got, call_saved_model(folder, music), rtol=1e-6)
    assert network.definition()["engine"] == "tensorflow"
    lines.clear()
    assert prepare(folder) == network


def test_an_export_that_ends_in_its_relu_is_the_same_network(prepare, tiny_vggish, tmp_path):
    import tensorflow as tf

    folder = write_saved_model(tmp_path / "relu", make_variables(), finish=tf.nn.relu)
    network = prepare(folder)
    assert network.engine == "onnx"
    assert network.digest == prepare(tiny_vggish).digest


# ---- the cache


def test_second_run_converts_nothing(prepare, tiny_vggish, monkeypatch):
    first = prepare(tiny_vggish)
    monkeypatch.setattr(prepare_module, "_convert_vggish", None)
    assert prepare(tiny_vggish) == first


def test_damaged_cache_is_made_anew(prepare, tiny_vggish, music):
    network = prepare(tiny_vggish)
    expected = VggishExtractor(network=network).compute(music)
    path = pathlib.Path(network.path)
    path.write_bytes(path.read_bytes()[:-100])
    load_engine.cache_clear()
    assert prepare(tiny_vggish) == network
    np.testing.assert_array_equal(VggishExtractor(network=network).compute(music), expected)


def test_a_cache_entry_that_is_no_json_is_made_anew(prepare, tiny_vggish, cache):
    network = prepare(tiny_vggish)
    (entry,) = cache.glob("*.json")
    entry.write_text("{")
    assert prepare(tiny_vggish) == network
    assert json.loads(entry.read_text())["digest"] == network.digest


def test_no_half_written_file_is_left(prepare, tiny_vggish, cache, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OutputError, match=r"No space left.*DEEPSOUND_CACHE_DIR"):
        prepare(tiny_vggish)
    assert list(cache.iterdir()) == []


def test_cache_folder_that_is_a_file(prepare, tiny_vggish, cache):
    cache.write_text("")
    with pytest.raises(OutputError, match="DEEPSOUND_CACHE_DIR"):
        prepare(tiny_vggish)


# ---- sources that do not work


def test_no_network_names_all_ways(prepare):
    with pytest.raises(NetworkUnavailableError, match="could not be fetched") as error:
        prepare("http://127.0.0.1:9/google/vggish/1")
    expect_all_ways(error)


def test_wrong_handle(prepare, hub):
    with pytest.raises(NetworkUnavailableError, match="404") as error:
        prepare(hub.handle.replace("vggish", "missing"))
    expect_all_ways(error)


@pytest.mark.parametrize(
    "lost", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_half_downloaded_hub_cache(prepare, tiny_vggish, tmp_path, lost):
    handle = "https://tfhub.dev/google/vggish/1"
    cached = tmp_path / "hub" / hashlib.sha1(handle.encode()).hexdigest()
    shutil.copytree(tiny_vggish, cached)
    (cached / lost).unlink()
    with pytest.raises(NetworkUnavailableError, match=r"cut short: delete .* and try again") as error:
        prepare(handle)
    assert str(cached) in expect_all_ways(error)


def test_weights_cut_short(prepare, tiny_vggish, tmp_path):
    shutil.copytree(tiny_vggish, tmp_path / "cut")
    data = tmp_path / "cut" / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(NetworkUnavailableError, match="cannot be read") as error:
        prepare(tmp_path / "cut")
    expect_all_ways(error)


def test_no_such_path(prepare, tmp_path):
    with pytest.raises(NetworkUnavailableError, match="there is no checkpoint at") as error:
        prepare(tmp_path / "absent.ckpt")
    expect_all_ways(error)


def test_a_file_that_is_no_checkpoint(prepare, tmp_path):
    (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(1000))
    with pytest.raises(NetworkUnavailableError, match="cannot be read") as error:
        prepare(tmp_path / "song.mp3")
    expect_all_ways(error)


def test_checkpoint_with_a_kernel_missing(prepare, tmp_path):
    variables = make_variables()
    del variables["vggish/conv3/conv3_2/weights"]
    path = write_slim_checkpoint(tmp_path / "holed.ckpt", variables)
    with pytest.raises(NetworkMismatchError, match=r"wanted kernels of the shapes .*found") as error:
        prepare(path)
    expect_all_ways(error)


def test_checkpoint_with_a_bias_missing(prepare, tmp_path):
    variables = make_variables()
    del variables["vggish/fc1/fc1_2/biases"], variables["vggish/fc1/fc1_1/biases"]
    path = write_slim_checkpoint(tmp_path / "holed.ckpt", variables)
    with pytest.raises(NetworkMismatchError, match=f"no bias of length {DENSE}"):
        prepare(path)


def test_saved_model_of_another_network(prepare, tmp_path):
    import tensorflow as tf

    other = tf.Module()
    other.kernel = tf.Variable(tf.ones((5, 3)))
    tf.saved_model.save(other, str(tmp_path / "other"))
    with pytest.raises(NetworkMismatchError, match=r"found \(5,3\)") as error:
        prepare(tmp_path / "other")
    expect_all_ways(error)


def test_saved_model_with_the_weights_but_not_the_signature(prepare, tmp_path):
    import tensorflow as tf

    class Deaf(tf.Module):
        def __init__(self):
            super().__init__()
            self._variables = [tf.Variable(array, name=name) for name, array in make_variables().items()]

    tf.saved_model.save(Deaf(), str(tmp_path / "deaf"))
    with pytest.raises(NetworkMismatchError, match="takes no waveform"):
        prepare(tmp_path / "deaf")


def test_saved_model_that_gives_something_else(prepare, tmp_path):
    folder = write_saved_model(tmp_path / "narrow", make_variables(), finish=lambda x: x[:, :7])
    with pytest.raises(NetworkMismatchError, match=r"gives shape \(3, 7\), wanted \(n_patches, 128\)"):
        prepare(folder)


def test_musicnn_package_absent(prepare, monkeypatch):
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NetworkUnavailableError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        prepare("unused", feature="musicnn")


def test_musicnn_package_without_its_weights(prepare, monkeypatch, tmp_path):
    (tmp_path / "musicnn").mkdir()
    (tmp_path / "musicnn" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NetworkUnavailableError, match=r"MusiCNN cannot be had: there is no checkpoint"):
        prepare("unused", feature="musicnn")


def test_musicnn_with_another_checkpoint(prepare, monkeypatch, tmp_path):
    files = source.checkpoint_files(write_slim_checkpoint(tmp_path / "x.ckpt", make_variables()))
    monkeypatch.setattr(prepare_module, "locate_musicnn", lambda: files)
    with pytest.raises(NetworkMismatchError, match="not MusiCNN's: 'conv2d/kernel' is nothing"):
        prepare("unused", feature="musicnn")


def test_widths_of_the_tiny_network_are_inferred():
    matched = vggish_module.match_vggish_weights(make_variables())
    assert tuple(kernel.shape[-1] for kernel in matched.kernels[:6]) == CHANNELS
