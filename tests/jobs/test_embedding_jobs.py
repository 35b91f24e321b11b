"""The three jobs on an embedding: tags, audio scored with the model's own network, refusals in one line."""

import json
import pathlib
import shutil

import mlflow
import pyarrow.parquet as pq
import pytest

from deepsound.networks import source
from tests.jobs.refusals import expect_refusal
from tests.tiny_vggish import make_variables, write_saved_model

VGGISH = ["--set", "features=[vggish]", "--set", "segment_s=1"]
SMALL = ["--set", "feature=vggish", "--set", "folds=0", "--set", "epochs=15", "--set", "cnn.filters=[8]"]
ABSENT, DEAF = "/nowhere/vggish", "http://127.0.0.1:9/v/1"


def with_network(path):
    return ["--set", f"network={path}"]


@pytest.fixture(scope="module")
def network(tiny_vggish, network_cache, tmp_path_factory):  # noqa: ARG001
    """A place for the network that the tests may move it from."""
    return shutil.copytree(tiny_vggish, tmp_path_factory.mktemp("own") / "vggish")


@pytest.fixture(scope="module")
def model(spark, job, music, network, tmp_path_factory):  # noqa: ARG001
    features = tmp_path_factory.mktemp("vggish") / "features"
    labels = ["--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}"]
    options = [*VGGISH, *labels, *with_network(network)]
    assert job("extract")(["--input", str(music), "--output", str(features), *options]) == 0
    outcome = features.parent / "outcome.json"
    assert job("train")(["--features", str(features), "--output", str(outcome), *SMALL]) == 0
    return json.loads(outcome.read_text())["model"]


@pytest.fixture
def audio(music, tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    for genre in ("high", "low"):
        shutil.copy(music / genre / f"{genre}.00001.wav", folder / f"{genre}_1.wav")
    return folder


def score(job, audio, model, output, *options):
    labels = ["--set", "labels.from=filename_prefix"]
    return job("score")(["--input", str(audio), "--model", model, "--output", str(output), *labels, *options])


def run_of(model):
    """The run that made a model of the registry, by its URI: other tests keep their runs in the same store."""
    name, version = model.removeprefix("models:/").split("/")
    client = mlflow.MlflowClient()
    return client.get_run(client.get_model_version(name, version).run_id)


def test_the_network_is_tagged_on_the_run(model, network):
    run = run_of(model)
    assert run.data.tags["deepsound.network"] == str(network)
    assert run.data.params["cnn.kernel_size"] == "[1, 0]"


def test_audio_is_scored_with_the_models_own_network(job, audio, model, network, tmp_path):
    assert score(job, audio, model, tmp_path / "s") == 0
    assert pq.read_table(tmp_path / "s" / "predictions").num_rows == 2
    summary = json.loads((tmp_path / "s" / "features" / "extract.json").read_text())
    assert summary["features"]["vggish"]["network"] == str(network)


def test_a_network_that_has_moved_is_found_by_setting(job, audio, model, network, tmp_path, capsys):
    moved = pathlib.Path(f"{network}-elsewhere")
    network.rename(moved)
    try:
        assert score(job, audio, model, tmp_path / "s") == 2
        expect_refusal(capsys, "network_unavailable", str(network), "--set network=")
        assert score(job, audio, model, tmp_path / "s", *with_network(moved)) == 0
    finally:
        moved.rename(network)


def test_another_network_is_not_the_models(job, audio, model, tmp_path, capsys):
    other = write_saved_model(tmp_path / "other", make_variables(seed=12))
    assert score(job, audio, model, tmp_path / "s", *with_network(other)) == 2
    expect_refusal(capsys, "fingerprint_mismatch", "trained on vggish")


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_random_weights_are_tagged_as_such(spark, job, music, tmp_path):  # noqa: ARG001
    features = tmp_path / "features"
    options = [*VGGISH, *with_network("random:3")]
    assert job("extract")(["--input", str(music), "--output", str(features), *options]) == 0
    declared = json.loads((features / "extract.json").read_text())["features"]["vggish"]
    assert declared["definition"]["network"]["random_seed"] == "3"
    outcome = tmp_path / "outcome.json"
    options = ["--output", str(outcome), *SMALL, "--set", "epochs=1"]
    assert job("train")(["--features", str(features), *options]) == 0
    assert run_of(json.loads(outcome.read_text())["model"]).data.tags["deepsound.network"] == "random:3"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (with_network(ABSENT), "network_unavailable", [ABSENT, "SavedModel folder", "musicnn"]),
        (with_network(DEAF), "network_unavailable", ["could not be fetched", "vggish_model.ckpt"]),
        (with_network("random:x"), "network_unavailable", ["wanted random:SEED"]),
        ([*with_network("random:0"), "--set", "segment_s=0.9"], "config", ["one patch of 'vggish' takes 0.975"]),
    ],
)
@pytest.mark.usefixtures("spark", "tiny_random", "network_cache")
def test_extract_refuses_in_one_line(job, music, tmp_path, capsys, monkeypatch, options, code, words):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    assert job("extract")(["--input", str(music), "--output", str(tmp_path / "f"), *VGGISH, *options]) == 2
    expect_refusal(capsys, code, *words)
    assert not (tmp_path / "f").exists()


@pytest.mark.usefixtures("spark")
def test_musicnn_absent(job, music, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(source.importlib.util, "find_spec", lambda _: None)
    options = ["--set", "features=[musicnn]"]
    assert job("extract")(["--input", str(music), "--output", str(tmp_path / "f"), *options]) == 2
    expect_refusal(capsys, "network_unavailable", "pip install --no-deps musicnn==0.1.0")
