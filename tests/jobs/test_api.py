"""`import deepsound`: the same in lines of Python."""

import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import soundfile
from sklearn.metrics import accuracy_score, confusion_matrix

import deepsound as ds
from deepsound.config import ExtractSettings, ScoreSettings, TrainSettings
from deepsound.errors import BundleError, ConfigError, InputError, OutputError, ParameterError, TrackingError
from deepsound.settings import to_plain


@pytest.fixture(scope="module")
def extracted(spark, music, tmp_path_factory):  # noqa: ARG001
    output = tmp_path_factory.mktemp("api") / "features"
    labels = {"from": "csv", "csv": str(music / "manifest.csv")}
    return ds.extract(music, output, features=["mfcc"], segment_s=1.0, labels=labels)


@pytest.fixture(scope="module")
def model(extracted):
    return ds.train(extracted, feature="mfcc", architecture="lda", folds=3, report={"audio": 0})


@pytest.fixture(scope="module")
def scores(extracted, model, tmp_path_factory):
    return ds.score(extracted, model, tmp_path_factory.mktemp("api") / "scores", report={"audio": 0})


def test_features_are_what_the_folder_holds(extracted):
    tracks = extracted.tracks()
    assert list(tracks["track_id"]) == sorted(pq.read_table(f"{extracted.path}/tracks")["track_id"].to_pylist())
    assert {"path", "content_sha256", "error_code", "rms_dbfs"} <= set(tracks.columns)
    assert len(extracted.failed()) == (tracks["status"] == "failed").sum()
    x, y, groups = extracted.matrices("mfcc")
    table = pq.read_table(f"{extracted.path}/segments")
    assert x.shape == (table.num_rows, 44, 13)
    ids = np.array(sorted(table["track_id"].to_pylist()), object)
    by_id = tracks.set_index("track_id")
    assert list(y) == [by_id.loc[i, "genre"] for i in ids]
    assert list(groups) == [by_id.loc[i, "artist"] or i for i in ids]


def test_subsets_are_those_of_a_training(extracted, model):
    split = model.bundle.split.to_pandas()
    parts = {name: extracted.matrices("mfcc", subset=name)[2] for name in ("train", "validation", "test")}
    for name, artists in parts.items():
        assert set(artists) == set(split.loc[split["split"] == name, "artist"])
    with pytest.raises(ParameterError, match="wanted one of train, validation, test"):
        extracted.matrices("mfcc", subset="tests")


def test_array_of_a_track_is_its_rows(extracted):
    track_id = extracted.tracks().query("status == 'ok'")["track_id"].iloc[1]
    rows = pq.read_table(f"{extracted.path}/segments").to_pandas().query("track_id == @track_id")
    expected = np.stack(rows.sort_values("segment_index")["mfcc"].to_list()).reshape(-1, 44, 13)
    np.testing.assert_array_equal(extracted.array("mfcc", track_id=track_id), expected)
    with pytest.raises(InputError, match="no segments of a track 'nobody'"):
        extracted.array("mfcc", track_id="nobody")


def test_audio_of_a_track_is_its_file(extracted, music):
    track = extracted.tracks().query("status == 'ok'").iloc[0]
    waveform, rate_hz = extracted.audio(track["track_id"])
    samples, expected_hz = soundfile.read(music / track["track_id"], always_2d=True)
    assert rate_hz == expected_hz
    np.testing.assert_allclose(waveform, samples.mean(axis=1), atol=1e-6)
    with pytest.raises(InputError, match="no track 'nobody'"):
        extracted.audio("nobody")


def test_a_model_tells_what_it_is_worth(model):
    table = model.bundle.out_of_fold.to_pandas()
    assert model.report.accuracy == pytest.approx(accuracy_score(table["genre"], table["predicted_genre"]))
    low, high = model.report.accuracy_interval
    assert low < model.report.accuracy <= high
    expected = confusion_matrix(table["genre"], table["predicted_genre"], labels=model.genres)
    assert model.report.to_dict()["confusion_matrix"] == expected.tolist()
    assert "accuracy" in str(model.report)
    assert model.report.to_html().startswith("<!")
    assert "srcdoc=" in model.report._repr_html_()
    assert model.report.confusion().axes
    again = ds.load(model.uri)
    assert again.report.accuracy == model.report.accuracy
    assert again.versions()["newest"] >= 1


def test_a_file_is_predicted_as_the_job_scores_it(model, scores, music):
    rows = scores.predictions().query("error_code.isnull()").set_index("track_id")
    track_id = rows.index[0]
    path = music / track_id
    samples, rate_hz = soundfile.read(path, dtype="float32")
    predictions = [
        model.predict(path),
        model.predict(str(path)),
        model.predict(path.read_bytes()),
        model.predict(samples, sample_rate_hz=rate_hz),
    ]
    for prediction in predictions:
        assert prediction.genre == rows.loc[track_id, "predicted_genre"]
        np.testing.assert_allclose(
            list(prediction.probabilities.values()), rows.loc[track_id, "probabilities"], atol=1e-6
        )
        assert prediction.ood_score == pytest.approx(rows.loc[track_id, "ood_score"], rel=1e-5)
        assert prediction.is_ood == rows.loc[track_id, "is_ood"]
        assert len(prediction.segments) == rows.loc[track_id, "n_segments"]


def test_what_cannot_be_predicted_is_told(model, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    for audio, words in (
        ("nowhere.mp3", "cannot be opened"),
        (tmp_path / "empty.wav", "empty"),
        (b"no audio", ""),
    ):
        with pytest.raises(InputError, match=words):
            model.predict(audio)
    with pytest.raises(ParameterError, match="sample_rate_hz"):
        model.predict(np.zeros(22050))
    with pytest.raises(ParameterError, match="shape"):
        model.predict(np.zeros((2, 2, 2)), sample_rate_hz=22050)


def test_a_model_is_saved_and_loaded(model, music, tmp_path):
    folder = model.save(tmp_path / "model")
    path = next(path for path in sorted(music.rglob("*.wav")) if path.stat().st_size > 10_000)
    assert ds.load(folder).predict(path).probabilities == model.predict(path).probabilities
    with pytest.raises(OutputError, match="there already"):
        model.save(tmp_path / "model")
    with pytest.raises(BundleError, match="no model at"):
        ds.load(tmp_path / "nothing")
    with pytest.raises(TrackingError, match="no alias 'champ'"):
        ds.load(f"{model.uri.rpartition('/')[0]}@champ")


def test_scores_are_what_the_folder_holds(scores, model):
    predictions = scores.predictions()
    assert isinstance(predictions, pd.DataFrame)
    told, again = scores.report.to_dict(), ds.evaluate(f"{scores.path}/predictions", genres=model.genres).to_dict()
    for name in ("accuracy", "accuracy_low", "n_tracks", "n_failed", "macro_f1", "confusion_matrix"):
        assert again[name] == told[name]
    assert ds.evaluate(predictions, genres=model.genres).accuracy == told["accuracy"]
    with pytest.raises(ParameterError, match="wanted one of mfcc"):
        scores.predictions("vggish")


def test_curves_of_a_report_are_its_predictions(scores, model):
    table = scores.predictions().query("error_code.isnull() and not genre.isnull()")
    is_right = (table["genre"] == table["predicted_genre"]).mean()
    (curve,) = [line for line in scores.report.coverage().axes[0].lines if line.get_linestyle() == "-"]
    assert curve.get_xdata()[-1] == 1
    assert curve.get_ydata()[-1] == pytest.approx(is_right)
    calibration = scores.report.calibration().axes[0]
    assert calibration.get_title() == scores.report.coverage().axes[0].get_title() == model.uri
    assert calibration.get_xlabel() == "confidence"
    unlabelled = ds.evaluate(table.assign(genre=None), genres=model.genres)
    for draw in (unlabelled.calibration, unlabelled.coverage):
        with pytest.raises(InputError, match="no track has a genre that the model knows"):
            draw()


def test_two_models_are_compared(extracted, model):
    result = ds.compare(model, model.uri, extracted, subset="all")
    assert result.paired.difference == 0
    with pytest.raises(ParameterError, match="test or all"):
        ds.compare(model, model, extracted, subset="some")


def test_a_model_is_a_udf(spark, extracted, model):
    segments = spark.read.parquet(f"{extracted.path}/segments")
    row = segments.select(ds.genre_udf(model)("mfcc").alias("g")).select("g.*").first()
    assert row["predicted_genre"] in model.genres


def test_a_session_of_the_users_is_neither_changed_nor_stopped(spark, extracted, music):
    before = dict(spark.conf.getAll)
    labels = {"from": "csv", "csv": str(music / "manifest.csv")}
    ds.extract(music, extracted.path, spark=spark, features="mfcc", **{"segment_s": 1.0, "labels": labels})
    assert dict(spark.conf.getAll) == before
    assert spark.range(3).count() == 3


@pytest.mark.parametrize(
    ("function", "settings"),
    [(ds.extract, ExtractSettings), (ds.train, TrainSettings), (ds.score, ScoreSettings)],
    ids=["extract", "train", "score"],
)
def test_help_names_every_setting_with_its_default(function, settings):
    parameters = inspect.signature(function).parameters
    for name, default in to_plain(settings()).items():
        assert parameters[name].default == default
        assert name in function.__doc__


def test_a_misspelt_setting_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown setting 'segmen_s' \(did you mean 'segment_s'\?\)"):
        ds.extract(tmp_path, tmp_path / "out", segmen_s=3)
    with pytest.raises(ConfigError, match="'labels' is a single value"):
        ds.extract(tmp_path, tmp_path / "out", **{"labels": "csv", "labels.csv": "x"})


def test_the_import_loads_no_engine_and_is_quick():
    code = (
        "import sys, time; t = time.perf_counter(); import deepsound; s = time.perf_counter() - t\n"
        "deepsound.extract; deepsound.Report\n"
        "print(sorted({'pyspark', 'tensorflow', 'keras', 'mlflow', 'sklearn'} & set(sys.modules)), s)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.startswith("[] ")
