"""--dry-run: what would be done, and nothing is: no folder, no store, no run."""

import pathlib

import pytest
from mlflow import MlflowClient

from deepsound.cli import main
from deepsound.doctor import forecast
from deepsound.training.tracking import mlflow

SETTINGS = ("--set", "segment_s=1")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory without a store, which is to stay empty."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    yield folder
    assert list(folder.iterdir()) == []


def files_of(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(folder.rglob("*"))}


@pytest.mark.usefixtures("spark")
def test_an_extraction_is_planned_and_nothing_is_written(music, elsewhere, capsys):
    arguments = ["extract", "--input", str(music), "--output", "on/the/way/features", *SETTINGS, "--dry-run"]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "of 24 files, 0 are done\nto do: 24 new\nhow long: not tried" in printed.out
    assert "next:" not in printed.err
    assert elsewhere.exists()


@pytest.mark.usefixtures("spark", "elsewhere")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "of 24 files, 24 are done\nto do: 24 with new labels or a new time only"),
        (["--set", "segment_s=0.5", "--overwrite"], "of 24 files, 0 are done\nto do: 24 new, once what lies in "),
    ],
)
def test_what_was_extracted_before_counts(music, features, capsys, more, said):
    before = files_of(features)
    arguments = ["extract", "--input", str(music), "--output", str(features), *SETTINGS, "--dry-run", *more]
    assert main(arguments) == 0
    assert said in capsys.readouterr().out
    assert files_of(features) == before


@pytest.mark.usefixtures("spark", "elsewhere")
def test_a_dry_run_is_refused_as_the_work_would_be(music, features, capsys):
    other = ["--set", "segment_s=0.5", "--dry-run"]
    assert main(["extract", "--input", str(music), "--output", str(features), *other]) == 2
    assert "holds features with the fingerprint" in capsys.readouterr().err


@pytest.mark.usefixtures("spark", "elsewhere")
def test_how_long_is_told_by_a_trial_of_what_is_left_with_the_settings(music, monkeypatch, capsys):
    tried = {}

    def try_it(pilot, **given):
        tried.update(given, n=len(pilot.files))
        wall_s = {6: 10.0, 24: 19.0}
        audio_s, codes = [2.0] * len(pilot.files), [None] * len(pilot.files)
        return forecast.Trial(
            n_cores=2, wall_s=wall_s, worker_bytes=10**8, output_bytes=10**6, audio_s=audio_s, error_codes=codes
        )

    monkeypatch.setattr(forecast, "run_trial", try_it)
    monkeypatch.setattr(forecast, "N_FILES", 20)
    assert main(["extract", "--input", str(music), "--output", "features", *SETTINGS, "--dry-run"]) == 0
    assert "prediction for 24 files" in capsys.readouterr().out
    assert list(tried["arguments"]) == ["--set", "segment_s=1.0"]


def test_a_training_is_planned_and_makes_no_store(features, elsewhere, capsys):
    assert main(["train", "--features", str(features), "--set", "average_with=[lda]", "--dry-run"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("mfcc: 3 genres, tracks: ")
    assert printed[1:] == [
        "to train: cnn, lda in 5 folds and once more for the model itself: 12 heads",
        "to be registered as deepsound-mfcc: it would be the first",
    ]
    assert elsewhere.exists()


def test_a_search_is_told_of_and_the_registered_model_known(features, trained, capsys):
    search = ["--set", "search.n_trials=40", "--set", "folds=0"]
    assert main(["train", "--features", str(features), *search, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "search first: up to 40 trials, each of 3 folds\nto train: cnn once, without folds: 1 head" in printed
    name = trained.removeprefix("models:/").partition("/")[0]
    # Other tests register models of that name, too.
    newest = max(int(version.version) for version in MlflowClient().search_model_versions(f"name='{name}'"))
    assert f"to be registered as {name}: {name} has " in printed
    assert f"its newest version is {newest}\n" in printed


@pytest.mark.usefixtures("spark")
def test_a_scoring_is_planned_and_logs_nothing(music, features, trained, tmp_path, capsys):
    n_runs = len(mlflow.search_runs(search_all_experiments=True))
    output = tmp_path / "scores"
    words = ["--model", trained, "--output", str(output), "--dry-run"]
    assert main(["score", "--input", str(features), *words]) == 0
    assert capsys.readouterr().out == (
        f"to score: 24 tracks of {features}; 0 have no features, and stay failed\nby mfcc: {trained}\n"
    )
    assert main(["score", "--input", str(features), *words, "--set", "subset=test"]) == 0
    n_test = int(capsys.readouterr().out.removeprefix("to score: ").partition(" ")[0])
    assert 0 < n_test < 24
    assert main(["score", "--input", str(music), *words]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("extracts mfcc first\n24 files, ")
    assert "of 24 files, 0 are done\nto do: 24 new\n" in printed
    assert not output.exists()
    assert len(mlflow.search_runs(search_all_experiments=True)) == n_runs


def test_only_a_training_is_planned(capsys):
    assert main(["train", "--resume-upload", "kept", "--dry-run"]) == 2
    assert "--resume-upload trains nothing" in capsys.readouterr().err
