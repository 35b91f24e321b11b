"""Fine-tuning as a user runs it: extract log-mel patches, train through the network, score features and audio."""

import json
import pathlib
import shutil

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest

from deepsound.models.head import Head
from deepsound.training.registry import load_bundle
from tests.jobs.refusals import expect_refusal

FINETUNE = ["--set", "feature=vggish_log_mel", "--set", "architecture=vggish_finetune"]
SHORT = ["--set", "folds=0", "--set", "epochs=4", "--set", "learning_rate=0.01", "--set", "finetune.epochs=2"]


@pytest.fixture(scope="module")
def log_mel(spark, job, music, tmp_path_factory):  # noqa: ARG001
    folder = tmp_path_factory.mktemp("log_mel") / "features"
    labels = ["--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}"]
    options = ["--set", "features=[vggish_log_mel]", "--set", "segment_s=1", *labels]
    assert job("extract")(["--input", str(music), "--output", str(folder), *options]) == 0
    return folder


@pytest.mark.usefixtures("tiny_random", "network_cache")
def test_a_finetuned_network_is_tagged_registered_and_scored(job, log_mel, music, tmp_path):
    declared = json.loads((log_mel / "extract.json").read_text())["features"]["vggish_log_mel"]
    assert declared["shape"] == [96, 64]
    assert "network" not in declared
    rate = ["--set", "finetune.learning_rate=0.001", "--set", "finetune.network=random:3"]
    assert job("train")(["--features", str(log_mel), *FINETUNE, *SHORT, *rate]) == 0
    model = "models:/deepsound-vggish_log_mel@champion"
    bundle = load_bundle(model)
    run = mlflow.get_run(bundle.run_id)
    assert run.data.tags["deepsound.network"] == "random:3"
    assert run.data.tags["deepsound.architecture"] == "vggish_finetune"
    assert run.data.params["finetune.unfreeze"] == "['fc', 'conv4']"
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "epoch/validation_loss")) == 4 + 2

    assert set(bundle.head.spec.mean) == {0.0}
    assert set(bundle.head.spec.std) == {1.0}
    options = ["--model", model, "--set", "subset=test"]
    assert job("score")(["--input", str(log_mel), "--output", str(tmp_path / "s"), *options]) == 0
    summary = json.loads((tmp_path / "s" / "metrics.json").read_text())
    assert summary["accuracy"] == pytest.approx(run.data.metrics["test/accuracy"])

    audio = tmp_path / "audio"
    audio.mkdir()
    for genre in ("high", "low"):
        shutil.copy(music / genre / f"{genre}.00001.wav", audio / f"{genre}_1.wav")
    options = ["--model", model, "--set", "labels.from=filename_prefix"]
    assert job("score")(["--input", str(audio), "--output", str(tmp_path / "a"), *options]) == 0
    rows = {row["track_id"]: row for row in pq.read_table(tmp_path / "a" / "predictions").to_pylist()}
    segments = pq.read_table(log_mel / "segments", filters=[("track_id", "=", "high/high.00001.wav")]).to_pylist()
    values = np.array([row["vggish_log_mel"] for row in segments], np.float32).reshape(-1, 96, 64)
    expected = Head(bundle.head.spec, bundle.head.onnx_bytes).score(values).probabilities.mean(axis=0)
    np.testing.assert_allclose(rows["high_1.wav"]["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--set", "finetune.network=/nowhere/vggish"], "network_unavailable", ["--set finetune.network="]),
        (["--set", "finetune.unfreeze=[conv4]"], "config", ["finetune.unfreeze", "[fc, conv4]"]),
        (["--set", "feature=mfcc"], "config", ["wanted vggish_log_mel"]),
    ],
)
def test_train_refuses_in_one_line_before_a_run_is_started(job, log_mel, capsys, options, code, words):
    n_before = len(mlflow.search_runs(experiment_names=["deepsound"]))
    assert job("train")(["--features", str(log_mel), *FINETUNE, *options]) == 2
    expect_refusal(capsys, code, *words)
    assert len(mlflow.search_runs(experiment_names=["deepsound"])) == n_before


def test_a_feature_by_that_name_that_is_no_log_mel(job, write_features, capsys):
    rng = np.random.default_rng(0)
    rows = [{"track_id": f"t{i}", "genre": "ab"[i % 2], "values": rng.normal(size=(1, 4, 3))} for i in range(12)]
    folder = write_features(rows)
    summary = pathlib.Path(folder / "extract.json")
    summary.write_text(summary.read_text().replace('"toy"', '"vggish_log_mel"'))
    for part in (folder / "segments").glob("*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.rename_columns([*table.column_names[:-1], "vggish_log_mel"]), part)
    assert job("train")(["--features", str(folder), *FINETUNE]) == 2
    expect_refusal(capsys, "parameter", "log-mel patches", "(4, 3)")
