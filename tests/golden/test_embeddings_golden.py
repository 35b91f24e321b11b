"""Front ends and MusiCNN against numbers that other implementations gave."""

import pathlib

import librosa
import numpy as np
import pytest

from deepsound.errors import ParameterError
from deepsound.features.vggish_log_mel import VggishLogMelExtractor
from deepsound.networks.engine import NetworkFile, OnnxEngine, load_engine
from deepsound.networks.musicnn_input import compute_musicnn_patches, count_musicnn_patches
from deepsound.networks.vggish_input import compute_vggish_patches, count_vggish_patches

HERE = pathlib.Path(__file__).parent
VGGISH = np.load(HERE / "vggish_log_mel.npz")
MUSICNN = np.load(HERE / "musicnn_msd.npz")


@pytest.fixture
def musicnn(networks) -> NetworkFile:
    return next(network for network in networks if network.feature == "musicnn")


@pytest.mark.parametrize("name", ["sine_1khz_3s", "noise_2p5s", "chirp_100_7000_2s", "exactly_one_patch"])
def test_vggish_log_mel_equals_the_reference(name):
    waveform, expected = VGGISH[f"{name}__waveform"], VGGISH[f"{name}__patches"]
    got = compute_vggish_patches(waveform)
    assert got.dtype == np.float32
    assert len(got) == count_vggish_patches(len(waveform))
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["sine_1khz_3s", "noise_2p5s", "chirp_100_7000_2s", "exactly_one_patch"])
def test_the_log_mel_feature_is_the_reference_patch_after_patch(name):
    waveform, expected = VGGISH[f"{name}__waveform"], VGGISH[f"{name}__patches"]
    extractor = VggishLogMelExtractor()
    got = extractor.compute(waveform)
    assert got.shape == extractor.shape(len(waveform) / 16000) == (96 * len(expected), 64)
    np.testing.assert_allclose(got.reshape(-1, 96, 64), expected, atol=1e-4)


def test_one_sample_less_than_a_patch_is_none():
    waveform = VGGISH["exactly_one_patch__waveform"]
    assert compute_vggish_patches(waveform[:-1]).shape == (0, 96, 64)
    assert count_vggish_patches(len(waveform) - 1) == 0


@pytest.mark.parametrize("n_samples", [47615, 47616, 160000, 448000])
def test_musicnn_log_mel_equals_librosa(n_samples):
    rng = np.random.default_rng(n_samples)
    waveform = (0.2 * rng.normal(size=n_samples) * np.linspace(0, 1, n_samples)).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=waveform, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    log_mel = np.log10(1 + 10000 * mel).T
    starts = range(0, len(log_mel) - 187 + 1, 93)
    got = compute_musicnn_patches(waveform)
    assert len(got) == len(starts) == count_musicnn_patches(n_samples)
    for patch, start in zip(got, starts, strict=True):
        np.testing.assert_allclose(patch, log_mel[start : start + 187], atol=1e-4)


@pytest.mark.parametrize("name", ["classical", "metal", "hiphop"])
def test_musicnn_equals_the_package(name, musicnn):
    got = load_engine(musicnn).run(MUSICNN[f"{name}__log_mel_patches"])
    np.testing.assert_allclose(got, MUSICNN[f"{name}__penultimate"], atol=1e-3)


def test_patches_do_not_depend_on_their_company(musicnn):
    engine = load_engine(musicnn)
    patches = np.concatenate([MUSICNN[f"{name}__log_mel_patches"] for name in ("classical", "metal")] * 3)
    together = engine.run(patches)
    assert len(patches) == 18, "more than one batch"
    for i in (0, 15, 16, 17):
        np.testing.assert_allclose(together[i], engine.run(patches[i : i + 1])[0], atol=1e-4)


@pytest.mark.parametrize("shape", [(187, 96), (2, 186, 96), (0, 187, 97)])
def test_engine_refuses_other_patches(shape, musicnn):
    with pytest.raises(ParameterError, match=r"wants \(n_patches, \*\(187, 96\)\)"):
        load_engine(musicnn).run(np.zeros(shape, np.float32))


def test_threads_give_the_same(musicnn):
    patches = MUSICNN["metal__log_mel_patches"]
    one, two = (OnnxEngine(pathlib.Path(musicnn.path), n_threads=n).run(patches) for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-4)
