"""Settings of ``deepsound benchmark``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deepsound.config.check import check_setting
from deepsound.config.heads import check_architecture
from deepsound.config.train import TrainSettings

PROTOCOLS = ("segments", "tracks", "artists", "split")


@dataclass(frozen=True, kw_only=True)
class BenchmarkSettings:
    """A table of features and heads under several ways of dividing the same tracks."""

    # None for all that the folder holds; several joined with + are one.
    features: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ("lda", "logistic", "cnn")
    # Cross-validation by random segments, random tracks, whole artists; split: the test part of train.split.
    protocols: tuple[str, ...] = ("segments", "tracks", "artists")
    n_folds: int = 5
    seed: int = 0
    # What all cells are trained by.
    train: TrainSettings = field(default_factory=TrainSettings)

    def __post_init__(self) -> None:
        for architecture in self.architectures:
            check_architecture(architecture, key="architectures")
        is_known = set(self.protocols) <= set(PROTOCOLS)
        check_setting(is_known, "protocols", self.protocols, f"one or more of {', '.join(PROTOCOLS)}")
        for name in ("architectures", "protocols"):
            values = getattr(self, name)
            is_list = bool(values) and len(set(values)) == len(values)
            check_setting(is_list, name, values, "one or more of them, each once")
        check_setting(len(set(self.features)) == len(self.features), "features", self.features, "each once")
        check_setting(self.n_folds >= 2, "n_folds", self.n_folds, "at least 2")
        check_setting(self.seed >= 0, "seed", self.seed, "a whole number from 0")
        n_trials = self.train.search.n_trials
        check_setting(n_trials == 0, "train.search.n_trials", n_trials, "0, as a benchmark does not search")

    def of_cells(self, features: Sequence[str]) -> list[TrainSettings]:
        """The training of each feature with each architecture.

        Raises ConfigError if an architecture does not go with a feature.
        """
        return [
            replace(self.train, feature=feature, architecture=architecture, seed=self.seed)
            for feature in features
            for architecture in self.architectures
        ]
