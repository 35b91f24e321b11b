"""What of the settings of a training decides anything, and what a run is called."""

import pytest

from deepsound.config import SearchSettings, TrainSettings
from deepsound.config.networks import ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_settings_of_other_architectures_are_idle(architecture):
    idle = TrainSettings(architecture=architecture).idle
    assert architecture not in idle
    assert {*ARCHITECTURES, "finetune"} - {architecture} <= set(idle)
    assert ("epochs" in idle) == ("learning_rate" in idle) == (architecture in ("lda", "logistic"))


def test_a_search_and_a_finetuning_decide_something_where_they_are():
    assert "search" in TrainSettings().idle
    assert "search" not in TrainSettings(search=SearchSettings(n_trials=3)).idle
    idle = TrainSettings(feature="vggish_log_mel", architecture="vggish_finetune").idle
    assert "finetune" not in idle
    assert {*ARCHITECTURES, "schedule", "refit"} <= set(idle)
    assert set(idle) <= set(TrainSettings.__dataclass_fields__)


def test_the_name_of_a_run():
    settings = TrainSettings(feature="musicnn", architecture="mlp", seed=4)
    assert settings.name_run("gtzan_mini") == "musicnn mlp · gtzan_mini · seed 4"
