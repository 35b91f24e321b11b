"""Settings of ``jobs/extract.py``."""

from dataclasses import dataclass, field
from typing import Any

from deepsound.config.check import check_setting
from deepsound.config.labels import LabelSettings

DEFAULT_VGGISH = "https://tfhub.dev/google/vggish/1"
NORMALIZATIONS = ("peak", "rms", "none")


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """Which columns of a Parquet table of audio to take; None for the only one, and the first one of labels.

    ``reader`` names a source of another package; without it a source is told by what lies there.
    """

    audio: str | None = None
    label: str | None = None
    reader: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """What ``jobs/extract.py`` does to every file."""

    features: tuple[str, ...] = ("mfcc",)
    # Where the VGGish network comes from; its weights' digest, not this name, is part of the fingerprint.
    network: str = DEFAULT_VGGISH
    segment_s: float = 10.0
    segment_hop_s: float | None = None
    min_duration_s: float = 1.0
    # Four hours: a long mix, not a stream that someone left running.
    max_duration_s: float = 14400.0
    max_bytes: int = 512 * 1024 * 1024
    decode_timeout_s: float = 300.0
    normalize: str = "peak"
    # -90 dBFS is half the smallest step of 16-bit audio: below it nothing but rounding is left.
    silence_dbfs: float = -90.0
    # What becomes of files with the same bytes as another: GTZAN has 50.
    duplicates: str = "keep"
    # Files that are committed together: what a killed driver loses at most. None for what suits the cores.
    shard_files: int | None = None
    max_failure_fraction: float = 0.25
    source: SourceSettings = field(default_factory=SourceSettings)
    labels: LabelSettings = field(default_factory=LabelSettings)

    def __post_init__(self) -> None:
        check_setting(len(self.features) > 0, "features", self.features, "at least one feature name")
        check_setting(
            bool(self.network.strip()), "network", self.network, "a TF-Hub handle, a path or random:SEED"
        )
        check_setting(len(set(self.features)) == len(self.features), "features", self.features, "each name once")
        check_setting(0 < self.segment_s <= 600, "segment_s", self.segment_s, "seconds in (0, 600]")
        check_setting(self.hop_s > 0, "segment_hop_s", self.segment_hop_s, "seconds above 0, or null")
        check_setting(self.min_duration_s > 0, "min_duration_s", self.min_duration_s, "seconds above 0")
        check_setting(
            self.max_duration_s >= self.min_duration_s,
            "max_duration_s",
            self.max_duration_s,
            f"at least min_duration_s = {self.min_duration_s}",
        )
        check_setting(self.max_bytes > 0, "max_bytes", self.max_bytes, "bytes above 0")
        check_setting(self.decode_timeout_s > 0, "decode_timeout_s", self.decode_timeout_s, "seconds above 0")
        check_setting(self.normalize in NORMALIZATIONS, "normalize", self.normalize, "one of peak, rms, none")
        check_setting(self.duplicates in ("keep", "drop"), "duplicates", self.duplicates, "keep or drop")
        is_size = self.shard_files is None or self.shard_files >= 1
        check_setting(is_size, "shard_files", self.shard_files, "at least 1, or null")
        wanted = "null: labels are kept as they are, and mapped when a collection is scored"
        check_setting(self.labels.map is None, "labels.map", self.labels.map, wanted)
        check_setting(self.labels.endings, "labels.endings", self.labels.endings, "true: as for labels.map")
        check_setting(self.silence_dbfs < 0, "silence_dbfs", self.silence_dbfs, "decibels below full scale")
        check_setting(
            0 <= self.max_failure_fraction <= 1, "max_failure_fraction", self.max_failure_fraction, "0 to 1"
        )

    @property
    def hop_s(self) -> float:
        """Seconds from the start of one segment to the next; without a setting, segments do not overlap."""
        return self.segment_s if self.segment_hop_s is None else self.segment_hop_s

    def numeric_part(self) -> dict[str, Any]:
        """The settings that change a number in a feature: what the fingerprint covers."""
        return {
            "segment_s": self.segment_s,
            "segment_hop_s": self.hop_s,
            "min_duration_s": self.min_duration_s,
            "normalize": self.normalize,
        }
