"""The three jobs as a user runs them: outputs, MLflow, exit codes, one-line errors."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from deepsound import cli
from deepsound.models.bundle import read_bundle
from deepsound.models.head import Head
from deepsound.training.registry import load_bundle
from tests.jobs.refusals import expect_refusal


@pytest.fixture(scope="module")
def run(trained, store):
    # By name: this is set up before the store of the process is put right for a test.
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{store / 'mlflow.db'}")
    version = client.get_model_version(*trained.removeprefix("models:/").split("/"))
    return client.get_run(version.run_id)


def artifact(run, name):
    return pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name))


def test_a_run_has_settings_curves_metrics_and_pictures(run, music):
    assert run.data.params["split.by"] == "artist"
    assert run.data.params["seed"] == "3"
    assert "cnn.filters" in run.data.params
    assert not [
        name for name in run.data.params if name.partition(".")[0] in ("lstm", "mlp", "search", "finetune")
    ]
    assert run.info.run_name == f"mfcc cnn · {music.name} · seed 3"
    settings = json.loads(artifact(run, "settings.json").read_text())
    assert settings["cnn"]["filters"] == [8]
    assert settings["lstm"], "the file has all of them"
    assert {"test/accuracy", "test/accuracy_low", "test/macro_f1", "validation/accuracy"} <= set(run.data.metrics)
    curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, "epoch/validation_loss")
    assert [point.step for point in curve] == list(range(len(curve)))
    assert len(curve) > 3
    for name in ("pictures/confusion_matrix.png", "pictures/learning_curves.png"):
        assert artifact(run, name).read_bytes().startswith(b"\x89PNG")
    assert len(run.data.tags["deepsound.data_fingerprint"]) == 64
    assert "split by artist" in run.data.tags["mlflow.note.content"]
    inputs = {one.tags[0].value: json.loads(one.dataset.profile)["n_tracks"] for one in run.inputs.dataset_inputs}
    assert (set(inputs), sum(inputs.values())) == ({"training", "validation", "test"}, 24)


def test_the_model_learned_what_is_easy(run):
    assert run.data.metrics["test/accuracy"] >= 0.8
    table = json.loads(artifact(run, "per_genre.json").read_text())
    assert {row[0] for row in table["data"]} == {"high", "low", "noise"}


def test_no_artist_is_on_two_sides(trained):
    split = load_bundle(trained).split.to_pandas()
    assert set(split["split"]) == {"train", "validation", "test"}
    assert split.groupby("artist")["split"].nunique().max() == 1


def test_standardisation_is_of_the_training_split_only(trained, features):
    bundle = load_bundle(trained)
    segments = pq.read_table(features / "segments").to_pylist()
    training = set(bundle.tracks_in("train"))
    values = np.array([row["mfcc"] for row in segments if row["track_id"] in training]).reshape(-1, 13)
    np.testing.assert_allclose(bundle.head.spec.mean, values.mean(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(bundle.head.spec.std, values.std(axis=0), rtol=1e-3)


def test_keras_weights_and_onnx_head_agree(trained):
    import keras

    folder = next(pathlib.Path(mlflow.artifacts.download_artifacts(trained)).glob("**/bundle.json"))
    bundle = read_bundle(folder.parent)
    model = keras.saving.load_model(folder.parent / "model.keras", safe_mode=True)
    features = np.random.default_rng(0).normal(size=(5, *bundle.head.spec.shape)).astype(np.float32)
    standardized = (features - np.float32(bundle.head.spec.mean)) / np.float32(bundle.head.spec.std)
    expected = np.asarray(model(standardized, training=False))
    np.testing.assert_allclose(
        Head(bundle.head.spec, bundle.head.onnx_bytes).compute_logits(features), expected, atol=1e-4
    )


def test_any_mlflow_client_can_load_the_model(trained, store):
    """A process that has deepsound, but neither TensorFlow nor Spark."""
    program = """
import sys
sys.modules |= dict.fromkeys(["tensorflow", "keras", "pyspark", "librosa"])  # importing these now fails
import mlflow, numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(np.zeros((2, 44, 13), np.float32))
print(list(table.columns), len(table), float(table[["p_high", "p_low", "p_noise"]].sum(axis=1).iloc[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, trained], capture_output=True, text=True, cwd=store, check=False
    )
    assert done.returncode == 0, done.stderr
    columns = ["predicted_genre", "confidence", "ood_score", "p_high", "p_low", "p_noise", "reason"]
    assert done.stdout.startswith(f"{columns} 2 ")
    assert float(done.stdout.split()[-1]) == pytest.approx(1)


def test_nothing_in_the_logged_model_is_pickled(trained):
    folder = pathlib.Path(mlflow.artifacts.download_artifacts(trained))
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert "bundle.json" in names
    assert [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))] == []


def test_score_held_out_tracks_and_link_the_runs(
    spark,  # noqa: ARG001
    job,
    trained,
    features,
    music,
    run,
    store,
    password,
    tmp_path,
    capsys,
):
    arguments = ["--input", str(features), "--model", trained, "--output", str(tmp_path / "s")]
    assert job("score")([*arguments, "--set", "subset=test"]) == 0
    summary = json.loads((tmp_path / "s" / "metrics.json").read_text())
    assert summary["accuracy"] == pytest.approx(run.data.metrics["test/accuracy"])
    assert summary["n_tracks"] == pq.read_table(tmp_path / "s" / "predictions").num_rows == 6
    assert "accuracy" in capsys.readouterr().out
    found = mlflow.search_runs(
        experiment_names=["deepsound"],
        filter_string=f"tags.`deepsound.model_run_id` = '{run.info.run_id}' and params.subset = 'test'",
    )
    assert len(found) == 1
    assert found["tags.mlflow.runName"][0] == f"{music.name} (test tracks) · {trained.removeprefix('models:/')}"
    scored = mlflow.get_run(found["run_id"][0])
    (used,) = scored.inputs.model_inputs
    assert mlflow.get_logged_model(used.model_id).source_run_id == run.info.run_id
    assert [one.dataset.name for one in scored.inputs.dataset_inputs] == [music.name]
    assert found["metrics.collection/accuracy"][0] == pytest.approx(summary["accuracy"])
    for folder in (features, store, tmp_path / "s"):
        told = [path for path in folder.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
        assert told == [], "the password of an address in the settings"


def test_score_raw_audio_with_the_models_own_settings(spark, job, trained, clip, tmp_path):  # noqa: ARG001
    audio = tmp_path / "foreign"
    audio.mkdir()
    for number, genre in enumerate(("high", "low", "noise", "low")):
        samples = clip(genre, 90 + number, duration_s=3, sample_rate_hz=32000)
        soundfile.write(audio / f"{genre}_{number}.flac", samples, 32000)
    (audio / "high_9.wav").write_text("no music")
    labels = ["--set", "labels.from=filename_prefix"]
    arguments = ["--input", str(audio), "--model", trained, "--output", str(tmp_path / "s"), *labels]
    assert job("score")(arguments) == 0
    summary = json.loads((tmp_path / "s" / "features" / "extract.json").read_text())
    assert summary["settings"]["segment_s"] == 1.0
    rows = {row["track_id"]: row for row in pq.read_table(tmp_path / "s" / "predictions").to_pylist()}
    assert {k: r["genre"] for k, r in rows.items()} == {
        "high_0.flac": "high",
        "low_1.flac": "low",
        "noise_2.flac": "noise",
        "low_3.flac": "low",
        "high_9.wav": "high",
    }
    assert rows["high_9.wav"]["error_code"] == "unsupported_format"
    assert rows["low_1.flac"]["n_segments"] == 3
    assert sum(r["predicted_genre"] == r["genre"] for r in rows.values()) >= 3


def test_too_many_failures_exit_with_3_and_are_written(spark, job, trained, tmp_path, capsys):  # noqa: ARG001
    audio = tmp_path / "broken"
    audio.mkdir()
    for number in range(3):
        (audio / f"low_{number}.wav").write_text("no music")
    assert job("extract")(["--input", str(audio), "--output", str(tmp_path / "f"), "--set", "segment_s=1"]) == 3
    assert pq.read_table(tmp_path / "f" / "tracks").num_rows == 3
    assert pq.read_table(tmp_path / "f" / "segments").num_rows == 0
    assert "error [too_many_failures]: 3 of 3 tracks failed (3 unsupported_format)" in capsys.readouterr().err
    assert job("score")(["--input", str(tmp_path / "f"), "--model", trained, "--output", str(tmp_path / "s")]) == 3
    summary = json.loads((tmp_path / "s" / "metrics.json").read_text())
    assert (summary["n_failed"], summary["accuracy"]) == (3, None)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--set", "segment=5"], "config", ["unknown setting 'segment'", "did you mean 'segment_s'"]),
        (["--set", "segment_s=long"], "config", ["'segment_s' is 'long'; wanted float"]),
        (["--config", "absent.yaml"], "config", ["there is no settings file absent.yaml", "gtzan"]),
        (["--set", "features=[mfccs]"], "unknown_feature", ["unknown feature 'mfccs'", "mfcc"]),
        (["--input", "absent"], "input", ["absent does not exist"]),
        (["--set", "labels.from=csv", "--set", "labels.csv=no.csv"], "labels", ["no.csv does not exist"]),
    ],
)
def test_extract_refuses_in_one_line(spark, job, music, tmp_path, capsys, options, code, words):  # noqa: ARG001
    arguments = ["--input", str(music), "--output", str(tmp_path / "f"), *options]
    assert job("extract")(arguments) == 2
    expect_refusal(capsys, code, *words)


def test_unreadable_yaml(job, music, tmp_path, capsys):
    (tmp_path / "bad.yaml").write_text("segment_s: [1,\n  :")
    arguments = ["--input", str(music), "--output", str(tmp_path / "f"), "--config", str(tmp_path / "bad.yaml")]
    assert job("extract")(arguments) == 2
    expect_refusal(capsys, "config", "bad.yaml is not valid YAML")


def toy_rows(n_genres=2, n_tracks=4):
    values = np.random.default_rng(0).normal(size=(n_tracks, 2, 4, 3))
    return [{"track_id": f"t{i}", "genre": f"g{i % n_genres}", "values": values[i]} for i in range(n_tracks)]


@pytest.mark.parametrize(
    ("change", "options", "code", "words"),
    [
        (lambda rows: rows[:1], [], "labels", ["at least two genres, found only 'g0'"]),
        (lambda rows: [{**r, "genre": None} for r in rows], [], "labels", ["found no label at all"]),
        (lambda rows: rows, [], "split", ["too few tracks to split"]),
        (lambda rows: rows, ["--set", "feature=mfcc"], "unknown_feature", ["declare no 'mfcc'; declared: toy"]),
        (lambda rows: rows, ["--set", "genres=[x,y]"], "labels", ["has one of the genres x, y"]),
    ],
)
def test_train_refuses_in_one_line(job, write_features, capsys, change, options, code, words):
    features = write_features(change(toy_rows()))
    assert job("train")(["--features", str(features), "--set", "feature=toy", *options]) == 2
    expect_refusal(capsys, code, *words)


def test_train_refuses_a_leaking_split_column(job, write_features, capsys):
    rows = toy_rows(n_tracks=12)
    for i, row in enumerate(rows):
        row["artist"] = "Same Old" if i in (0, 11) else f"artist {i}"
        row["split"] = ("train", "train", "validation", "test")[i // 3]
    features = write_features(rows)
    assert job("train")(["--features", str(features), "--set", "feature=toy"]) == 2
    expect_refusal(capsys, "leakage", "artist 'Same Old': t0 (train), t11 (test)")
    small = ["--set", "feature=toy", "--set", "allow_leaks=true", "--set", "epochs=1", "--set", "folds=0"]
    assert job("train")(["--features", str(features), *small]) == 0
    runs = mlflow.search_runs(experiment_names=["deepsound"], filter_string="tags.`deepsound.feature` = 'toy'")
    assert runs["tags.deepsound.leaks_allowed"][0] == "true"


def test_train_tells_of_nan_before_a_run_is_started(job, write_features, capsys):
    rows = toy_rows(n_tracks=12)
    rows[5]["values"][0, 0, 0] = np.nan
    assert job("train")(["--features", str(write_features(rows)), "--set", "feature=toy"]) == 2
    expect_refusal(capsys, "schema_mismatch", "'toy' holds NaN")


def test_unfinished_features(job, features, tmp_path, capsys):
    shutil.copytree(features, tmp_path / "half")
    (tmp_path / "half" / "extract.json").unlink()
    assert job("train")(["--features", str(tmp_path / "half")]) == 2
    expect_refusal(capsys, "input", "its extraction did not finish")


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("no/such/folder", "bundle", ["there is no model at 'no/such/folder'"]),
        (".", "bundle", ["is no model bundle"]),
        ("models:/deepsound-absent@champion", "tracking", ["deepsound-absent"]),
        ("runs:/0123456789abcdef0123456789abcdef/model", "tracking", ["cannot be used"]),
    ],
)
def test_score_refuses_a_model_in_one_line(job, features, tmp_path, capsys, model, code, words):
    assert job("score")(["--input", str(features), "--model", model, "--output", str(tmp_path / "s")]) == 2
    expect_refusal(capsys, code, *words)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"taxonomy": []}, "has no taxonomy"),
        ({"format_version": 99}, "has bundle format 99"),
    ],
)
def test_score_refuses_a_bundle_that_it_cannot_understand(job, features, trained, tmp_path, capsys, change, words):
    downloaded = pathlib.Path(mlflow.artifacts.download_artifacts(trained, dst_path=str(tmp_path / "model")))
    (manifest,) = downloaded.rglob("bundle.json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    capsys.readouterr()
    arguments = ["--input", str(features), "--model", str(manifest.parent), "--output", str(tmp_path / "s")]
    assert job("score")(arguments) == 2
    expect_refusal(capsys, "bundle", words)
    assert not (tmp_path / "s").exists()


def test_a_model_that_may_not_be_read(job, features, trained, tmp_path, capsys, monkeypatch):
    # Tests may run as root, for whom there is no such thing.
    def refuse(**_):
        raise PermissionError(13, "Permission denied", "/mnt/models/bundle.json")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", refuse)
    assert job("score")(["--input", str(features), "--model", trained, "--output", str(tmp_path / "s")]) == 2
    expect_refusal(capsys, "tracking", trained, "Permission denied", "bundle.json")


def test_score_refuses_features_of_another_definition(spark, job, trained, music, tmp_path, capsys):  # noqa: ARG001
    options = ["--set", "segment_s=1", "--set", "normalize=rms"]
    assert job("extract")(["--input", str(music), "--output", str(tmp_path / "f"), *options]) == 0
    capsys.readouterr()
    arguments = ["--input", str(tmp_path / "f"), "--model", trained, "--output", str(tmp_path / "s")]
    assert job("score")(arguments) == 2
    expect_refusal(capsys, "fingerprint_mismatch", "other settings or another definition", '"normalize": "peak"')


def test_an_unreachable_store_is_known_before_training(job, features, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:/tmp/old-store")
    assert job("train")(["--features", str(features)]) == 2
    expect_refusal(capsys, "tracking", "file:/tmp/old-store")
    assert "epoch 1" not in capsys.readouterr().err
    assert "MLFLOW_REGISTRY_URI" not in os.environ
    assert mlflow.get_tracking_uri().startswith("sqlite:")


def test_tracks_tells_of_failures(features, tmp_path, capsys):
    assert cli.main(["tracks", str(features)]) == 0
    assert capsys.readouterr().out.startswith("24 tracks: 24 ok (0.01 h), 0 failed")
    assert cli.main(["tracks", str(features), "--code", "silent"]) == 2
    expect_refusal(capsys, "parameter", "failed with 'silent'; codes: none failed")
    assert cli.main(["tracks", str(features), "--limit", "-1"]) == 2
    expect_refusal(capsys, "parameter", "--limit is -1")
    assert cli.main(["tracks", str(tmp_path)]) == 2
    expect_refusal(capsys, "input", "its extraction did not finish")
