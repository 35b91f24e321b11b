"""The commands on a page make the same run again."""

import dataclasses
import shlex

from deepsound.config import LabelSettings, ScoreSettings, TrainSettings
from deepsound.settings import read_settings, to_plain
from deepsound.training.scorecard import train_command
from deepsound.training.scoring_run import score_command


def test_a_training_says_the_command_that_makes_it_again():
    settings = read_settings(
        TrainSettings, section="train", overrides=["feature=musicnn", "search.n_trials=4", "cnn.filters=[8]"]
    ).resolved()
    settings = dataclasses.replace(settings, search=TrainSettings().search)
    words = shlex.split(train_command("my features", settings))
    assert words[:4] == ["deepsound", "train", "--features", "my features"]
    assert words[4:] == ["--set", "feature=musicnn", "--set", "cnn.filters=[8]"]
    again = read_settings(TrainSettings, section="train", overrides=words[5::2]).resolved()
    assert again == settings


def test_a_scoring_says_the_command_that_makes_it_again():
    settings = ScoreSettings(subset="test", labels=LabelSettings(map="fma"))
    summary = {"input": "a b", "model": "models:/deepsound-mfcc/3", "settings": to_plain(settings)}
    words = shlex.split(score_command(summary))
    assert words[:6] == ["deepsound", "score", "--input", "a b", "--model", "models:/deepsound-mfcc/3"]
    assert words[6:] == ["--output", "scores", "--set", "subset=test", "--set", "labels.map=fma"]
