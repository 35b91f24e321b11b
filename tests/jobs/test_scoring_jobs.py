"""Scoring as a user runs it: several models, other people's labels, a page to show around, a killed run."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs.refusals import expect_refusal

MAP = """
name: pitches
version: 3
source: these tests
targets: [high, low, noise]
map:
  high: high
  Bässe: low
  noise: noise
"""


@pytest.fixture(scope="module")
def other(job, features, tmp_path_factory):
    """A second model of the same feature, which has learned little."""
    outcome = tmp_path_factory.mktemp("other") / "outcome.json"
    small = ["--set", "folds=0", "--set", "epochs=1", "--set", "cnn.filters=[2]", "--set", "refit=false"]
    arguments = ["--features", str(features), "--output", str(outcome), "--set", "seed=3", *small]
    assert job("train")(arguments) == 0
    return json.loads(outcome.read_text())["model"]


@pytest.fixture
def relabelled(features, tmp_path):
    """The made-up music, as somebody else labelled it."""
    folder = tmp_path / "collection"
    copy(features, folder)
    (path,) = (folder / "tracks").glob("*.parquet")
    table = pq.read_table(path)
    names = {"high": "high", "low": "bässe!", "noise": "krautrock"}
    rank = {track_id: i for i, track_id in enumerate(sorted(table["track_id"].to_pylist()))}
    rows = zip(table["track_id"].to_pylist(), table["genre"].to_pylist(), strict=True)
    labels = [None if rank[track_id] % 4 == 0 else names[genre] for track_id, genre in rows]
    pq.write_table(table.set_column(table.schema.get_field_index("genre"), "genre", pa.array(labels)), path)
    return folder


def copy(features, folder):
    """Without Hadoop's checksums, as some files will be others."""
    shutil.copytree(features, folder, ignore=shutil.ignore_patterns(".*.crc"))


def read(folder):
    return sorted(pq.read_table(folder / "predictions").to_pylist(), key=lambda row: row["track_id"])


def test_two_models_side_by_side_on_labels_of_other_people(
    spark,  # noqa: ARG001
    job,
    trained,
    other,
    relabelled,
    tmp_path,
    capsys,
):
    (tmp_path / "map.yaml").write_text(MAP)
    output = tmp_path / "s"
    arguments = ["--input", str(relabelled), "--model", trained, "--model", other, "--output", str(output)]
    assert job("score")([*arguments, "--segments", "--set", f"labels.map={tmp_path / 'map.yaml'}"]) == 0
    said = capsys.readouterr().out
    assert "mfcc-1 against mfcc-2, on 12 tracks" in said
    assert "McNemar" in said or "right on the very same tracks" in said
    assert "6 tracks have a label the model does not know" in said
    folders = [output / "models" / name for name in ("mfcc-1", "mfcc-2")]
    good, poor = (json.loads((folder / "metrics.json").read_text()) for folder in folders)
    assert good["label_outcomes"] == {"mapped": 12, "unlabelled": 6, "unmapped": 6}
    assert good["n_labelled"] == poor["n_labelled"] == 12
    assert good["accuracy"] > poor["accuracy"]
    (pair,) = json.loads((output / "comparison.json").read_text())
    assert pair["difference"] == pytest.approx(good["accuracy"] - poor["accuracy"])
    page = (folders[0] / "scorecard.html").read_text()
    assert "krautrock" not in page, "labels outside the map are counted, not shown"
    assert "mfcc-1 against mfcc-2" in page
    assert not re.search(r"<script[^>]+src|src=.?http", page)
    for folder, model in zip(folders, (trained, other), strict=True):
        assert pq.read_table(folder / "segments").num_rows == pq.read_table(relabelled / "segments").num_rows
        runs = mlflow.search_runs(
            experiment_names=["deepsound"],
            filter_string=f"tags.`deepsound.model` = '{model}' and params.input = '{relabelled}'",
        )
        (run_id,) = runs["run_id"]
        logged = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="scorecard.html"))
        assert logged.read_text() == (folder / "scorecard.html").read_text()
        assert runs["metrics.collection/ood_auroc_all"][0] == pytest.approx(
            json.loads((folder / "metrics.json").read_text())["ood"]["detection"]["all"]["auroc"]
        )


def test_an_unlabelled_collection_gets_shares(spark, job, trained, features, tmp_path, capsys):  # noqa: ARG001
    folder = tmp_path / "collection"
    copy(features, folder)
    (path,) = (folder / "tracks").glob("*.parquet")
    table = pq.read_table(path)
    nothing = pa.nulls(table.num_rows, pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("genre"), "genre", nothing), path)
    assert job("score")(["--input", str(folder), "--model", trained, "--output", str(tmp_path / "s")]) == 0
    assert "no known genre, so no accuracy; shares of" in capsys.readouterr().out
    rows = pq.read_table(tmp_path / "s" / "per_genre").to_pylist()
    for row in rows:
        assert row["estimated_share_low"] <= row["estimated_share"] <= row["estimated_share_high"]
        assert (row["n_true"], row["recall"]) == (0, None)
    assert sum(row["estimated_share"] for row in rows) == pytest.approx(1)
    assert json.loads((tmp_path / "s" / "metrics.json").read_text())["accuracy"] is None


@pytest.mark.soak
def test_a_killed_scoring_leaves_nothing_half_done(spark, job, trained, features, store, tmp_path):  # noqa: ARG001
    output = tmp_path / "s"
    arguments = ["--input", str(features), "--model", trained, "--output", str(output), "--segments"]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}"}
    environment["PYTHONPATH"] = str(pathlib.Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "deepsound.cli", "score", *arguments]
    process = subprocess.Popen(
        command,
        cwd=store,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    while process.poll() is None and not list(output.glob("_scoring/*/results/predictions")):
        time.sleep(0.01)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert {path.name for path in output.iterdir()} == {"_scoring"}
    for where in (output, tmp_path / "undisturbed"):
        assert job("score")([*arguments[:5], str(where), "--segments"]) == 0
    assert read(output) == read(tmp_path / "undisturbed")
    a, b = (json.loads((where / "metrics.json").read_text()) for where in (output, tmp_path / "undisturbed"))
    assert a == b
    assert not (output / "_scoring").exists()


def test_a_label_map_that_is_none(spark, job, features, trained, tmp_path, capsys):  # noqa: ARG001
    arguments = ["--input", str(features), "--model", trained, "--output", str(tmp_path / "s")]
    assert job("score")([*arguments, "--set", "labels.map=fam"]) == 2
    expect_refusal(capsys, "label_map", "there is no label map fam; wanted fma, id3, jamendo")
    assert job("score")([*arguments, "--set", "labels.map=fma"]) == 2
    expect_refusal(capsys, "label_map", "does not know: blues", "it knows high, low, noise")
    assert not (tmp_path / "s").exists()
