"""Settings of the page that a training and a scoring leave behind."""

from dataclasses import dataclass

from deepsound.config.check import check_setting


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """What ``scorecard.html`` holds beside its figures."""

    # Tracks of which ten seconds can be heard in the page; 0 for none.
    audio: int = 24

    def __post_init__(self) -> None:
        check_setting(0 <= self.audio <= 200, "report.audio", self.audio, "0 to 200")
