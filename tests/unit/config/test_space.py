"""What a search may vary: every architecture brings a space, and what somebody has set is kept."""

import itertools

import pytest

from deepsound.config import FinetuneSettings, LstmSettings, SearchSettings, TrainSettings, TransformerSettings
from deepsound.config.networks import ARCHITECTURES
from deepsound.config.space import (
    SPACES_FOR_EMBEDDINGS,
    SPACES_FOR_MFCC,
    Choice,
    open_space,
    suited_values,
    with_values,
)
from deepsound.errors import ConfigError
from deepsound.settings import flatten, from_plain, to_plain

CASES = [
    *itertools.product(("mfcc", "musicnn"), ARCHITECTURES),
    ("vggish_log_mel", "vggish_finetune"),
]


def is_inside(value, dimension):
    if isinstance(dimension, Choice):
        return value in dimension.options
    return dimension.low <= value <= dimension.high


@pytest.mark.parametrize(("feature", "architecture"), CASES)
def test_every_architecture_has_a_space_around_what_suits_the_feature(feature, architecture):
    settings = TrainSettings(feature=feature, architecture=architecture)
    space = open_space(settings, n_frames=[431])
    assert any(key.startswith(("finetune.", f"{architecture}.")) for key in space)
    suited = suited_values(settings, space)
    assert set(suited) == set(space)
    assert all(is_inside(suited[key], dimension) for key, dimension in space.items())


@pytest.mark.parametrize(("feature", "architecture"), CASES)
def test_every_value_of_a_space_is_one_that_the_settings_take(feature, architecture):
    settings = TrainSettings(feature=feature, architecture=architecture)
    space = open_space(settings, n_frames=[431])
    choices = {key: d.options for key, d in space.items() if isinstance(d, Choice)}
    for values in itertools.product(*choices.values()):
        flat = flatten(to_plain(with_values(settings, dict(zip(choices, values, strict=True)))))
        assert [flat[key] for key in choices] == list(values)
    for key, dimension in space.items():
        if key not in choices:
            for value in (dimension.low, dimension.high):
                with_values(settings, {key: value})
            assert dimension.low < dimension.high


def test_of_several_features_what_suits_them_all_is_searched():
    space = open_space(TrainSettings(feature="mfcc+musicnn"), n_frames=[431, 5])
    one = open_space(TrainSettings(feature="musicnn"), n_frames=[5])
    assert set(one) - set(space) == {key for key in one if key.startswith("cnn.")} != set()
    settings = TrainSettings(feature="mfcc+musicnn", architecture="lstm")
    for n_frames in ([431, 1], [4, 5]):
        with pytest.raises(ConfigError, match="works on a sequence"):
            open_space(settings, n_frames=n_frames)


def test_the_kernel_is_searched_for_the_cnn_and_no_space_is_of_another_architecture():
    assert set(SPACES_FOR_MFCC) == set(ARCHITECTURES)
    assert set(SPACES_FOR_EMBEDDINGS) == {*ARCHITECTURES, "vggish_finetune"}
    for spaces in (SPACES_FOR_MFCC, SPACES_FOR_EMBEDDINGS):
        assert "cnn.kernel_size" in spaces["cnn"]
        for architecture, space in spaces.items():
            sections = {key.partition(".")[0] for key in space if "." in key}
            assert sections == {"finetune" if architecture == "vggish_finetune" else architecture}


def test_what_is_set_is_kept():
    asked = from_plain(TrainSettings, {"cnn": {"kernel_size": 5, "dropout": 0}, "learning_rate": 0.01}, where="x")
    space = open_space(asked, n_frames=[431])
    assert not {"cnn.kernel_size", "cnn.dropout", "learning_rate"} & set(space)
    assert "cnn.filters" in space
    best = with_values(asked, {"cnn.filters": [8], "batch_size": 16})
    assert (best.cnn.kernel_size, best.cnn.filters, best.batch_size, best.learning_rate) == ((5,), (8,), 16, 0.01)


def test_nothing_left_to_search():
    settings = TrainSettings(
        feature="vggish_log_mel",
        architecture="vggish_finetune",
        finetune=FinetuneSettings(unfreeze=("fc",), learning_rate=1e-4, dropout=0.1),
        learning_rate=0.01,
        search=SearchSettings(n_trials=5),
    )
    with pytest.raises(ConfigError, match=r"search\.n_trials is 5, but every setting .* finetune\.unfreeze"):
        open_space(settings, n_frames=[96])


def test_values_that_contradict_what_is_set_are_left_out():
    settings = TrainSettings(architecture="transformer", transformer=TransformerSettings(width=36))
    assert open_space(settings, n_frames=[431])["transformer.n_heads"] == Choice((2, 4))
    short = TrainSettings(feature="x", architecture="lstm")
    assert open_space(short, n_frames=[2])["lstm.frames_per_step"] == Choice((1,))


def test_a_space_that_is_contradicted_altogether():
    settings = TrainSettings(architecture="transformer", transformer=TransformerSettings(width=33, n_heads=3))
    open_space(settings, n_frames=[431])
    odd = TrainSettings(architecture="transformer", transformer=TransformerSettings(n_heads=7, width=49))
    assert "transformer.width" not in open_space(odd, n_frames=[431])
    with pytest.raises(ConfigError, match=r"nothing .* for 'lstm\.units' .* works on a sequence"):
        open_space(TrainSettings(feature="x", architecture="lstm"), n_frames=[1])
    kept = TrainSettings(architecture="lstm", lstm=LstmSettings(frames_per_step=500))
    with pytest.raises(ConfigError, match="works on a sequence"):
        open_space(kept, n_frames=[431])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_trials": -1}, "n_trials"),
        ({"n_folds": 1}, "n_folds"),
        ({"n_parallel": 0}, "n_parallel"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"storage": "postgresql://host/db"}, "path of a file"),
        ({"storage": " "}, "path of a file"),
        ({"trials": 5}, "unknown setting 'search.trials'"),
    ],
)
def test_search_settings_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_plain(TrainSettings, {"search": values}, where="x")
