"""Settings of ``jobs/score.py``."""

from dataclasses import dataclass, field

from deepsound.config.check import check_setting
from deepsound.config.labels import LabelSettings
from deepsound.config.sections import ReportSettings
from deepsound.config.split import SPLIT_NAMES


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What ``jobs/score.py`` does. Of ``labels``, all but ``map`` is used only where the input is raw audio.

    ``subset`` picks the tracks that the model's own split put into train, validation or test.
    """

    subset: str = "all"
    # Where the model's network lies on this machine; None for where it lay when the model was trained.
    network: str | None = None
    # Whether the scores of every segment are written: which genre when.
    segments: bool = False
    batch_size: int = 1024
    labels: LabelSettings = field(default_factory=LabelSettings)
    max_failure_fraction: float = 0.25
    report: ReportSettings = field(default_factory=ReportSettings)

    def __post_init__(self) -> None:
        check_setting(
            self.subset in ("all", *SPLIT_NAMES), "subset", self.subset, f"all, {', '.join(SPLIT_NAMES)}"
        )
        check_setting(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        check_setting(
            0 <= self.max_failure_fraction <= 1, "max_failure_fraction", self.max_failure_fraction, "0 to 1"
        )
