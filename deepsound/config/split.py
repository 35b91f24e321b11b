"""How tracks are divided."""

from dataclasses import dataclass, field

from deepsound.config.check import check_setting

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class SplitFiles:
    """Text files with one track a line, as splits are published; without a validation list, part of train is."""

    train: str | None = None
    validation: str | None = None
    test: str | None = None

    def __post_init__(self) -> None:
        is_whole = bool(self.train) == bool(self.test) and (bool(self.train) or not self.validation)
        check_setting(is_whole, "split.files", self.named(), "a train and a test list, or none at all")

    def named(self) -> dict[str, str]:
        """Split to path, of the files that are given."""
        return {name: getattr(self, name) for name in SPLIT_NAMES if getattr(self, name)}


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How tracks are divided. Lists in ``files`` win over all else, then a ``split`` column in the features.

    ``by: artist`` keeps all tracks of an artist on one side; a track of unknown artist stands for itself.
    """

    by: str = "artist"
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    files: SplitFiles = field(default_factory=SplitFiles)

    def __post_init__(self) -> None:
        check_setting(self.by in ("artist", "track"), "split.by", self.by, "artist or track")
        for name in ("validation_fraction", "test_fraction"):
            check_setting(
                0 < getattr(self, name) < 1, f"split.{name}", getattr(self, name), "a fraction in (0, 1)"
            )
        total = self.validation_fraction + self.test_fraction
        check_setting(total < 1, "split", total, "validation_fraction + test_fraction below 1")
