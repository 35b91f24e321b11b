"""A model of two features: trained, registered, compared and scored as one of a single feature is."""

import json

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound import cli
from deepsound.models.head import load_head
from deepsound.training.registry import load_bundle

LDA = ["--set", "feature=tune+toy", "--set", "architecture=lda", "--set", "folds=3"]
GENRES = ("high", "low", "noise")


@pytest.fixture
def folder(write_features):
    """``toy`` tells the first genre from the others, ``tune`` the second: it takes both to tell all."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "track_id": f"t{i:02}",
            "genre": GENRES[i // 2 % 3],
            "artist": f"artist {i // 2}",
            "values": 6 * (i // 2 % 3 == 0) + rng.normal(size=(2, 4, 3)),
        }
        for i in range(60)
    ]
    folder = write_features(rows)
    path = folder / "segments" / "part-0.parquet"
    table = pq.read_table(path)
    tunes = [6.0 * (genre == "low") + rng.normal(size=4) for genre in table["genre"].to_pylist()]
    pq.write_table(table.append_column("tune", pa.array(tunes, pa.list_(pa.float32()))), path)
    summary = json.loads((folder / "extract.json").read_text())
    summary["features"]["tune"] = {"shape": [2, 2], "fingerprint": "a" * 64}
    (folder / "extract.json").write_text(json.dumps(summary))
    return folder


def test_from_training_to_scores(job, folder, tmp_path, capsys):
    outcome = tmp_path / "outcome.json"
    assert job("train")(["--features", str(folder), "--output", str(outcome), *LDA]) == 0
    uri = "models:/deepsound-toy+tune@champion"
    bundle = load_bundle(uri)
    assert (bundle.feature, [f.fingerprint[0] for f in bundle.features]) == ("toy+tune", ["f", "a"])
    assert mlflow.get_run(bundle.run_id).data.params["feature"] == "toy+tune"
    table = pq.read_table(folder / "segments").sort_by([("track_id", "ascending"), ("segment_index", "ascending")])
    values = np.concatenate([np.stack(table[name].to_numpy()) for name in ("toy", "tune")], axis=1)
    probabilities = load_head(bundle.head).score(values[:, np.newaxis]).probabilities
    expected = probabilities.reshape(60, 2, 3).mean(axis=1)
    arguments = ["--input", str(folder), "--model", uri, "--output", str(tmp_path / "scores")]
    assert job("score")(arguments) == 0
    scores = pq.read_table(tmp_path / "scores" / "predictions").sort_by("track_id")
    np.testing.assert_allclose(scores["probabilities"].to_pylist(), expected, atol=1e-6)
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.9
    assert metrics["fingerprint"] == bundle.feature_fingerprint
    flat = mlflow.pyfunc.load_model(uri).predict(values[:, np.newaxis].astype(np.float32))
    np.testing.assert_allclose(flat["p_low"], probabilities[:, 1], atol=1e-6)
    _compare_with_one_feature(job, folder, uri, capsys)


def _compare_with_one_feature(job, folder, uri, capsys):
    assert job("train")(["--features", str(folder), *LDA, "--set", "feature=toy"]) == 0
    one = "models:/deepsound-toy@champion"
    capsys.readouterr()
    assert cli.main(["compare", uri, one, str(folder)]) == 0
    assert "A is better by more than chance" in capsys.readouterr().out
    # The champion that is there is held against the next one.
    assert job("train")(["--features", str(folder), *LDA]) == 0
    assert "not shown to be better than version 1 on" in capsys.readouterr().err
    summary = json.loads((folder / "extract.json").read_text())
    summary["features"]["tune"]["fingerprint"] = "b" * 64
    (folder / "extract.json").write_text(json.dumps(summary))
    assert cli.main(["compare", uri, one, str(folder)]) == 2
    assert "was trained on tune with the fingerprint aaaa" in capsys.readouterr().err
