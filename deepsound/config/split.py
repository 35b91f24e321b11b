"""How tracks are divided."""

from dataclasses import dataclass, field

from deepsound.config.check import check_setting

PUBLISHED_SPLITS = ("gtzan-fault-filtered",)
SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """Text files with one track a line, as splits are published; without a validation list, part of train is.

    ``published`` names a split that comes with the package instead; a plain ``split.files=NAME`` is short for it.
    """

    published: str | None = field(default=None, metadata={"is_short": True})
    train: str | None = None
    validation: str | None = None
    test: str | None = None

    def __post_init__(self) -> None:
        wanted = f"one of {', '.join(PUBLISHED_SPLITS)}, or null"
        check_setting(self.published in (None, *PUBLISHED_SPLITS), "split.files", self.published, wanted)
        is_one = self.published is None or not self.named()
        check_setting(is_one, "split.files", self.named(), f"no lists beside {self.published}")
        is_whole = bool(self.train) == bool(self.test) and (bool(self.train) or not self.validation)
        check_setting(is_whole, "split.files", self.named(), "a train and a test list, or none at all")

    @property
    def is_given(self) -> bool:
        """Whether there are lists, of one kind or the other."""
        return self.published is not None or bool(self.named())

    def named(self) -> dict[str, str]:
        """Split to path, of the files that are given."""
        return {name: getattr(self, name) for name in SPLIT_NAMES if getattr(self, name)}


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How tracks are divided. Lists in ``files`` win over all else, then a ``split`` column in the features.

    ``by: artist`` keeps all tracks of an artist on one side; a track of unknown artist stands for itself.
    ``like`` names a model, as ``jobs/score.py`` takes it: what it knows stays where it had it, over any ``split``
    column, and what has come since is dealt out.
    """

    by: str = "artist"
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    files: SplitFiles = field(default_factory=SplitFiles)
    like: str | None = None

    def __post_init__(self) -> None:
        check_setting(self.by in ("artist", "track"), "split.by", self.by, "artist or track")
        for name in ("validation_fraction", "test_fraction"):
            check_setting(
                0 < getattr(self, name) < 1, f"split.{name}", getattr(self, name), "a fraction in (0, 1)"
            )
        is_name = self.like is None or bool(self.like.strip())
        check_setting(is_name, "split.like", self.like, "a model, or null")
        is_one = self.like is None or not self.files.is_given
        check_setting(is_one, "split.like", self.like, "null, as split.files is set too")
        total = self.validation_fraction + self.test_fraction
        check_setting(total < 1, "split", total, "validation_fraction + test_fraction below 1")
