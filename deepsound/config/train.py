"""Settings of ``jobs/train.py``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from deepsound.config.check import check_setting
from deepsound.config.heads import FINETUNING, Head, check_architecture, make_head
from deepsound.config.linear import LdaSettings, LogisticSettings
from deepsound.config.networks import (
    ARCHITECTURES,
    SUITED_TO_EMBEDDINGS,
    SUITED_TO_MFCC,
    CnnSettings,
    LstmSettings,
    MlpSettings,
    Network,
    TransformerSettings,
)
from deepsound.config.recipe import FOR_CNN_ON_EMBEDDINGS, LINEAR, PLAIN, Recipe
from deepsound.config.sections import (
    FINETUNED_FEATURE,
    FinetuneSettings,
    OodSettings,
    ReportSettings,
    SearchSettings,
)
from deepsound.config.split import SPLIT_NAMES, SplitSettings
from deepsound.settings import to_plain

TRANSFORMS = ("none", "logit", "auto")
_OF_EPOCHS = ("epochs", "patience", "batch_size", "learning_rate", "schedule", "n_seeds")
_NOT_OF_FINETUNING = (
    "transform",
    "schedule",
    "artist_balance",
    "genre_balance",
    "n_seeds",
    "average_with",
    "refit",
)
# Far apart, so that the members of one seed are not those of the next.
_SEED_STEP = 1_000_003


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What ``jobs/train.py`` does with a declared feature, or with several."""

    feature: str = "mfcc"
    architecture: str = "cnn"
    seed: int = 0
    genres: tuple[str, ...] = ()
    split: SplitSettings = field(default_factory=SplitSettings)
    # Short for split.files: the train, the validation and the test list.
    split_files: tuple[str, ...] = ()
    allow_leaks: bool = False
    # Folds of a cross-validation by split.by, before the model itself is trained; 0 for none. auto: 5 where the
    # test part has fewer than 500 tracks.
    folds: int | str = "auto"
    cnn: CnnSettings = field(default_factory=CnnSettings)
    lstm: LstmSettings = field(default_factory=LstmSettings)
    transformer: TransformerSettings = field(default_factory=TransformerSettings)
    mlp: MlpSettings = field(default_factory=MlpSettings)
    lda: LdaSettings = field(default_factory=LdaSettings)
    logistic: LogisticSettings = field(default_factory=LogisticSettings)
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    # Of an architecture without a section of its own: one of another package.
    head: Mapping[str, Any] = field(default_factory=dict, hash=False)
    # Of each number, before standardisation; auto: logit for a feature of probabilities.
    transform: str = "auto"
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    # As artist_balance, for a genre with n tracks.
    genre_balance: float = 0.0
    # Under the names of Recipe; None leaves it to what suits architecture and feature.
    schedule: str | None = None
    patience: int | None = None
    artist_balance: float | None = None
    n_seeds: int | None = None
    average_with: tuple[str, ...] | None = None
    refit: bool | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    ood: OodSettings = field(default_factory=OodSettings)
    # Share of in-distribution tracks that may be called out-of-distribution.
    ood_false_alarm_rate: float = 0.05
    report: ReportSettings = field(default_factory=ReportSettings)

    def __post_init__(self) -> None:
        n_lists = len(self.split_files)
        check_setting(n_lists in (0, 3), "split_files", self.split_files, f"three files: {', '.join(SPLIT_NAMES)}")
        is_once = not n_lists or not (self.split.files.is_given or self.split.like)
        wanted = f"nothing, as {'split.like' if self.split.like else 'split.files'} is set too"
        check_setting(is_once, "split_files", self.split_files, wanted)
        self._put_features_in_order()
        check_architecture(self.architecture, key="architecture")
        if not self.has_section:
            make_head(self.architecture, self.head)  # raises for what it cannot have
        if self.architecture == FINETUNING:
            wanted = f"{FINETUNED_FEATURE}, which the architecture vggish_finetune works on"
            check_setting(self.feature == FINETUNED_FEATURE, "feature", self.feature, wanted)
            without = asdict(PLAIN) | {"transform": "auto", "genre_balance": 0.0}
            for name in _NOT_OF_FINETUNING:
                default, asked = without[name], getattr(self, name)
                asked = default if asked is None else asked
                check_setting(
                    asked == default, name, asked, f"{default}: the architecture vggish_finetune does without"
                )
        check_setting(self.seed >= 0, "seed", self.seed, "a whole number from 0")
        is_list = len(self.genres) != 1 and len(set(self.genres)) == len(self.genres)
        check_setting(is_list, "genres", self.genres, "two or more different names, or none for those in the data")
        is_number = not isinstance(self.folds, str) and (self.folds == 0 or self.folds >= 2)
        check_setting(is_number or self.folds == "auto", "folds", self.folds, "auto, two or more, or 0 for none")
        for name in ("epochs", "batch_size"):
            check_setting(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check_setting(self.transform in TRANSFORMS, "transform", self.transform, f"one of {', '.join(TRANSFORMS)}")
        check_setting(0 <= self.genre_balance <= 1, "genre_balance", self.genre_balance, "0 to 1")
        check_setting(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "a number in (0, 1]")
        rate = self.ood_false_alarm_rate
        check_setting(0 < rate < 1, "ood_false_alarm_rate", rate, "a fraction in (0, 1)")
        _ = self.recipe  # raises for what no training can have

    @property
    def has_section(self) -> bool:
        """Whether the architecture's settings stand in a section of its name, and not in ``head``."""
        return self.architecture in (*ARCHITECTURES, FINETUNING)

    @property
    def split_lists(self) -> dict[str, str]:
        """Split to the path of its list; empty where no lists are given."""
        return dict(zip(SPLIT_NAMES, self.split_files, strict=False)) or self.split.files.named()

    def _put_features_in_order(self) -> None:
        """Make one name of all that mean the same features."""
        names = sorted(name.strip() for name in self.feature.split("+"))
        is_list = all(names) and len(set(names)) == len(names)
        check_setting(is_list, "feature", self.feature, "a name, or several different ones joined with +")
        object.__setattr__(self, "feature", "+".join(names))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are learned from together, in alphabetical order."""
        return tuple(self.feature.split("+"))

    @property
    def networks(self) -> tuple[Network | Head, ...]:
        """For each feature, what is asked of ``architecture``, over what suits the feature."""
        if not self.has_section:
            return (make_head(self.architecture, self.head),) * len(self.features)
        asked = getattr(self, self.architecture)
        suited = (SUITED_TO_MFCC if name == "mfcc" else SUITED_TO_EMBEDDINGS for name in self.features)
        return tuple(asked.over(networks[self.architecture]) for networks in suited)

    @property
    def recipe(self) -> Recipe:
        """How the head is trained: what is asked for, over what suits architecture and feature."""
        is_suited = self.architecture == "cnn" and self.feature != "mfcc"
        asked = {field.name: getattr(self, field.name) for field in fields(Recipe)}
        asked = {name: value for name, value in asked.items() if value is not None}
        return replace(FOR_CNN_ON_EMBEDDINGS if is_suited else PLAIN, **asked)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Of the heads that are averaged into one."""
        return (self.architecture, *self.recipe.average_with)

    @property
    def members(self) -> tuple["TrainSettings", ...]:
        """Of each head that is averaged into one: networks, each with a seed of its own, then linear heads."""
        recipe = self.recipe
        seeds = [(self.seed + number * _SEED_STEP) % 2**32 for number in range(recipe.n_seeds)]
        linear = [
            replace(self, architecture=name, artist_balance=recipe.artist_balance) for name in recipe.average_with
        ]
        return (*(replace(self, seed=seed) for seed in seeds), *linear)

    @property
    def max_epochs(self) -> int:
        """How many there can be: one of a head that is fitted at once."""
        return 1 if self.architecture in LINEAR else self.epochs

    @property
    def pretrained(self) -> str | None:
        """Where the network that training starts from comes from; None for an architecture that starts anew."""
        return self.finetune.network if self.architecture == FINETUNING else None

    @property
    def idle(self) -> tuple[str, ...]:
        """Names of settings, and of sections of them, that decide nothing: those of other architectures first."""
        names = [name for name in (*ARCHITECTURES, "finetune") if name not in self.architectures]
        names += ["head"] if self.has_section else []
        if self.pretrained:
            names = [*ARCHITECTURES, "head", *_NOT_OF_FINETUNING]
        if self.architecture in LINEAR:
            names += _OF_EPOCHS
        return (*names, *(() if self.search.n_trials else ("search",)))

    def name_run(self, collection: str) -> str:
        """What a list tells a training with these settings by."""
        return f"{self.feature} {self.architecture} · {collection} · seed {self.seed}"

    def resolved(self) -> "TrainSettings":
        """The same with nothing left to what suits: what is logged and kept beside a model.

        Only what suits one of several features and not the others stays open.
        """
        if self.pretrained:
            return self
        sections = {name: self._resolve_section(name) for name in self.architectures if name in ARCHITECTURES}
        if not self.has_section:
            sections["head"] = to_plain(self.networks[0])
        return replace(self, **asdict(self.recipe), **sections)

    def _resolve_section(self, architecture: str) -> Any:
        networks: tuple[Any, ...] = replace(self, architecture=architecture).networks
        first, *others = map(asdict, networks)
        common = {name: value for name, value in first.items() if all(o[name] == value for o in others)}
        return type(getattr(self, architecture))(**common)
