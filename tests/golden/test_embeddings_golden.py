"""Front ends and MusiCNN against numbers that other implementations gave."""

import pathlib

import librosa
import numpy as np
import pytest

from deepsound.errors import ParameterError
from deepsound.features.musicnn import MusicnnExtractor
from deepsound.features.vggish_log_mel import VggishLogMelExtractor
from deepsound.networks.engine import NetworkFile, OnnxEngine, load_engine
from deepsound.networks.musicnn_input import compute_musicnn_log_mel, count_musicnn_patches, cut_stretches
from deepsound.networks.vggish_input import compute_vggish_patches, count_vggish_patches, cut_batches

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


def test_a_long_segment_goes_through_the_network_in_batches():
    patches = np.arange(33)[:, np.newaxis, np.newaxis]
    batches = cut_batches(patches)
    assert [len(batch) for batch in batches] == [16, 16, 1]
    np.testing.assert_array_equal(np.concatenate(batches), patches)


@pytest.mark.parametrize("n_samples", [47615, 47616, 160000, 448000])
def test_musicnn_log_mel_equals_librosa(n_samples):
    rng = np.random.default_rng(n_samples)
    waveform = (0.2 * rng.normal(size=n_samples) * np.linspace(0, 1, n_samples)).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=waveform, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    log_mel = np.log10(1 + 10000 * mel).T
    starts = range(0, len(log_mel) - 187 + 1, 93)
    got = compute_musicnn_log_mel(waveform)
    np.testing.assert_allclose(got, log_mel, atol=1e-4)
    patches = cut_stretches(got, max_patches=1)
    assert len(patches) == len(starts) == count_musicnn_patches(n_samples)
    for patch, start in zip(patches, starts, strict=True):
        np.testing.assert_array_equal(patch, got[start : start + 187])


@pytest.mark.parametrize("name", ["classical", "metal", "hiphop"])
def test_musicnn_equals_the_package(name, musicnn):
    engine = load_engine(musicnn)
    got = np.concatenate([engine.run(patch) for patch in MUSICNN[f"{name}__log_mel_patches"]])
    np.testing.assert_allclose(got, MUSICNN[f"{name}__penultimate"], atol=1e-3)


@pytest.mark.parametrize(
    ("n_patches", "lengths"), [(0, []), (1, [1]), (16, [16]), (17, [16, 1]), (40, [16, 16, 8])]
)
def test_a_long_musicnn_segment_goes_through_it_in_stretches(n_patches, lengths):
    log_mel = np.zeros((93 * n_patches + 93 + (n_patches > 0), 96), np.float32)
    assert [len(stretch) for stretch in cut_stretches(log_mel)] == [187 + 93 * (n - 1) for n in lengths]


def test_patches_do_not_depend_on_their_company(musicnn):
    waveform = np.random.default_rng(0).uniform(-1, 1, 28 * 16000).astype(np.float32)
    extractor = MusicnnExtractor(network=musicnn)
    together = extractor.compute(waveform)
    assert len(together) == 17, "more than one stretch"
    patches = cut_stretches(compute_musicnn_log_mel(waveform), max_patches=1)
    alone = np.concatenate([load_engine(musicnn).run(patch) for patch in patches])
    np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("shape", [(187, 95), (187,), (1, 187, 96)])
def test_engine_refuses_other_values(shape, musicnn):
    with pytest.raises(ParameterError, match=r"wants \(n, \*\(96,\)\)"):
        load_engine(musicnn).run(np.zeros(shape, np.float32))


def test_threads_give_the_same(musicnn):
    patch = MUSICNN["metal__log_mel_patches"][0]
    one, two = (OnnxEngine(pathlib.Path(musicnn.path), n_threads=n).run(patch) for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-4)
