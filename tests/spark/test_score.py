"""Scoring in Spark: held against numpy and scikit-learn, with every kind of incomplete collection."""

import dataclasses
import functools
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.special
import sklearn.metrics

from deepsound import evaluation
from deepsound.config import LabelSettings, ScoreSettings
from deepsound.errors import (
    ConfigError,
    FingerprintMismatchError,
    InputError,
    LabelMapError,
    OutputError,
    SchemaMismatchError,
    SplitError,
    UnknownFeatureError,
)
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.metrics import measure
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.slices import find_slices
from deepsound.models.bundle import ModelFeature
from deepsound.models.own_extraction import name_models, own_settings
from deepsound.spark import examples, heads, samples
from deepsound.spark import score as score_module
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.score import score
from deepsound.spark.score_output import ScoresFolder

GENRES = ("high", "low", "noise")
OTHER_WEIGHTS = np.random.default_rng(9).normal(size=(12, 3))
LABELS = ("Treble!", "bass", "drums and bass", "polka", None, "noise")
FREE_LABELS = ("Deep Bass", "Deep Bass", "bass")
MAP = """
name: pitches
version: 1
source: these tests
targets: [high, low, noise]
map:
  treble: high
  bass: low
  noise: noise
  drums and bass: ambiguous
"""


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


def with_head(bundle, onnx_bytes):
    return dataclasses.replace(bundle, head=dataclasses.replace(bundle.head, onnx_bytes=onnx_bytes))


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


@pytest.mark.parametrize("n_sampled", [3000, 3])
def test_examples_are_those_of_the_predictions(
    spark, tiny_bundle, write_features, tmp_path, monkeypatch, n_sampled
):
    monkeypatch.setattr(examples, "_N_SAMPLED", n_sampled)
    monkeypatch.setattr(evaluation.examples, "N_A_CELL", 4)
    tracks = make_tracks(40)
    for track in tracks[::5]:
        track["genre"] = None
    found = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s").examples
    rows = list(read_predictions(tmp_path / "s").values())
    wrong = [row for row in rows if row["genre"] not in (None, row["predicted_genre"])]
    wrong.sort(key=lambda row: (-row["confidence"], row["track_id"]))
    assert [found.tracks[i].track_id for i in found.mistakes][:4] == [row["track_id"] for row in wrong[:4]]
    far = sorted(rows, key=lambda row: (-row["ood_score"], row["track_id"]))
    assert [found.tracks[i].track_id for i in found.farthest] == [row["track_id"] for row in far[:4]]
    names = [track.track_id for track in found.tracks]
    assert len(set(names)) == len(names)
    cells = {}
    for row in rows:
        cell = cells.setdefault((row["genre"], row["predicted_genre"]), [])
        cell.append((-row["confidence"], row["track_id"]))
    if n_sampled == 3:
        assert {name for cell in cells.values() for _, name in sorted(cell)[:4]} <= set(names)
        assert len(names) < 40
    else:
        assert sorted(names) == sorted(row["track_id"] for row in rows)
    worst = found.tracks[found.mistakes[0]]
    assert "does not say where" in worst.clip


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


def test_slices_are_by_what_the_tracks_are(spark, tiny_bundle, write_features, tmp_path):
    tracks = make_tracks(80)
    for track in tracks[::8]:
        track["genre"] = None
    features = write_features(tracks)
    where = features / "tracks" / "part-0.parquet"
    table = pq.read_table(where).drop_columns("duration_s").append_column("container", [["mp3", "wav"] * 40])
    table = table.append_column("duration_s", [np.linspace(10, 90, 80)])
    pq.write_table(table, where)
    found = run(spark, tiny_bundle, features, tmp_path / "s").summary["slices"]
    predictions = pq.read_table(tmp_path / "s" / "predictions").to_pandas()
    known = table.select(["track_id", "container", "duration_s"]).to_pandas()
    rows = predictions.merge(known, on="track_id")
    expected = find_slices(pa.Table.from_pandas(rows, preserve_index=False), genres=GENRES)
    # Genres, of which the label is another name; the containers are one; no quartile is large enough.
    assert found["n_tested"] == expected.n_tested == 4
    assert found == json.loads(json.dumps(expected.to_plain()))
    assert any(one["name"].startswith("container") for one in found["worst"])


def test_failed_tracks_stay_in_the_predictions(spark, tiny_bundle, write_features, tmp_path):
    tracks = [
        *make_tracks(3),
        {"track_id": "bad", "genre": "low", "error_code": "unreadable"},
        {"track_id": "nan", "genre": "low", "values": [np.full((4, 3), np.nan)]},
        {"track_id": "hollow", "genre": "low"},
        {"track_id": "taken back", "genre": "low", "error_code": "duplicate", "values": [np.zeros((4, 3))]},
    ]
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    rows = {row["track_id"]: row for row in pq.read_table(tmp_path / "s" / "predictions").to_pylist()}
    failed = {"bad": "unreadable", "nan": "not_finite", "hollow": "internal", "taken back": "duplicate"}
    assert {name: rows[name]["error_code"] for name in (*failed, "t0")} == {**failed, "t0": None}
    for name in failed:
        assert {rows[name][key] for key in ("predicted_genre", "confidence", "ood_score", "is_ood")} == {None}
        assert rows[name]["probabilities"] is None
    report = result.report
    assert (report.n_tracks, report.n_scored, report.n_failed) == (7, 3, 4)
    assert report.failures == dict.fromkeys(failed.values(), 1)
    assert report.metrics.n_labelled == 3


def test_unlabelled_and_foreign_labels_are_not_judged(spark, tiny_bundle, write_features, tmp_path):
    tracks = make_tracks(9)
    for track in tracks[:3]:
        track["genre"] = None
    tracks[3]["genre"] = "polka"
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    assert result.report.metrics.n_labelled == 5
    assert result.report.labels == {"mapped": 5, "unmapped": 1, "unlabelled": 3}
    assert result.summary["n_foreign_label"] == 1
    row = read_predictions(tmp_path / "s")["t3"]
    assert (row["genre"], row["label"], row["label_outcome"]) == (None, "polka", "unmapped")
    assert sum(row["n_scored_as"] for row in result.per_genre) == 9
    assert sum(row["n_predicted"] for row in result.per_genre) == 5


def test_wholly_unlabelled_collection(spark, tiny_bundle, write_features, tmp_path):
    tracks = [{**track, "genre": None} for track in make_tracks(4)]
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    assert result.summary["accuracy"] is None
    assert result.summary["slices"] is None
    assert result.summary["macro_f1"] is None
    per_genre = pq.read_table(tmp_path / "s" / "per_genre").to_pylist()
    assert [(row["n_true"], row["recall"], row["f1"], row["precision"]) for row in per_genre] == [
        (0, None, None, None)
    ] * 3


def test_subset_is_the_models_own_split(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(9))
    result = run(spark, tiny_bundle, features, tmp_path / "s", subset="test", segments=True)
    for table in ("predictions", "segments"):
        rows = pq.read_table(tmp_path / "s" / table).to_pylist()
        assert {row["track_id"] for row in rows} == {"t2"}
    assert result.report.n_tracks == 1


def test_subset_of_a_collection_the_model_never_saw(spark, tiny_bundle, write_features, tmp_path):
    features = write_features([{**track, "track_id": "x" + track["track_id"]} for track in make_tracks(3)])
    with pytest.raises(InputError, match="none of the model's test tracks is in the input"):
        run(spark, tiny_bundle, features, tmp_path / "s", subset="test")


def test_subset_the_model_does_not_have(tiny_bundle):
    with pytest.raises(SplitError, match="holds no holdout track"):
        tiny_bundle.tracks_in("holdout")


def test_other_fingerprint_is_refused(spark, tiny_bundle, write_features, tmp_path):
    run(spark, tiny_bundle, write_features(make_tracks(3), name="own"), tmp_path / "before")
    features = write_features(make_tracks(3), fingerprint="0" * 64)
    with pytest.raises(FingerprintMismatchError):
        run(spark, tiny_bundle, features, tmp_path / "before")
    assert (tmp_path / "before" / "metrics.json").exists(), "a refused run takes nothing away"
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


def cut_into_files(features, n):
    """The segments in several files, so that tracks go on in the next one."""
    table = pq.read_table(features / "segments" / "part-0.parquet")
    (features / "segments" / "part-0.parquet").unlink()
    size = -(-table.num_rows // n)
    for number in range(n):
        pq.write_table(table.slice(number * size, size), features / "segments" / f"cut-{number}.parquet")
    return features


def names_in(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def close_to(rows, others):
    assert rows.keys() == others.keys()
    for name, row in rows.items():
        for key, value in row.items():
            other = others[name][key]
            if isinstance(value, float | list):
                np.testing.assert_allclose(value, other, atol=1e-9, err_msg=f"{name} {key}")
            else:
                assert value == other, (name, key)


def test_the_head_is_built_once_per_worker(spark, tiny_bundle, write_features, tmp_path, count_loads):
    """Many batches and several tasks, but one construction in each Python process."""
    features = cut_into_files(write_features(make_tracks(60)), 4)
    score_it = functools.partial(run, spark, tiny_bundle, features, tmp_path / "s", batch_size=5)
    n_loads, n_uses, _ = count_loads("deepsound.models.head", "load_head", score_it)
    assert max(n_loads.values()) <= 1
    assert n_uses >= 1


def test_the_timeline_says_which_genre_when(spark, tiny_bundle, head_weights, write_features, tmp_path):
    tracks = make_tracks(6)
    features = write_features(tracks)
    run(spark, tiny_bundle, features, tmp_path / "s", segments=True)
    rows = pq.read_table(tmp_path / "s" / "segments").to_pylist()
    found = {(row["track_id"], row["segment_index"]): row for row in rows}
    for track in tracks:
        for index in range(len(track["values"])):
            one = {**track, "values": track["values"][index : index + 1]}
            expected, _ = expected_probabilities(one, tiny_bundle, head_weights)
            row = found.pop((track["track_id"], index))
            np.testing.assert_allclose(row["probabilities"], expected, atol=1e-5)
            assert row["predicted_genre"] == GENRES[int(np.argmax(expected))]
            assert row["confidence"] == pytest.approx(expected.max(), abs=1e-5)
    assert not found
    run(spark, tiny_bundle, features, tmp_path / "s")
    assert not (tmp_path / "s" / "segments").exists()


def test_segments_of_another_size_fail_their_track_alone(spark, tiny_bundle, write_features, tmp_path):
    features = write_features(make_tracks(4))
    path = features / "segments" / "part-0.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[-1]["toy"] = rows[-1]["toy"][:5]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    result = run(spark, tiny_bundle, features, tmp_path / "s")
    codes = {name: row["error_code"] for name, row in read_predictions(tmp_path / "s").items()}
    assert codes == {"t0": None, "t1": None, "t2": None, "t3": "malformed"}
    assert result.report.failures == {"malformed": 1}


@pytest.mark.parametrize("table", ["tracks", "segments"])
def test_damaged_tables_are_told_in_one_line(spark, tiny_bundle, write_features, tmp_path, table):
    features = cut_into_files(write_features(make_tracks(30)), 2)
    path = sorted((features / table).glob("*.parquet"))[-1]
    if table == "tracks":
        path.write_bytes(b"no Parquet")
    else:  # the first file tells the schema, so that only a worker finds out
        path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(SchemaMismatchError) as caught:
        run(spark, tiny_bundle, features, tmp_path / "s")
    assert "\n" not in str(caught.value)
    assert ("cannot read the tables" if table == "tracks" else path.name) in str(caught.value)
    assert not (tmp_path / "s" / "metrics.json").exists()


@pytest.mark.parametrize("n_failed", [3, 0])
def test_a_collection_of_failures_and_an_empty_one(spark, tiny_bundle, write_features, tmp_path, n_failed):
    features = write_features([{"track_id": f"t{i}", "error_code": "silent"} for i in range(n_failed)])
    result = run(spark, tiny_bundle, features, tmp_path / "s")
    assert (result.report.n_tracks, result.report.n_scored) == (n_failed, 0)
    assert result.summary["accuracy"] is None
    assert result.summary["failures"] == ({"silent": 3} if n_failed else {})
    assert pq.read_table(tmp_path / "s" / "predictions").num_rows == n_failed
    (features / "segments" / "part-0.parquet").rename(features / "segments" / "_part-0.parquet")
    with pytest.raises(SchemaMismatchError, match="cannot read the tables"):
        run(spark, tiny_bundle, features, tmp_path / "s")


def test_labels_by_a_map(spark, tiny_bundle, write_features, tmp_path):
    (tmp_path / "map.yaml").write_text(MAP)
    tracks = [{**track, "genre": label} for track, label in zip(make_tracks(6), LABELS, strict=True)]
    said = []
    features, where = write_features(tracks), tmp_path / "s"
    labels = LabelSettings(map=str(tmp_path / "map.yaml"))
    (scores,) = run_all(spark, [tiny_bundle], features, where, labels=labels, report=said.append).models
    rows = read_predictions(where)
    found = [tuple(rows[f"t{i}"][key] for key in ("label", "genre", "label_outcome")) for i in range(6)]
    assert found == [
        ("Treble!", "high", "mapped"),
        ("bass", "low", "mapped"),
        ("drums and bass", None, "ambiguous"),
        ("polka", None, "unmapped"),
        (None, None, "unlabelled"),
        ("noise", "noise", "mapped"),
    ]
    assert scores.summary["n_labelled"] == 3
    assert scores.summary["label_outcomes"] == {"ambiguous": 1, "mapped": 3, "unlabelled": 1, "unmapped": 1}
    assert scores.summary["label_map"]["name"] == "pitches"
    assert any("labels by the map pitches" in line for line in said)
    assert scores.summary["taken_labels"] == []
    (tmp_path / "map.yaml").write_text(f"{MAP}endings: true\n")
    free = [{**track, "genre": label} for track, label in zip(make_tracks(3), FREE_LABELS, strict=True)]
    free.append({"track_id": "bad", "genre": "Last Bass", "error_code": "silent"})
    features = write_features(free, name="free")
    result = run(spark, tiny_bundle, features, tmp_path / "free scores", labels=labels)
    assert result.summary["n_labelled"] == 3
    outcome = {"outcome": "mapped", "genre": "low"}
    assert result.summary["taken_labels"] == [
        {"label": "Deep Bass", "taken_for": "bass", "outcome": outcome, "n_tracks": 2}
    ]
    labels = dataclasses.replace(labels, endings=False)
    result = run(spark, tiny_bundle, features, tmp_path / "strict", labels=labels)
    assert (result.summary["n_labelled"], result.summary["taken_labels"]) == (1, [])
    labels = LabelSettings(map=str(tmp_path / "map.yaml"))
    with pytest.raises(LabelMapError, match="no label map"):
        run(spark, tiny_bundle, features, where, labels=LabelSettings(map="absent"))
    assert (where / "metrics.json").exists(), "a refused run takes nothing away"


def test_several_models_score_in_one_pass(spark, tiny_bundle, linear_onnx, write_features, tmp_path, head_weights):
    rng = np.random.default_rng(8)
    weights = head_weights + rng.normal(size=head_weights.shape)
    other = with_head(tiny_bundle, linear_onnx(weights))
    tracks = make_tracks(40)
    tracks[0]["genre"] = None
    features = write_features([*tracks, {"track_id": "bad", "genre": "low", "error_code": "silent"}])
    result = run_all(spark, [tiny_bundle, other], features, tmp_path / "both")
    for name, bundle in (("toy-1", tiny_bundle), ("toy-2", other)):
        run(spark, bundle, features, tmp_path / name)
        folder = tmp_path / "both" / "models" / name
        close_to(read_predictions(folder), read_predictions(tmp_path / name))
        assert (folder / "scorecard.html").read_text() == f"{name} 1"
        alone, together = (json.loads((at / "metrics.json").read_text()) for at in (tmp_path / name, folder))
        assert alone == together
    rows = [read_predictions(tmp_path / name) for name in ("toy-1", "toy-2")]
    judged = [name for name, row in rows[0].items() if row["genre"] and row["predicted_genre"]]
    right = [np.array([r[name]["predicted_genre"] == r[name]["genre"] for name in judged]) for r in rows]
    (pair,) = result.pairs
    assert pair.comparison == compare_paired(*right)
    assert pair.comparison.n_discordant > 5
    (written,) = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert (written["a"], written["b"], written["n_tracks"]) == ("toy-1", "toy-2", 39)
    assert written["n_only_a"] == (right[0] & ~right[1]).sum()


def test_a_subset_of_several_models_is_what_all_of_them_held_out(spark, tiny_bundle, write_features, tmp_path):
    moved = tiny_bundle.split.set_column(3, "split", pa.array(["test", "validation", "test"]))
    other = dataclasses.replace(tiny_bundle, split=moved)
    features = write_features(make_tracks(9))
    result = run_all(spark, [tiny_bundle, other], features, tmp_path / "s", subset="test")
    assert [scores.report.n_tracks for scores in result.models] == [1, 1]
    apart = dataclasses.replace(tiny_bundle, split=moved.set_column(3, "split", pa.array(["test", "a", "b"])))
    with pytest.raises(InputError, match="no track is a test track of every model"):
        run_all(spark, [tiny_bundle, apart], features, tmp_path / "s", subset="test")


def test_models_that_want_audio_extracted_differently(tiny_bundle):
    a, b = (dataclasses.replace(tiny_bundle, extract_settings={"segment_s": s}) for s in (5.0, 10.0))
    with pytest.raises(ConfigError, match=r"differently: segment_s 5\.0 and 10\.0"):
        own_settings(name_models([("a", a), ("b", b)]), ScoreSettings())


class KilledError(Exception):
    """Stands for the end of the driver."""


def contents(folder):
    tables = {
        name: sorted(map(repr, pq.read_table(folder / name).to_pylist())) for name in ("predictions", "per_genre")
    }
    return {**tables, "metrics": json.loads((folder / "metrics.json").read_text())}


@pytest.mark.parametrize("place", ["mean_by_track", "predict_tracks", "conclude"])
def test_a_run_that_is_cut_off_leaves_what_was_there_and_the_next_is_whole(
    spark, tiny_bundle, linear_onnx, write_features, tmp_path, monkeypatch, place
):
    features, output = write_features(make_tracks(12)), tmp_path / "s"
    run(spark, tiny_bundle, features, output)
    before = contents(output)
    other = with_head(tiny_bundle, linear_onnx(OTHER_WEIGHTS))

    def die(*_, **__):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(score_module, place, die)
        with pytest.raises(KilledError):
            run(spark, other, features, output)
    assert contents(output) == before
    run(spark, other, features, output)
    run(spark, other, features, tmp_path / "alone")
    assert contents(output) == contents(tmp_path / "alone") != before
    assert names_in(output) == names_in(tmp_path / "alone")


@pytest.mark.parametrize("place", ["conclude", "predict_tracks"])
def test_of_two_runs_in_the_same_folder_the_later_has_it(
    spark, tiny_bundle, linear_onnx, write_features, tmp_path, monkeypatch, place
):
    features, output = write_features(make_tracks(12)), tmp_path / "s"
    winner = with_head(tiny_bundle, linear_onnx(OTHER_WEIGHTS))
    later, ordinary = [winner], getattr(score_module, place)

    def start_another_first(*args, **kwargs):
        if later:
            run(spark, later.pop(), features, output)
        return ordinary(*args, **kwargs)

    monkeypatch.setattr(score_module, place, start_another_first)
    with pytest.raises(OutputError, match=r"another scoring has begun in .*/s and is over; this one stops"):
        run(spark, tiny_bundle, features, output)
    monkeypatch.setattr(score_module, place, ordinary)
    run(spark, winner, features, tmp_path / "alone")
    assert contents(output) == contents(tmp_path / "alone")
    assert names_in(output) == names_in(tmp_path / "alone")


def test_a_run_that_is_at_work_makes_way_for_the_later(spark, tiny_bundle, write_features, tmp_path):
    output = tmp_path / "s"
    folder = ScoresFolder(HadoopPath(spark, str(output)), spark)
    with (
        pytest.raises(OutputError, match=r"another scoring has begun in .*/s \(.+\); this one stops"),
        folder.at_work(),
    ):
        ScoresFolder(HadoopPath(spark, str(output)), spark)._lease.make()
    run(spark, tiny_bundle, write_features(make_tracks(3)), output)
    assert "_scoring" not in names_in(output)


def test_intervals_count_artists(spark, tiny_bundle, write_features, tmp_path):
    tracks = make_tracks(60)
    for i, track in enumerate(tracks):
        track["artist"] = f"artist {i // 6}" if i < 54 else None
    result = run(spark, tiny_bundle, write_features(tracks), tmp_path / "s")
    rows = read_predictions(tmp_path / "s")
    assert {row["artist"] for row in rows.values()} == {*(f"artist {i}" for i in range(9)), None}
    expected = measure(
        np.array([GENRES.index(rows[t["track_id"]]["genre"]) for t in tracks]),
        np.array([GENRES.index(rows[t["track_id"]]["predicted_genre"]) for t in tracks]),
        genres=GENRES,
        artists=[t["artist"] for t in tracks],
    )
    assert result.report.metrics.accuracy_low == pytest.approx(expected.accuracy_low)
    assert result.report.metrics.macro_f1_interval == pytest.approx(expected.macro_f1_interval)
    assert (result.summary["interval_unit"], result.summary["n_artists"]) == ("artist", 9)
    anonymous = [{**track, "artist": None} for track in tracks]
    other = run(spark, tiny_bundle, write_features(anonymous, name="anonymous"), tmp_path / "t")
    assert (other.summary["interval_unit"], other.summary["n_artists"]) == ("track", 0)
    n_right = sum(line.n_correct for line in other.report.metrics.per_genre)
    assert other.report.metrics.accuracy_low == wilson_interval(n_right, 60)[0]


def test_curves_of_many_tracks_come_from_a_sample(spark, tiny_bundle, write_features, tmp_path, monkeypatch):
    features = write_features(make_tracks(200))
    whole = run(spark, tiny_bundle, features, tmp_path / "whole")
    monkeypatch.setattr(samples, "_MAX_TRACKS", 60)
    monkeypatch.setattr(samples, "_MAX_DETAILED", 30)
    monkeypatch.setattr(samples, "_MAX_REREAD", 20)
    sampled = [run(spark, tiny_bundle, features, tmp_path / name) for name in ("a", "b")]
    for result in sampled:
        assert 30 < result.report.n_sampled < 100
        assert result.report.is_sampled
        np.testing.assert_array_equal(result.report.metrics.confusion, whole.report.metrics.confusion)
        assert result.report.metrics.accuracy_low == whole.report.metrics.accuracy_low
        assert result.report.coverage.n_tracks == result.report.n_sampled
    assert sampled[0].summary == {**sampled[1].summary}
    assert not whole.report.is_sampled


def test_an_output_of_several_models_makes_way_for_one_and_back(spark, tiny_bundle, write_features, tmp_path):
    features, output = write_features(make_tracks(6)), tmp_path / "s"
    for n_models, names in (
        (2, {"models", "comparison.json"}),
        (1, {"metrics.json", "per_genre", "predictions", "scorecard.html"}),
        (2, {"models", "comparison.json"}),
    ):
        run_all(spark, [tiny_bundle] * n_models, features, output)
        assert names_in(output) == names


def test_a_timeline_that_was_not_asked_for_again_makes_way(spark, tiny_bundle, write_features, tmp_path):
    features, output = write_features(make_tracks(6)), tmp_path / "s"
    for asked in (True, False):
        run(spark, tiny_bundle, features, output, segments=asked)
        assert ("segments" in names_in(output)) == asked


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
    features = tuple(ModelFeature(name=name, fingerprint="f") for name in ("mfcc", "vggish"))
    bundle = dataclasses.replace(tiny_bundle, features=features, extract_settings=learned)
    own = own_settings(name_models([("b", bundle)]), ScoreSettings(labels=LabelSettings(source="none")))
    assert (own.segment_s, own.duplicates, own.labels.source) == (5.0, "keep", "none")
    assert own.features == ("mfcc", "vggish")
