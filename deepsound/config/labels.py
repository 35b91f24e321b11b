"""Where labels come from."""

from dataclasses import dataclass, field

from deepsound.config.check import check_setting
from deepsound.errors import ConfigError

LABEL_SOURCES = ("parent_dir", "top_dir", "filename_prefix", "csv", "tags", "source", "none")


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Where genre, artist and split of a track come from.

    ``from: parent_dir`` is GTZAN's layout (``blues/blues.00000.wav``), ``top_dir`` takes the first folder of
    genre/artist/album trees, ``filename_prefix`` reads ``hiphop_3.wav``, ``csv`` reads a table (columns path,
    genre, artist, split), ``tags`` what the files say of themselves (ID3, Vorbis comments and their like),
    ``source`` what the manifest, table or tar that they are from says of them, ``none`` leaves all null.

    ``gtzan`` fills in the artists of files that are GTZAN's by name, where nothing else names any; not with
    ``csv``, ``tags`` and ``none``, which say all there is to say.

    ``map`` names a label map (built in, or the path of a file), by which a collection is scored; extraction keeps
    labels as they are. ``endings: false`` leaves unmapped what such a map would take for its last words.
    """

    source: str = field(default="parent_dir", metadata={"key": "from"})
    csv: str | None = None
    map: str | None = None
    endings: bool = True
    gtzan: bool = True

    def __post_init__(self) -> None:
        check_setting(
            self.source in LABEL_SOURCES, "labels.from", self.source, f"one of {', '.join(LABEL_SOURCES)}"
        )
        is_name = self.map is None or bool(self.map.strip())
        check_setting(is_name, "labels.map", self.map, "a label map's name or path, or null")
        if self.source == "csv" and not self.csv:
            raise ConfigError("'labels.from' is 'csv' but 'labels.csv' names no file")
        if self.csv and self.source != "csv":
            raise ConfigError(
                f"'labels.csv' is set but 'labels.from' is {self.source!r}, so the file would not be read; "
                "set labels.from=csv"
            )
