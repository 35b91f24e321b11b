"""Labels of one track, wherever they are from."""

from dataclasses import dataclass

LABEL_NAMES = ("genre", "artist", "split")


@dataclass(frozen=True, kw_only=True)
class TrackLabels:
    """What a track is said to be; None where unknown."""

    genre: str | None = None
    artist: str | None = None
    split: str | None = None
