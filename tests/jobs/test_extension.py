"""A package of somebody else's, used by name: the commands of docs/howto/extend.md, as they stand there."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.signal
import soundfile

import deepsound as ds
from deepsound.errors import PluginError, UnknownFeatureError
from tests.example import ROOT as EXAMPLE

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "extend.md"
# One process for all commands: Java and TensorFlow are started once.
RUN = """
import shlex, sys
from deepsound.cli import main
for command in sys.argv[1:]:
    code = main(shlex.split(command)[1:])
    if code:
        sys.exit(f"{code}: {command}")
"""
WORDS = {"high": "Treble", "low": "Bass", "noise": "Talk"}


def write_playlist(path, music, word_of):
    lines = ["#EXTM3U"]
    for track in sorted(music.rglob("*.wav")):
        genre, number = track.parent.name, int(track.stem[-5:])
        lines += [f"#EXTGENRE:{word_of(genre)}", f"#EXTART:{genre} artist {number // 2}", str(track)]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def work(music, example_folder, tmp_path_factory):
    """A folder in which the page's commands were run with the package installed."""
    folder = tmp_path_factory.mktemp("extension")
    (folder / "radio.yaml").write_bytes((EXAMPLE / "radio.yaml").read_bytes())
    write_playlist(folder / "station.m3u", music, str)
    write_playlist(folder / "archive.m3u", music, WORDS.get)
    commands = re.findall(r"^(deepsound .*)$", PAGE.read_text(), re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["extract", "train", "extract", "score"]
    commands[1] += " --set folds=0 --set epochs=20 --set learning_rate=0.01 --set report.audio=0"
    path = os.pathsep.join([str(example_folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'own.db'}"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_its_source_and_its_feature_are_extracted(work, music):
    tracks = {row["track_id"]: row for row in pq.read_table(work / "station" / "tracks").to_pylist()}
    assert len(tracks) == 24
    path = music / "high" / "high.00003.wav"
    row = tracks[str(path).lstrip("/")]
    assert (row["status"], row["genre"], row["artist"]) == ("ok", "high", "high artist 1")
    summary = json.loads((work / "station" / "extract.json").read_text())
    assert summary["features"]["chroma"]["package"] == "deepsound-radio 1.0"
    assert "package" not in summary["features"]["mfcc"]
    # Welch's periodogram without overlap, detrending or its scale: the same power in other hands.
    segments = pq.read_table(
        work / "station" / "segments", filters=[("track_id", "=", row["track_id"])]
    ).to_pylist()
    first = next(segment for segment in segments if segment["segment_index"] == 0)
    samples, rate_hz = soundfile.read(path)
    samples = samples[:rate_hz] / np.abs(samples).max()
    frequency_hz, _, power = scipy.signal.spectrogram(
        samples, rate_hz, np.hanning(4096), noverlap=0, detrend=False, scaling="spectrum", mode="psd"
    )
    power = power[4:] * np.hanning(4096).sum() ** 2 / 2
    power[-1] *= 2
    pitch_class = np.round(12 * np.log2(frequency_hz[4:] / 440)).astype(int) % 12
    expected = np.log10(1e-6 + np.stack([power[pitch_class == k].sum(axis=0) for k in range(12)], axis=1))
    np.testing.assert_allclose(np.reshape(first["chroma"], (-1, 12)), expected, atol=1e-4)


def test_its_head_is_trained_and_its_label_map_is_scored_by(work):
    metrics = json.loads((work / "scores" / "metrics.json").read_text())
    assert (metrics["n_tracks"], metrics["n_labelled"]) == (24, 16)
    assert metrics["labels"] == ["high", "low", "noise"]
    assert metrics["accuracy"] > 0.8
    rows = pq.read_table(work / "scores" / "predictions").to_pylist()
    assert {(row["label"], row["label_outcome"]) for row in rows} == {
        ("Treble", "mapped"),
        ("Bass", "mapped"),
        ("Talk", "unmapped"),
    }


@pytest.fixture
def model(work):
    (folder,) = {path.parent for path in work.rglob("bundle.json")}
    return ds.load(folder)


@pytest.mark.usefixtures("forgotten_plugins")
def test_a_model_whose_package_is_missing_names_it(model, music):
    assert model.bundle.train_settings["head"] == {"units": 16, "dropout": 0.2}
    with pytest.raises(
        UnknownFeatureError, match=r"a feature of the package deepsound-radio 1.0, which is not installed"
    ):
        model.predict(music / "high" / "high.00000.wav")


@pytest.mark.usefixtures("example")
def test_a_model_whose_package_is_there_predicts(model, music):
    assert model.predict(music / "low" / "low.00000.wav").genre == "low"


@pytest.mark.usefixtures("spark", "example")
def test_workers_that_lack_the_package_say_so(music, tmp_path):
    """The driver has it; the workers of a session that began before do not."""
    with pytest.raises(
        PluginError, match=r"feature 'chroma', deepsound_radio.*cannot be imported: ModuleNotFound"
    ) as refusal:
        ds.extract(music, tmp_path / "features", features=["chroma"], segment_s=1.0)
    assert "\n" not in str(refusal.value)
    assert "Spark's workers" in str(refusal.value)


@pytest.mark.usefixtures("forgotten_plugins")
def test_a_source_that_fails_is_told_before_spark_works(job, music, tmp_path, capsys):
    output = ["--output", str(tmp_path / "features"), "--set", "source.reader=m3u"]
    assert job("extract")(["--input", str(music), *output]) == 2
    assert "'source.reader' is 'm3u'; known: none" in capsys.readouterr().err
