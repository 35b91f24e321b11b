"""Facts about the 1,000 tracks of GTZAN that its files do not tell: who made them, and which are sound.

Sources: G. Tzanetakis, P. Cook, "Musical genre classification of audio signals", IEEE Trans. Speech and Audio
Processing 10(5), 2002; B. L. Sturm, "An analysis of the GTZAN music genre dataset", Proc. ACM MIRUM, 2012, for
the artists; C. Kereliuk, B. L. Sturm, J. Larsen, "Deep learning and music adversaries", IEEE Trans. Multimedia
17(11), 2015, for the split without faults. They stand in ``gtzan_tracks.csv``, by the names of the files.
"""

import csv
import functools
import pathlib
from dataclasses import dataclass

from deepsound.config import SPLIT_NAMES

GTZAN_GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
_TABLE = pathlib.Path(__file__).with_name("gtzan_tracks.csv")


@dataclass(frozen=True, kw_only=True)
class GtzanTrack:
    """A track by the name of its file without an ending, ``blues.00000``; None where nothing is known."""

    name: str
    artist: str | None
    fault_filtered: str | None


@functools.cache
def read_gtzan_tracks() -> tuple[GtzanTrack, ...]:
    """All 1,000 tracks, in the order of the genres and numbers."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            GtzanTrack(
                name=row["name"], artist=row["artist"] or None, fault_filtered=row["fault_filtered"] or None
            )
            for row in rows
        )


def fault_filtered_lists() -> dict[str, list[str]]:
    """Split to names of tracks, of the split without faults: 443 to train, 197 to validate, 290 to test."""
    tracks = read_gtzan_tracks()
    return {split: [track.name for track in tracks if track.fault_filtered == split] for split in SPLIT_NAMES}
