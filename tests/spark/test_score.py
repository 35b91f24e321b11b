"""Scoring in Spark: held against numpy and scikit-learn, with every kind of incomplete collection."""

import dataclasses
import functools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.special
import sklearn.metrics

from deepsound.config import LabelSettings, ScoreSettings
from deepsound.errors import (
    FingerprintMismatchError,
    InputError,
    OutputError,
    SplitError,
    UnknownFeatureError,
)
from deepsound.spark import heads
from deepsound.spark.score import score
from deepsound.spark.score_input import name_models, own_settings

GENRES = ("high", "low", "noise")


def run_all(spark, bundles, features, output, *, report=lambda _: None, **settings):
    return score(
        spark,
        str(features),
        str(output),
        models=name_models([("models:/toy", bundle) for bundle in bundles]),
        settings=ScoreSettings(**settings),
        prepare=lambda _: (),
        draw=lambda scores, pairs: f"{scores.model.name} {len(pairs)}",
        report=report,
    )


def run(spark, bundle, features, output, **settings):
    (scores,) = run_all(spark, [bundle], features, output, **settings).models
    return scores


def read_predictions(folder):
    return {row["track_id"]: row for row in pq.read_table(folder / "predictions").to_pylist()}


def make_tracks(n, *, seed=0, genres=GENRES):
    rng = np.random.default_rng(seed)
    return [
        {
            "track_id": f"t{i}",
            "genre": genres[i % len(genres)],
            "values": rng.normal(size=(1 + i % 3, 4, 3)),
        }
        for i in range(n)
    ]


def expected_probabilities(track, bundle, weights):
    spec = bundle.head.spec
    values = (np.asarray(track["values"], np.float64) - spec.mean) / spec.std
    logits = values.reshape(len(values), -1) @ weights
    return scipy.special.softmax(logits / spec.temperature, axis=1).mean(axis=0), logits


def test_predictions_equal_numpy(spark, tiny_bundle, head_weights, write_features, tmp_path):
    tracks = make_tracks(40)
    run(spark, tiny_bundle, write_features(tracks), tmp_path / "s", batch_size=7)
    rows = {row["track_id"]: row for row in pq.read_table(tmp_path / "s" / "predictions").to_pylist()}
    assert len(rows) == 40
    for track in tracks:
        row = rows[track["track_id"]]
        expected, logits = expected_probabilities(track, tiny_bundle, head_weights)
        energy = -scipy.special.logsumexp(logits, axis=1).mean()
        np.testing.assert_allclose(row["probabilities"], expected, atol=1e-5)
        assert row["predicted_genre"] == GENRES[int(np.argmax(expected))]
        assert row["confidence"] == pytest.approx(expected.max(), abs=1e-5)
        assert row["ood_score"] == pytest.approx(energy, abs=1e-4)
        assert row["is_ood"] == (energy > tiny_bundle.ood.threshold)
        assert (row["n_segments"], row["error_code"]) == (len(track["values"]), None)
    assert len({row["is_ood"] for row in rows.values()}) == 2


def test_metrics_equal_scikit_learn(spark, tiny_bundle, write_features, tmp_path):
    result = run(spark, tiny_bundle, write_features(make_tracks(60)), tmp_path / "s")
    rows = pq.read_table(tmp_path / "s" / "predictions").to_pylist()
    truth, predicted = [r["genre"] for r in rows], [r["predicted_genre"] for r in rows]
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        truth, predicted, labels=GENRES
    )
    per_genre = pq.read_table(tmp_path / "s" / "per_genre").to_pylist()
    assert [row["genre"] for row in per_genre] == list(GENRES)
    np.testing.assert_allclose([row["precision"] for row in per_genre], precision)
    np.testing.assert_allclose([row["recall"] for row in per_genre], recall)
    np.testing.assert_allclose([row["f1"] for row in per_genre], f1)
    assert [row["n_true"] for row in per_genre] == list(support)
    summary = json.loads((tmp_path / "s" / "metrics.json").read_text())
    assert summary == result.summary
    assert summary["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert (
        summary["confusion_matrix"] == sklearn.metrics.confusion_matrix(truth, predicted, labels=GENRES).tolist()
    )
    assert summary["macro_f1"] == pytest.approx(np.mean(f1))
    assert summary["labels"] == list(GENRES)


def test_failed_tracks_stay_in_the_predictions(spark, tiny_bundle, write_features, tmp_path):
    tracks = [
        *make_tracks(3),
        {"track_id": "bad", "genre": "low", "error_code": "unreadable"},
        {"track_id": "nan", "genre": "low", "values": [np.full((4, 3), np.nan)]},
        {"track_id": "hollow", "genre": "low"},
    ]
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    rows = {row["track_id"]: row for row in pq.read_table(tmp_path / "s" / "predictions").to_pylist()}
    codes = {name: rows[name]["error_code"] for name in ("bad", "nan", "hollow", "t0")}
    assert codes == {"bad": "unreadable", "nan": "not_finite", "hollow": "internal", "t0": None}
    for name in ("bad", "nan", "hollow"):
        assert {rows[name][key] for key in ("predicted_genre", "confidence", "ood_score", "is_ood")} == {None}
        assert rows[name]["probabilities"] is None
    evaluation = result.evaluation
    assert (evaluation.n_tracks, evaluation.n_scored, evaluation.n_failed) == (6, 3, 3)
    assert evaluation.failures == {"unreadable": 1, "not_finite": 1, "internal": 1}
    assert evaluation.metrics.n_labelled == 3


def test_unlabelled_and_foreign_labels_are_not_judged(spark, tiny_bundle, write_features, tmp_path):
    tracks = make_tracks(9)
    for track in tracks[:3]:
        track["genre"] = None
    tracks[3]["genre"] = "polka"
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    assert result.evaluation.metrics.n_labelled == 5
    assert result.evaluation.labels == {"mapped": 5, "unmapped": 1, "unlabelled": 3}
    assert result.summary["n_foreign_label"] == 1
    row = read_predictions(tmp_path / "s")["t3"]
    assert (row["genre"], row["label"], row["label_outcome"]) == (None, "polka", "unmapped")
    assert sum(row["n_scored_as"] for row in result.per_genre) == 9
    assert sum(row["n_predicted"] for row in result.per_genre) == 5


def test_wholly_unlabelled_collection(spark, tiny_bundle, write_features, tmp_path):
    tracks = [{**track, "genre": None} for track in make_tracks(4)]
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    assert result.summary["accuracy"] is None
    assert result.summary["macro_f1"] is None
    per_genre = pq.read_table(tmp_path / "s" / "per_genre").to_pylist()
    assert [(row["n_true"], row["recall"], row["f1"], row["precision"]) for row in per_genre] == [
        (0, None, None, None)
    ] * 3


def test_subset_is_the_models_own_split(spark, tiny_bundle, write_features, tmp_path):
    result = run(spark, tiny_bundle, write_features(make_tracks(9)), tmp_path / "s", subset="test")
    rows = pq.read_table(tmp_path / "s" / "predictions").to_pylist()
    assert [row["track_id"] for row in rows] == ["t2"]
    assert result.evaluation.n_tracks == 1


def test_subset_of_a_collection_the_model_never_saw(spark, tiny_bundle, write_features, tmp_path):
    features = write_features([{**track, "track_id": "x" + track["track_id"]} for track in make_tracks(3)])
    with pytest.raises(InputError, match="none of the model's test tracks is in the input"):
        run(spark, tiny_bundle, features, tmp_path / "s", subset="test")


def test_subset_the_model_does_not_have(tiny_bundle):
    with pytest.raises(SplitError, match="holds no holdout track"):
        tiny_bundle.tracks_in("holdout")


def test_other_fingerprint_is_refused(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(3), fingerprint="0" * 64)
    with pytest.raises(FingerprintMismatchError, match="the features gives 000000000000"):
        run(spark, tiny_bundle, features, tmp_path / "s")
    assert not (tmp_path / "s" / "metrics.json").exists()


def test_other_shape_is_refused(spark, tiny_bundle, write_features, tmp_path):
    with pytest.raises(FingerprintMismatchError, match=r"wants toy of \(4, 3\), the features hold \(2, 6\)"):
        run(spark, tiny_bundle, write_features(make_tracks(3), shape=(2, 6)), tmp_path / "s")


def test_missing_feature_is_refused(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(3))
    summary = json.loads((features / "extract.json").read_text())
    summary["features"] = {"mfcc": {"shape": [4, 3]}}
    (features / "extract.json").write_text(json.dumps(summary))
    with pytest.raises(UnknownFeatureError, match="declare no 'toy'; declared: mfcc"):
        run(spark, tiny_bundle, features, tmp_path / "s")


def test_bad_paths(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(3))
    with pytest.raises(InputError, match="does not exist"):
        run(spark, tiny_bundle, tmp_path / "absent", tmp_path / "s")
    with pytest.raises(OutputError, match="is the input folder"):
        run(spark, tiny_bundle, features, features)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.tex"):
        run(spark, tiny_bundle, features, tmp_path / "mine")
    (features / "extract.json").unlink()
    with pytest.raises(InputError, match="its extraction did not finish"):
        run(spark, tiny_bundle, features, tmp_path / "s")


def test_second_run_replaces_the_first(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(6))
    for _ in range(2):
        run(spark, tiny_bundle, features, tmp_path / "s")
    assert pq.read_table(tmp_path / "s" / "predictions").num_rows == 6


def test_the_head_is_built_once_per_worker(spark, tiny_bundle, write_features, tmp_path, count_loads):
    """Many batches and several tasks, but one construction in each Python process."""
    features = write_features(make_tracks(60))
    for part in range(3):  # files, and so tasks, of their own
        table = pq.read_table(features / "segments" / "part-0.parquet").slice(part * 40, 40)
        pq.write_table(table, features / "segments" / f"cut-{part}.parquet")
    (features / "segments" / "part-0.parquet").unlink()
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4000")
    try:
        score_it = functools.partial(run, spark, tiny_bundle, features, tmp_path / "s", batch_size=5)
        n_loads, n_uses, _ = count_loads("deepsound.models.head", "load_head", score_it)
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert max(n_loads.values()) <= 1
    assert n_uses >= 3  # one for each task


def test_a_large_head_travels_as_a_file_and_scores_the_same(
    spark, tiny_bundle, write_features, tmp_path, monkeypatch, count_loads
):
    features = write_features(make_tracks(12))
    run(spark, tiny_bundle, features, tmp_path / "small")
    monkeypatch.setattr(heads, "_MAX_BROADCAST_BYTES", 10)
    for name in ("large", "again"):
        score_it = functools.partial(run, spark, tiny_bundle, features, tmp_path / name)
        n_loads, n_uses, _ = count_loads("deepsound.models.head", "open_head", score_it)
        assert max(n_loads.values()) <= 1
        assert n_uses >= 1
    tables = [pq.read_table(tmp_path / name / "predictions").to_pylist() for name in ("small", "large", "again")]
    by_track = [sorted(table, key=lambda row: row["track_id"]) for table in tables]
    assert by_track[0] == by_track[1] == by_track[2]


def test_audio_is_scored_with_the_models_settings_but_every_file_of_it(tiny_bundle):
    learned = {"segment_s": 5.0, "duplicates": "drop", "labels": {"from": "parent_dir"}}
    bundle = dataclasses.replace(tiny_bundle, feature="mfcc", extract_settings=learned)
    own = own_settings(name_models([("b", bundle)]), ScoreSettings(labels=LabelSettings(source="none")))
    assert (own.segment_s, own.duplicates, own.labels.source) == (5.0, "keep", "none")
