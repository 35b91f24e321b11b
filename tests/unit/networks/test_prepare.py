"""Networks from every source people have, and every way in which a source can be wrong."""

import hashlib
import json
import pathlib
import shutil

import numpy as np
import pytest

from deepsound.errors import NetworkUnavailableError, OutputError
from deepsound.features.vggish import VggishExtractor
from deepsound.networks import prepare as prepare_module
from deepsound.networks import vggish as vggish_module
from deepsound.networks.engine import load_engine
from deepsound.networks.prepare import prepare_networks
from tests.tiny_vggish import CHANNELS, make_variables, write_saved_model, write_slim_checkpoint


@pytest.fixture
def music():
    rng = np.random.default_rng(3)
    time_s = np.arange(3 * 16000) / 16000
    return (0.3 * np.sin(2 * np.pi * 440 * time_s) + 0.1 * rng.normal(size=len(time_s))).astype(np.float32)


def call_saved_model(folder, waveform):
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    return model(waveform).numpy()


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


def test_checkpoint_of_the_newer_form_by_either_name(prepare, tiny_vggish, tmp_path):
    digest = prepare(tiny_vggish).digest
    assert prepare(tiny_vggish / "variables" / "variables").digest == digest
    assert prepare(tiny_vggish / "variables" / "variables.index").digest == digest
    for path in (tiny_vggish / "variables").iterdir():
        shutil.copyfile(path, tmp_path / path.name.replace("variables", "vggish [1]*"))
    assert prepare(tmp_path / "vggish [1]*").digest == digest


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


@pytest.mark.usefixtures("tiny_random")
def test_random_network_is_seeded_and_marked(prepare):
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


def test_widths_of_the_tiny_network_are_inferred():
    matched = vggish_module.match_vggish_weights(make_variables())
    assert tuple(kernel.shape[-1] for kernel in matched.kernels[:6]) == CHANNELS
