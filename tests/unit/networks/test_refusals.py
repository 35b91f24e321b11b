"""Every way in which a network can be missing or wrong: clear errors that say what to do."""

import hashlib
import shutil

import pytest

from deepsound.errors import NetworkMismatchError, NetworkUnavailableError
from deepsound.networks import prepare as prepare_module
from deepsound.networks import source
from tests.tiny_vggish import DENSE, make_variables, write_saved_model, write_slim_checkpoint

THREE_WAYS = ("--set network=https://tfhub.dev/google/vggish/1", "SavedModel folder", "vggish_model.ckpt")


def expect_all_ways(error):
    message = str(error.value)
    for way in (*THREE_WAYS, "--set features=[musicnn]"):
        assert way in message
    return message


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
