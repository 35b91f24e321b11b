"""train, audit and compare as a user runs them: what is refused, what is logged, who becomes champion."""

import html
import json
import pathlib
import socket

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow.exceptions import MlflowException

from deepsound import cli
from deepsound.errors import TerminatedError
from deepsound.training import finished_run, fit, registry
from deepsound.training import train as train_module
from deepsound.training.registry import load_bundle
from tests.jobs.refusals import expect_refusal

TINY = ["--set", "architecture=mlp", "--set", "mlp.units=[8]", "--set", "learning_rate=0.05"]
TINY += ["--set", "epochs=15", "--set", "folds=0"]


def make_rows(n_tracks=60, *, heard=2.0):
    """Tracks of three genres, two an artist, whose genre is heard so clearly."""
    rng = np.random.default_rng(0)
    genres = rng.normal(size=(3, 3))
    return [
        {
            "track_id": f"<b>t{i:02}</b>",
            "genre": ("high", "low", "noise")[i // 2 % 3],
            "artist": f"artist {i // 2}",
            "values": heard * genres[i // 2 % 3] + rng.normal(size=(2, 4, 3)),
        }
        for i in range(n_tracks)
    ]


@pytest.fixture
def write_as(write_features):
    """A function that writes rows under a feature name of the test's own, so that its champion is, too."""

    def write(rows, *, feature):
        folder = write_features(rows, name=feature)
        path = folder / "segments" / "part-0.parquet"
        table = pq.read_table(path)
        pq.write_table(table.rename_columns([feature if n == "toy" else n for n in table.column_names]), path)
        summary = json.loads((folder / "extract.json").read_text())
        summary["features"] = {feature: summary["features"]["toy"]}
        (folder / "extract.json").write_text(json.dumps(summary))
        return str(folder)

    return write


def train(job, features, feature, *options):
    """Train; what the job says of it in JSON."""
    outcome = pathlib.Path(features) / "outcome.json"
    arguments = ["--features", features, "--output", str(outcome), "--set", f"feature={feature}"]
    assert job("train")([*arguments, *TINY, *options]) == 0
    return json.loads(outcome.read_text())


def aliases(feature):
    found = mlflow.MlflowClient().get_registered_model(f"deepsound-{feature}").aliases
    return {alias: str(version) for alias, version in found.items()}


def artifact(run_id, name):
    return pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=name)).read_text()


def test_a_run_tells_the_truth_about_itself(job, write_as, capsys):
    first = train(job, write_as(make_rows(heard=0.7), feature="truth"), "truth", "--set", "folds=3")
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == first["model"] == "models:/deepsound-truth/1"
    assert "deepsound-truth version 1 promoted to champion: the first model of this name" in said.err
    run = mlflow.get_run(first["run_id"])
    figures = run.data.metrics
    check_figures(run)
    assert 0 <= figures["folds/sd_accuracy"] < 0.5
    assert figures["folds/mean_accuracy"] > 0.4
    assert len(json.loads(artifact(first["run_id"], "folds.json"))["data"]) == 3
    check_out_of_fold(first, figures, said.err)
    tags = run.data.tags
    assert (tags["deepsound.promotion"], tags["deepsound.promotion_reason"]) == (
        "promoted",
        "the first model of this name",
    )
    assert len(tags["deepsound.code_fingerprint"]) == 64
    assert first["test"]["macro_f1_low"] == pytest.approx(figures["test/macro_f1_low"])
    check_scorecard(run)


def check_figures(run):
    """The runs are listed by few of them; a table has all, with their intervals."""
    metrics = run.data.metrics
    columns = json.loads(artifact(run.info.run_id, "figures.json"))
    table = {tuple(row[:2]): row[2:] for row in columns["data"]}
    assert columns["columns"] == ["of", "figure", "value", "low", "high"]
    for name in ("accuracy", "macro_f1", "macro_precision", "macro_recall"):
        value, low, high = table["test", name]
        assert low <= value <= high
    listed = [metrics[f"test/accuracy{end}"] for end in ("", "_low", "_high")]
    assert table["test", "accuracy"] == pytest.approx(listed)
    assert {("test", "ece_before_temperature"), ("test", "adaptive_ece_by_chance")} <= set(table)
    assert table["folds", "accuracy"][0] - table["baseline", "accuracy"][0] == pytest.approx(
        metrics["folds/above_baseline"]
    )
    assert metrics["test/ece"] == pytest.approx(table["test", "ece"][0])
    # Each that is not by step is a chart of one bar on the run's page.
    by_step = {name for name in metrics if name.startswith(("epoch/", "system/"))}
    assert len(set(metrics) - by_step) <= 17
    assert {name.partition("/")[0] for name in set(metrics) - by_step} == {"test", "folds", "validation"}


def check_out_of_fold(trained, figures, said):
    """One table of predictions, in the run and in the bundle, is where every word of the headline comes from."""
    path = mlflow.artifacts.download_artifacts(run_id=trained["run_id"], artifact_path="predictions.parquet")
    table = pq.read_table(path)
    assert table.equals(load_bundle(trained["model"]).out_of_fold)
    assert (table.num_rows, set(table["fold"].to_pylist())) == (60, {1, 2, 3})
    is_right = np.array(table["genre"].to_pylist()) == np.array(table["predicted_genre"].to_pylist())
    assert figures["folds/accuracy"] == is_right.mean() == trained["folds"]["accuracy"]
    assert figures["folds/accuracy_low"] < is_right.mean() < figures["folds/accuracy_high"]
    first, second, third = said[said.index("out-of-fold: ") :].splitlines()[:3]
    assert first.startswith(f"out-of-fold: accuracy {is_right.mean():.2f} [")
    assert " on 60 tracks; mean " in first
    assert second.startswith(f"test tracks: accuracy {figures['test/accuracy']:.2f} [")
    assert third.startswith(
        f"lda baseline, same folds: accuracy {is_right.mean() - figures['folds/above_baseline']:.2f} ["
    )
    described = mlflow.get_run(trained["run_id"]).data.tags["mlflow.note.content"]
    assert f"**accuracy {is_right.mean():.2f} [" in described
    assert third in described


def check_scorecard(run):
    """All of it is on the page, and no markup of a track."""
    page = artifact(run.info.run_id, "scorecard.html")
    for heading in (
        *(
            "Genre by genre",
            "What is taken for what",
            "3-fold cross-validation",
            "Can its confidence be believed?",
        ),
        *("How it learned", "Listen", "Leak audit", "Reproduce"),
    ):
        assert f"<h2>{heading}</h2>" in page
    assert f"{100 * run.data.metrics['folds/accuracy']:.0f} % <small>" in page
    assert "this model is " in page
    assert "&lt;b&gt;t" in page
    assert "<b>t" not in page
    assert run.data.tags["deepsound.data_fingerprint"] in page
    assert run.data.tags["deepsound.code_fingerprint"] in page
    assert run.info.run_id in page


def test_the_champion_stays_until_a_model_is_shown_to_be_better(job, write_as, capsys):
    features = write_as(make_rows(90), feature="champ")
    split = ["--set", "seed=5", "--set", "split.test_fraction=0.4"]
    poor = train(job, features, "champ", *split, "--set", "epochs=1", "--set", "learning_rate=0.000001")
    assert aliases("champ") == {"champion": "1"}
    good = train(job, features, "champ", *split)
    assert good["is_champion"]
    assert good["promotion"].startswith("better than version 1 on ")
    assert aliases("champ") == {"champion": "2", "previous": "1"}
    again = train(job, features, "champ", *split)
    assert not again["is_champion"]
    assert aliases("champ") == {"champion": "2", "previous": "1"}
    assert "version 3 not champion: not shown to be better than version 2" in capsys.readouterr().err
    assert mlflow.get_run(again["run_id"]).data.tags["deepsound.promotion"] == "kept former"
    forced = train(job, features, "champ", *split, "--promote")
    assert forced["promotion"].startswith("asked for by --promote")
    assert aliases("champ") == {"champion": "4", "previous": "2"}
    assert poor["test"]["accuracy"] < good["test"]["accuracy"]


def test_compare_from_the_command_line(job, write_as, tmp_path, capsys):
    features = write_as(make_rows(90), feature="both")
    one = train(job, features, "both", "--set", "seed=5")["model"]
    other = train(job, features, "both", "--set", "seed=5", "--set", "mlp.units=[4]")["model"]
    capsys.readouterr()
    assert cli.main(["compare", one, other, features, "--output", str(tmp_path / "deep" / "c.json")]) == 0
    text = capsys.readouterr().out
    plain = json.loads((tmp_path / "deep" / "c.json").read_text())
    assert f"A: {one}" in text
    assert "tracks left out that a model has learned from" in text
    assert plain["paired"]["n_both"] + plain["paired"]["n_only_a"] == round(
        plain["a"]["accuracy"] * plain["a"]["n_labelled"]
    )
    assert cli.main(["compare", one, other, features, "--subset", "all"]) == 0
    assert f"WARNING: {one} has learned from " in capsys.readouterr().out
    assert cli.main(["compare", one, str(tmp_path), features]) == 2
    expect_refusal(capsys, "bundle", "is no model bundle")
    assert cli.main(["compare", one, other, str(tmp_path)]) == 2
    expect_refusal(capsys, "input", "holds no extract.json")


def test_audit_from_the_command_line(write_as, tmp_path, capsys):
    rows = make_rows(60)
    rows.append({**rows[0], "track_id": "copy", "artist": None, "values": rows[0]["values"] + 0.01})
    for row in rows:
        row["split"] = (
            "test"
            if row["track_id"] in ("copy", "<b>t09</b>")
            else ("train", "validation")[len(row["artist"] or "") % 2]
        )
    features, output = write_as(rows, feature="audited"), tmp_path / "audit.json"
    arguments = ["audit", features, "--set", "feature=audited", "--repeats", "1", "--output", str(output)]
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert "artist           1" in text
    assert "near-duplicate   1" in text
    assert "copy (test)" in text
    plain = json.loads(output.read_text())
    assert {leak["reason"] for leak in plain["leaks"]} == {"artist", "near-duplicate"}
    assert plain["near_duplicates"][0]["ratio"] < 0.5
    assert [line["split"] for line in plain["inflation"]["lines"]] == [
        *("random segments", "random tracks", "whole artists")
    ]
    assert cli.main([*arguments[:4], "--repeats", "0"]) == 0
    assert "not measured: not asked for" in capsys.readouterr().out
    assert cli.main([*arguments[:4], "--repeats", "-1"]) == 2
    expect_refusal(capsys, "parameter", "--repeats is -1")


def test_train_refuses_a_near_duplicate_and_lists_it(job, write_as, capsys):
    rows = make_rows(60)
    for i, row in enumerate(rows):
        row["split"] = ("train", "train", "validation", "test")[i // 2 % 4]
    rows.append(
        {**rows[0], "track_id": "louder", "artist": None, "split": "test", "values": 3 + rows[0]["values"]}
    )
    features = write_as(rows, feature="leaky")
    assert job("train")(["--features", features, "--set", "feature=leaky", *TINY]) == 2
    said = capsys.readouterr().err
    assert "leak: near-duplicate (course at " in said
    assert "error [leakage]: 1 leak between the splits (1 near-duplicate)" in said
    assert "<b>t00</b> (train), louder (test)" in said.splitlines()[-1]
    allowed = train(job, features, "leaky", "--set", "allow_leaks=true")
    assert mlflow.get_run(allowed["run_id"]).data.tags["deepsound.leaks_allowed"] == "true"
    assert "Leaks were allowed" in artifact(allowed["run_id"], "scorecard.html")
    assert json.loads(artifact(allowed["run_id"], "leaks.json"))["data"][0][0] == "near-duplicate"


def test_near_duplicates_that_part_in_the_folds_are_refused_too(job, write_as, capsys):
    rows = make_rows(60)
    for i, row in enumerate(rows):
        row["split"] = ("train", "train", "validation", "test")[i // 2 % 4]
    twins = [
        {**rows[i], "track_id": f"twin {i}", "artist": f"cover band {i}", "values": 3 + rows[i]["values"]}
        for i in (0, 8, 16, 24, 32, 40)
    ]
    features = write_as(rows + twins, feature="folded")
    arguments = ["--features", features, "--set", "feature=folded", *TINY]
    assert job("train")([*arguments, "--set", "folds=5"]) == 2
    expect_refusal(capsys, "leakage", "near-duplicate", "(fold ")


def test_an_absent_server_is_known_before_training(job, write_as, monkeypatch, capsys):
    features = write_as(make_rows(), feature="early")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert job("train")(["--features", features, "--set", "feature=early"]) == 2
    said = capsys.readouterr().err
    assert f"error [tracking]: the MLflow store {address} cannot be used" in said
    assert "epoch 1" not in said


def test_a_model_that_the_store_does_not_take_is_kept_and_logged_later(
    job, write_as, monkeypatch, capsys, tmp_path
):
    features = write_as(make_rows(), feature="kept")
    monkeypatch.chdir(tmp_path)
    is_away = []

    def fail_when_away(function):
        def call(*args, **options):
            if is_away:
                raise MlflowException("connection refused")
            return function(*args, **options)

        return call

    monkeypatch.setattr(mlflow, "log_metrics", fail_when_away(mlflow.log_metrics))
    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", fail_when_away(mlflow.MlflowClient.set_terminated))
    monkeypatch.setattr(finished_run, "save_keras", lambda *args: (is_away.append(True), fit.save_keras(*args)))
    assert job("train")(["--features", features, "--set", "feature=kept", *TINY]) == 2
    (folder,) = tmp_path.glob("deepsound-run-*")
    expect_refusal(capsys, "tracking", "connection refused", f"deepsound train --resume-upload {folder}' logs it")
    run_id = folder.name.removeprefix("deepsound-run-")
    assert mlflow.active_run() is None
    assert load_bundle(str(folder / "bundle")).run_id == run_id

    is_away.clear()
    outcome = tmp_path / "outcome.json"
    assert job("train")(["--resume-upload", str(folder), "--output", str(outcome)]) == 0
    assert capsys.readouterr().out == "models:/deepsound-kept/1\n"
    told = json.loads(outcome.read_text())
    assert (told["run_id"], told["is_champion"], told["model"]) == (run_id, True, "models:/deepsound-kept/1")
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/accuracy"] == told["test"]["accuracy"]
    assert run.data.tags["deepsound.promotion"] == "promoted"
    assert "<html" in artifact(run_id, "scorecard.html")
    assert aliases("kept") == {"champion": "1"}
    assert not folder.exists()
    assert job("train")(["--resume-upload", str(folder)]) == 2
    expect_refusal(capsys, "input", "record.json")


def test_of_two_trainings_at_once_the_later_is_held_against_the_earlier(job, write_as, monkeypatch):
    """Each began when there was no champion."""
    features = write_as(make_rows(), feature="raced")
    assert train(job, features, "raced")["is_champion"]
    find, answers = registry.find_champion, [None]
    monkeypatch.setattr(
        registry, "find_champion", lambda feature: answers.pop(0) if answers[1:] else find(feature)
    )
    later = train(job, features, "raced")
    assert not later["is_champion"]
    assert later["promotion"].startswith("not shown to be better than version 1")
    assert mlflow.get_run(later["run_id"]).data.tags["deepsound.promotion"] == "kept former"
    assert later["promotion"] in html.unescape(artifact(later["run_id"], "scorecard.html"))
    assert aliases("raced") == {"champion": "1"}


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt, 130), (TerminatedError, 143)])
def test_an_interrupted_training_is_told_in_a_line(job, write_as, monkeypatch, capsys, end, code):
    features = write_as(make_rows(), feature="stopped")

    def stop(*_, **__):
        raise end

    monkeypatch.setattr(train_module, "fit_head", stop)
    assert job("train")(["--features", features, "--set", "feature=stopped", *TINY]) == code
    assert capsys.readouterr().err.splitlines()[-1] in ("deepsound: interrupted", "deepsound: terminated")
    query = f"params.features_folder = '{features}'"
    (run,) = mlflow.search_runs(experiment_names=["deepsound"], filter_string=query, output_format="list")
    assert run.info.status == "KILLED"


def test_twelve_tracks_and_a_genre_that_is_not_tested(job, write_as, capsys):
    rows = make_rows(12)
    for i, row in enumerate(rows):
        row["artist"] = f"artist {i}"
        row["split"] = ("train", "test", "validation")[i // 4]
    one = train(job, write_as(rows, feature="dozen"), "dozen")
    assert "no test track of" in capsys.readouterr().err
    assert one["test"]["n_labelled"] == 4
    assert "no track is of it" in artifact(one["run_id"], "scorecard.html")
