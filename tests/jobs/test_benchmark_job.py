"""A benchmark as a user runs it: the table in one command, going on after a kill, refusals in one line."""

import csv
import hashlib
import json
import pathlib

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
import sklearn.metrics

from deepsound import cli
from deepsound.errors import TerminatedError
from deepsound.training import benchmark as benchmark_module
from deepsound.training.held_file import holding
from tests.jobs.refusals import expect_refusal

GENRES = ("high", "low", "noise")
LDA = ["--set", "architectures=[lda]", "--set", "n_folds=3"]
ONE = ["--set", "features=[clear]", "--set", "protocols=[tracks,artists]"]


def make_rows(n_artists=18, *, per_artist=3, seed=0, genre=0.5, artist=1.0, prefix="t", known=True):
    """How strongly genre and artist are heard; every genre has as many artists."""
    rng = np.random.default_rng(seed)
    genres, sounds = np.random.default_rng(7).normal(size=(3, 20)), rng.normal(size=(n_artists, 20))
    return [
        {
            "track_id": f"{prefix}{a:02}-{i}",
            "genre": GENRES[a % 3],
            "artist": f"{prefix} artist {a}" if known else None,
            "values": genre * genres[a % 3] + artist * sounds[a] + rng.normal(size=(2, 2, 20)),
        }
        for a in range(n_artists)
        for i in range(per_artist)
    ]


@pytest.fixture
def write_two(write_features):
    """A function that writes rows under two features, ``clear`` as they are and ``dull`` with noise on them."""

    def write(rows, *, name="features", fingerprint="f" * 64):
        folder = write_features(rows, name=name, fingerprint=fingerprint, shape=(2, 20))
        path = folder / "segments" / "part-0.parquet"
        table = pq.read_table(path)
        values = np.stack(table["toy"].to_pylist())
        dull = values + 3 * np.random.default_rng(1).normal(size=values.shape)
        table = table.rename_columns(["clear" if n == "toy" else n for n in table.column_names])
        pq.write_table(table.append_column("dull", [dull.astype(np.float32).tolist()]), path)
        summary = json.loads((folder / "extract.json").read_text())
        summary["features"] = dict.fromkeys(("clear", "dull"), summary["features"]["toy"])
        (folder / "extract.json").write_text(json.dumps(summary))
        return str(folder)

    return write


@pytest.fixture
def n_computed(monkeypatch):
    """Cells that were computed, by head and protocol."""
    computed, predict = [], benchmark_module.predict_cell

    def count(data, *, protocol, settings, **options):
        table = predict(data, protocol=protocol, settings=settings, **options)
        computed.append((settings.feature, settings.architecture, protocol))
        return table

    monkeypatch.setattr(benchmark_module, "predict_cell", count)
    return computed


def run(features, output, *options):
    return cli.main(["benchmark", features, "--output", str(output), *options])


def read_csv(output):
    with (pathlib.Path(output) / "benchmark.csv").open() as stream:
        return list(csv.DictReader(stream))


def children_of(run_id):
    query = f"tags.`mlflow.parentRunId` = '{run_id}'"
    return mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")


def parent_of(output):
    return json.loads((pathlib.Path(output) / "benchmark.json").read_text())["facts"]["run in MLflow"]


def test_the_table_of_a_paper_in_one_command(write_two, tmp_path, capsys):
    features, output = write_two(make_rows()), tmp_path / "out"
    foreign = write_two(make_rows(9, seed=5, prefix="f"), name="foreign")
    protocols = ["--set", "protocols=[segments,tracks,artists,split]"]
    assert run(features, output, "--foreign", foreign, *LDA, *protocols) == 0
    said = capsys.readouterr()
    rows = read_csv(output)
    names = ("random segments", "random tracks", "whole artists", "test split", "foreign")
    assert [(row["feature"], row["protocol"]) for row in rows] == [
        (feature, name) for feature in ("clear", "dull") for name in names
    ]
    assert said.err.count("cell ") == 10
    assert "lda on dull" in said.out
    check_cells_against_sklearn(output, rows)
    # Artists are heard louder than genres: who splits at random measures that.
    inflation = {(row["feature"], row["protocol"]): row["inflation_points"] for row in rows}
    assert float(inflation["clear", "random tracks"]) > 10
    assert float(inflation["clear", "random segments"]) > 10
    assert inflation["clear", "foreign"] == ""
    plain = json.loads((output / "benchmark.json").read_text())
    assert {pair["protocol"] for pair in plain["pairs"]} == {"whole artists", "test split", "foreign"}
    assert (output / "benchmark.html").read_text().startswith("<!doctype html>")
    check_runs(output, rows)


def check_cells_against_sklearn(output, rows):
    """Every track once, and every figure as scikit-learn has it from what the cells keep."""
    for row in rows:
        (path,) = [
            p for p in (output / "cells").glob("*.parquet") if row["run_id"] in str(pq.read_metadata(p).metadata)
        ]
        table = pq.read_table(path)
        ids = table["track_id"].to_pylist()
        n_tracks = {"foreign": 27}.get(row["protocol"], 54)
        assert len(set(ids)) == len(ids) == int(row["n_tracks"])
        assert row["protocol"] == "test split" or len(ids) == n_tracks
        true, predicted = table["genre"].to_pylist(), table["predicted_genre"].to_pylist()
        probabilities = np.stack(table["probabilities"].to_pylist())
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert [GENRES[i] for i in probabilities.argmax(axis=1)] == predicted
        assert float(row["accuracy"]) == pytest.approx(sklearn.metrics.accuracy_score(true, predicted))
        macro = sklearn.metrics.recall_score(true, predicted, average="macro", labels=sorted(set(true)))
        assert float(row["macro_recall"]) == pytest.approx(macro)
        if row["protocol"] == "whole artists":
            folds = {}
            for artist, fold in zip(table["artist"].to_pylist(), table["fold"].to_pylist(), strict=True):
                assert folds.setdefault(artist, fold) == fold


def check_runs(output, rows):
    parent = mlflow.get_run(parent_of(output))
    assert (parent.info.status, parent.data.tags["deepsound.job"]) == ("FINISHED", "benchmark")
    children = {child.info.run_id: child for child in children_of(parent.info.run_id)}
    assert set(children) == {row["run_id"] for row in rows}
    keys = {"random segments": "random_segments", "whole artists": "folds", "foreign": "collection"}
    for row in rows:
        if row["protocol"] in keys:
            metrics = children[row["run_id"]].data.metrics
            assert metrics[f"{keys[row['protocol']]}/accuracy"] == pytest.approx(float(row["accuracy"]))
            assert children[row["run_id"]].info.status == "FINISHED"
    names = {artifact.path for artifact in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
    assert {"benchmark.html", "benchmark.csv", "benchmark.json"} <= names


def test_what_is_done_is_not_done_again(write_two, tmp_path, n_computed):
    features, output = write_two(make_rows()), tmp_path / "out"
    assert run(features, output, *LDA, *ONE) == 0
    assert len(n_computed) == 2
    before, parent = (output / "benchmark.csv").read_bytes(), parent_of(output)
    assert run(features, output, *LDA, *ONE) == 0
    assert len(n_computed) == 2
    assert (output / "benchmark.csv").read_bytes() == before
    assert parent_of(output) == parent
    assert len(children_of(parent)) == 2
    # One head more is computed alone, and the table is another run.
    assert run(features, output, *LDA, *ONE, "--set", "architectures=[lda,logistic]") == 0
    assert {name for _, name, _ in n_computed[2:]} == {"logistic"}
    assert len(n_computed) == 4
    assert parent_of(output) != parent
    assert len(children_of(parent_of(output))) == 4


def test_other_data_and_other_settings_are_computed_anew(write_two, tmp_path, n_computed):
    rows, output = make_rows(9), tmp_path / "out"
    features = write_two(rows)
    only = [*LDA, "--set", "protocols=[artists]", "--set", "features=[clear]"]
    assert run(features, output, *only) == 0
    (cell,) = (output / "cells").glob("*.parquet")
    for changed in ("seed=1", "n_folds=2", "train.lda.statistics=[max]"):
        n_before = len(n_computed)
        assert run(features, output, *only, "--set", changed) == 0
        assert len(n_computed) == n_before + 1
    assert run(features, output, *only, "--set", "train.cnn.dropout=0.1") == 0
    assert len(n_computed) == 4
    rows[0] = {**rows[0], "artist": "somebody else"}
    assert run(write_two(rows, name="other"), output, *only) == 0
    assert len(n_computed) == 5
    cell.write_bytes(cell.read_bytes()[:100])
    assert run(features, output, *only) == 0
    assert len(n_computed) == 6


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (TerminatedError, 143)])
def test_a_killed_benchmark_goes_on_where_it_was(write_two, tmp_path, monkeypatch, n_computed, end, code):
    features, output = write_two(make_rows()), tmp_path / "out"
    count = benchmark_module.predict_cell

    def stop(data, **options):
        if len(n_computed) == 1:
            raise end
        return count(data, **options)

    with monkeypatch.context() as patch:
        patch.setattr(benchmark_module, "predict_cell", stop)
        assert run(features, output, *LDA, *ONE) == code
    assert not (output / "benchmark.csv").exists()
    assert len(list((output / "cells").glob("*.parquet"))) == 1
    assert run(features, output, *LDA, *ONE) == 0
    assert n_computed == [("clear", "lda", "tracks"), ("clear", "lda", "artists")]
    children = children_of(parent_of(output))
    assert sorted(child.info.status for child in children) == ["FINISHED", "FINISHED", "KILLED"]


def test_a_network_is_a_head_like_any_other(write_two, tmp_path):
    features = write_two(make_rows(9, genre=3.0, artist=0.2))
    small = ["--set", "train.epochs=2", "--set", "train.cnn.filters=[4]", "--set", "n_folds=2"]
    only = ["--set", "architectures=[cnn]", "--set", "protocols=[artists]", "--set", "features=[clear]"]
    assert run(features, tmp_path / "out", *small, *only) == 0
    (row,) = read_csv(tmp_path / "out")
    assert (row["architecture"], row["n_tracks"]) == ("cnn", "27")


def test_artists_that_nobody_knows_and_single_segments(write_two, tmp_path, capsys):
    rows = [{**row, "values": row["values"][:1]} for row in make_rows(known=False)]
    features, output = write_two(rows), tmp_path / "out"
    assert run(features, output, *LDA) == 0
    assert {row["protocol"] for row in read_csv(output)} == {"random tracks"}
    said = capsys.readouterr().out
    assert "note: no artist is known, so whole artists cannot be had" in said
    assert "note: every track is one segment" in said
    assert run(features, output, *LDA, "--set", "protocols=[artists]") == 2
    expect_refusal(capsys, "labels", "no artist is known", "protocols=[tracks]")


def test_foreign_tracks_that_are_the_benchmarks_own_are_left_out(write_two, tmp_path, capsys):
    rows = make_rows(9)
    others = make_rows(9, seed=5, prefix="f")
    copy = {**rows[0], "track_id": "copy", "sha": hashlib.sha256(rows[0]["track_id"].encode()).hexdigest()}
    foreign = write_two([*others, copy, {**others[0], "track_id": "polka", "genre": "polka"}], name="foreign")
    only = [*LDA, "--set", "protocols=[artists]", "--set", "features=[clear]"]
    assert run(write_two(rows), tmp_path / "out", "--foreign", foreign, *only) == 0
    assert {row["protocol"]: row["n_tracks"] for row in read_csv(tmp_path / "out")}["foreign"] == "27"
    assert (
        "foreign: 27 of 29 tracks; 1 without one of the genres and 1 that are tracks of the benchmark are left out"
        in capsys.readouterr().err
    )


def test_refusals_in_one_line(write_two, tmp_path, capsys):
    features = write_two(make_rows(9))
    output = tmp_path / "out"
    assert run(str(tmp_path), output) == 2
    expect_refusal(capsys, "input", "holds no extract.json")
    assert run(features, output, "--set", "features=[clear,missing]") == 2
    expect_refusal(capsys, "unknown_feature", "declare no 'missing'")
    assert run(features, output, "--set", "protocols=[albums]") == 2
    expect_refusal(capsys, "config", "segments, tracks, artists, split")
    assert run(features, output, "--set", "architectures=[vggish_finetune]") == 2
    expect_refusal(capsys, "config", "vggish_log_mel")
    assert run(features, output, "--set", "train.search.n_trials=3") == 2
    expect_refusal(capsys, "config", "a benchmark does not search")
    foreign = write_two(make_rows(9, seed=5, prefix="f"), name="foreign", fingerprint="e" * 64)
    assert run(features, output, "--foreign", foreign, *LDA) == 2
    expect_refusal(capsys, "fingerprint_mismatch", "extract both with the same settings")
    assert run(features, output, *LDA, "--set", "n_folds=20") == 2
    expect_refusal(capsys, "split", "20 folds need at least 20 artists")
    (tmp_path / "file").write_text("")
    assert run(features, tmp_path / "file", *LDA) == 2
    expect_refusal(capsys, "output", "cannot write to")
    with holding(output / "cells", wait=False):
        assert run(features, output, *LDA) == 2
    expect_refusal(capsys, "output", "another benchmark is writing to")
