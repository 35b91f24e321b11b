"""What a hyperparameter search may vary: per architecture, settings by name and the values to try.

A setting that somebody has set is kept; the rest of the space is searched. Names are those of ``--set``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepsound.config.networks import Lstm, Transformer, check_n_steps
from deepsound.config.train import TrainSettings
from deepsound.errors import ConfigError
from deepsound.settings import flatten, from_plain, to_plain


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    options: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Any number from ``low`` to ``high``; ``is_log`` where its magnitude matters rather than its value."""

    low: float
    high: float
    is_log: bool = False


Space = Mapping[str, Choice | Range]

_LEARNING: Space = {
    "learning_rate": Range(low=1e-4, high=1e-2, is_log=True),
    "batch_size": Choice((16, 32, 64)),
}
_DROPOUTS = Range(low=0.0, high=0.6)
_INPUT_DROPOUTS = Range(low=0.0, high=0.5)
_STATISTICS = Choice((["mean"], ["mean", "std"], ["mean", "std", "min", "max"]))
_LINEAR: dict[str, Space] = {
    "lda": {"lda.statistics": _STATISTICS},
    "logistic": {"logistic.statistics": _STATISTICS, "logistic.c": Range(low=1e-4, high=10.0, is_log=True)},
}
# The architecture's own settings first. Each space holds what its settings default to.
SPACES_FOR_MFCC: dict[str, Space] = {
    "cnn": {
        "cnn.filters": Choice(([32], [32, 64], [16, 32, 64], [32, 64, 96])),
        "cnn.kernel_size": Choice(([3, 3], [5, 3], [7, 3], [3, 5], [5, 5], [7, 7], [3, 0], [5, 0])),
        "cnn.pool_size": Choice(([2, 2], [3, 2], [4, 2], [3, 1])),
        "cnn.dense_units": Choice((0, 64, 128)),
        "cnn.dropout": _DROPOUTS,
        "cnn.input_dropout": _INPUT_DROPOUTS,
        **_LEARNING,
    },
    "lstm": {
        "lstm.units": Choice(([32], [64], [128], [64, 64])),
        "lstm.bidirectional": Choice((True, False)),
        "lstm.frames_per_step": Choice((2, 4, 8, 16)),
        "lstm.dense_units": Choice((0, 64)),
        "lstm.dropout": _DROPOUTS,
        "lstm.input_dropout": _INPUT_DROPOUTS,
        **_LEARNING,
    },
    "transformer": {
        "transformer.n_blocks": Choice((1, 2, 3)),
        "transformer.n_heads": Choice((2, 4, 8)),
        "transformer.width": Choice((32, 64, 128)),
        "transformer.feedforward_units": Choice((64, 128, 256)),
        "transformer.frames_per_step": Choice((4, 8, 16)),
        "transformer.dropout": _DROPOUTS,
        "transformer.input_dropout": _INPUT_DROPOUTS,
        **_LEARNING,
    },
    "mlp": {
        "mlp.statistics": _STATISTICS,
        "mlp.units": Choice(([], [64], [128], [128, 64])),
        "mlp.dropout": _DROPOUTS,
        "mlp.input_dropout": _INPUT_DROPOUTS,
        **_LEARNING,
    },
    **_LINEAR,
}
SPACES_FOR_EMBEDDINGS: dict[str, Space] = {
    "cnn": {
        **SPACES_FOR_MFCC["cnn"],
        "cnn.filters": Choice(([64], [128], [256], [64, 128])),
        "cnn.kernel_size": Choice(([1, 0], [2, 0], [3, 0], [5, 0], [3, 3])),
        "cnn.pool_size": Choice(([2, 1], [3, 1])),
    },
    "lstm": {**SPACES_FOR_MFCC["lstm"], "lstm.frames_per_step": Choice((1, 2))},
    "transformer": {**SPACES_FOR_MFCC["transformer"], "transformer.frames_per_step": Choice((1, 2))},
    "mlp": {**SPACES_FOR_MFCC["mlp"], "mlp.statistics": Choice((["mean"], ["mean", "std"]))},
    **_LINEAR,
    "vggish_finetune": {
        "finetune.unfreeze": Choice(([], ["fc"], ["fc", "conv4"], ["fc", "conv4", "conv3"])),
        "finetune.learning_rate": Range(low=1e-6, high=1e-4, is_log=True),
        "finetune.dropout": _DROPOUTS,
        "learning_rate": _LEARNING["learning_rate"],
    },
}


def open_space(settings: TrainSettings, *, n_frames: Sequence[int]) -> Space:
    """The part of the architecture's space that the settings leave open; of several features, what suits them all.

    ``settings`` are as they were asked for, not resolved: what differs from its default is kept. ``n_frames`` is
    of a segment, by feature. Raises ConfigError if nothing is left to search, or if what is kept rules out every
    value of another setting.
    """
    spaces = SPACES_FOR_MFCC if settings.feature == "mfcc" else SPACES_FOR_EMBEDDINGS
    varied = spaces[settings.architecture] if settings.has_section else _space_of_own(settings)
    suited = flatten(to_plain(settings.resolved()))
    asked, defaults = (flatten(to_plain(s)) for s in (settings, TrainSettings()))
    kept = {key for key, value in asked.items() if value != defaults.get(key)}
    space = {
        key: _only_possible(dimension, key=key, settings=settings, n_frames=n_frames)
        for key, dimension in varied.items()
        if key not in kept and suited[key] is not None
    }
    if not space:
        raise ConfigError(
            f"search.n_trials is {settings.search.n_trials}, but every setting that a search varies for "
            f"{settings.architecture} is set: {', '.join(varied)}"
        )
    return space


def with_values(settings: TrainSettings, values: Mapping[str, Any]) -> TrainSettings:
    """Settings with values of a space put in. Raises ConfigError if they contradict each other."""
    plain = to_plain(settings)
    for key, value in values.items():
        *groups, name = key.split(".")
        target = plain
        for group in groups:
            target = target[group]
        target[name] = value
    return from_plain(TrainSettings, plain, where="the search")


def suited_values(settings: TrainSettings, space: Space) -> dict[str, Any]:
    """What the space's settings are without a search: a point of it to start from."""
    resolved = flatten(to_plain(settings.resolved()))
    return {key: resolved[key] for key in space}


def _space_of_own(settings: TrainSettings) -> Space:
    """Of a head without a section of its own: what its ``search_space`` says, and how it learns."""
    own: Space = getattr(settings.networks[0], "search_space", {})
    return {**{f"head.{name}": dimension for name, dimension in own.items()}, **_LEARNING}


def _only_possible(
    dimension: Choice | Range, *, key: str, settings: TrainSettings, n_frames: Sequence[int]
) -> Choice | Range:
    """The options that go with the other settings and with the feature's length."""
    if isinstance(dimension, Range):
        return dimension
    possible, reason = [], None
    for option in dimension.options:
        try:
            _check_length(with_values(settings, {key: option}), n_frames)
        except ConfigError as exc:
            reason = exc
        else:
            possible.append(option)
    if not possible:
        raise ConfigError(f"nothing that a search would try for '{key}' goes with the other settings: {reason}")
    return Choice(tuple(possible))


def _check_length(settings: TrainSettings, n_frames: Sequence[int]) -> None:
    networks = () if settings.pretrained else settings.networks
    for network, n in zip(networks, n_frames, strict=False):
        if isinstance(network, Lstm | Transformer):
            check_n_steps(network, n_frames=n, name=settings.architecture)
