"""How tracks are divided."""

from dataclasses import dataclass

from deepsound.config.check import check_setting

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How tracks are divided. A ``split`` column in the features wins over all of this.

    ``by: artist`` keeps all tracks of an artist on one side; a track of unknown artist stands for itself.
    """

    by: str = "artist"
    validation_fraction: float = 0.15
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        check_setting(self.by in ("artist", "track"), "split.by", self.by, "artist or track")
        for name in ("validation_fraction", "test_fraction"):
            check_setting(
                0 < getattr(self, name) < 1, f"split.{name}", getattr(self, name), "a fraction in (0, 1)"
            )
        total = self.validation_fraction + self.test_fraction
        check_setting(total < 1, "split", total, "validation_fraction + test_fraction below 1")
