"""A scaled-down VGGish as a SavedModel, with the signature and the inner structure of the one on TF-Hub.

Written after tensorflow/models research/audioset/vggish/vggish_export_tfhub.py, in TensorFlow's own operations:
the front end is ``tf.signal``, the network TF 1 layers in a wrapped function, the variables a plain list.
Nothing of deepsound takes part, so it is an independent yardstick.
"""

import functools
import http.server
import io
import pathlib
import tarfile
import threading
from collections.abc import Callable, Mapping

import numpy as np
import pytest

CHANNELS = (4, 6, 8, 8, 10, 10)
DENSE = 24
LAYERS = ("conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1", "conv4/conv4_2")
DENSE_LAYERS = ("fc1/fc1_1", "fc1/fc1_2", "fc2")


def make_variables(
    seed: int = 11, *, channels: tuple[int, ...] = CHANNELS, dense: int = DENSE
) -> dict[str, np.ndarray]:
    """Weights under the names of the published checkpoint, in the order in which the network creates them."""
    rng = np.random.default_rng(seed)
    shapes = [(3, 3, *pair) for pair in zip((1, *channels[:-1]), channels, strict=True)]
    shapes += [(24 * channels[-1], dense), (dense, dense), (dense, 128)]
    variables = {}
    for layer, shape in zip((*LAYERS, *DENSE_LAYERS), shapes, strict=True):
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        variables[f"vggish/{layer}/weights"] = (scale * rng.normal(size=shape)).astype(np.float32)
        variables[f"vggish/{layer}/biases"] = (0.1 * rng.normal(size=shape[-1])).astype(np.float32)
    return variables


def write_saved_model(
    folder: pathlib.Path, variables: Mapping[str, np.ndarray], *, finish: Callable | None = None
) -> pathlib.Path:
    """A SavedModel that takes a waveform (n_samples,) and gives ``finish`` of the embedding (n_patches, 128)."""
    import tensorflow as tf

    def log_mel_patches(waveform):
        magnitude = tf.abs(tf.signal.stft(waveform, frame_length=400, frame_step=160, fft_length=512))
        to_mel = tf.signal.linear_to_mel_weight_matrix(64, 257, 16000, 125.0, 7500.0)
        log_mel = tf.math.log(tf.matmul(magnitude, to_mel) + 0.01)
        return tf.signal.frame(log_mel, 96, 96, axis=0)

    class TinyVggish(tf.Module):
        def __init__(self):
            super().__init__()
            self._variables = []
            spec = tf.TensorSpec([None], tf.float32)
            self._vggish_fn = tf.compat.v1.wrap_function(self._define, signature=(spec,))

        def _variable(self, name):
            variable = tf.Variable(variables[name], name=name, trainable=False)
            self._variables.append(variable)
            return variable

        def _define(self, waveform):
            with tf.init_scope():
                held = {name: self._variable(name) for name in variables}
            x = log_mel_patches(waveform)[..., tf.newaxis]
            for layer in LAYERS:
                x = tf.nn.conv2d(x, held[f"vggish/{layer}/weights"], 1, "SAME")
                x = tf.nn.relu(x + held[f"vggish/{layer}/biases"])
                if not layer.endswith("_1"):
                    x = tf.nn.max_pool2d(x, 2, 2, "SAME")
            x = tf.reshape(x, [-1, variables["vggish/fc1/fc1_1/weights"].shape[0]])
            for layer in DENSE_LAYERS:
                x = tf.matmul(x, held[f"vggish/{layer}/weights"]) + held[f"vggish/{layer}/biases"]
                x = x if layer == "fc2" else tf.nn.relu(x)
            return finish(x) if finish else x

        @tf.function(input_signature=(tf.TensorSpec([None], tf.float32),))
        def __call__(self, waveform):
            return self._vggish_fn(waveform)

    tf.saved_model.save(TinyVggish(), str(folder))
    return folder


def write_slim_checkpoint(path: pathlib.Path, variables: Mapping[str, np.ndarray]) -> pathlib.Path:
    """A checkpoint in one file, as the published ``vggish_model.ckpt`` is."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        held = [tf.compat.v1.get_variable(name, initializer=array) for name, array in variables.items()]
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(held, write_version=tf.compat.v1.train.SaverDef.V1)
        saver.save(session, str(path), write_meta_graph=False)
    return path


@pytest.fixture(scope="session")
def tiny_vggish(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The SavedModel of :func:`make_variables`."""
    return write_saved_model(tmp_path_factory.mktemp("networks") / "vggish", make_variables())


@pytest.fixture(scope="session")
def network_cache(tmp_path_factory: pytest.TempPathFactory):
    """Converted networks of the tests lie apart from the user's own."""
    folder = tmp_path_factory.mktemp("network_cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSOUND_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def networks(tiny_vggish: pathlib.Path, network_cache: pathlib.Path) -> tuple:  # noqa: ARG001
    """MusiCNN as it is, and the scaled-down VGGish, prepared."""
    from deepsound.networks.prepare import prepare_networks

    return prepare_networks(("vggish", "musicnn"), network=str(tiny_vggish), report=lambda _: None)


@pytest.fixture
def tiny_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """``random:SEED`` gives a network as small as the others here."""
    from deepsound.networks import vggish

    widths = vggish.VggishWidths(conv1=4, conv2=6, conv3=8, conv4=10, dense=24)
    small = functools.partial(vggish.make_random_weights, widths=widths)
    monkeypatch.setattr(vggish, "make_random_weights", small)


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
