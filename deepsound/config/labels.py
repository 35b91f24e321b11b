"""Where labels come from."""

from dataclasses import dataclass, field

from deepsound.config.check import check_setting
from deepsound.errors import ConfigError

LABEL_SOURCES = ("parent_dir", "filename_prefix", "csv", "none")


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Where genre, artist and split of a track come from.

    ``from: parent_dir`` is GTZAN's layout (``blues/blues.00000.wav``), ``filename_prefix`` reads
    ``hiphop_3.wav``, ``csv`` reads a table (columns path, genre, artist, split), ``none`` leaves all null.
    """

    source: str = field(default="parent_dir", metadata={"key": "from"})
    csv: str | None = None

    def __post_init__(self) -> None:
        check_setting(
            self.source in LABEL_SOURCES, "labels.from", self.source, f"one of {', '.join(LABEL_SOURCES)}"
        )
        if self.source == "csv" and not self.csv:
            raise ConfigError("'labels.from' is 'csv' but 'labels.csv' names no file")
        if self.csv and self.source != "csv":
            raise ConfigError(
                f"'labels.csv' is set but 'labels.from' is {self.source!r}, so the file would not be read; "
                "set labels.from=csv"
            )
