"""The settings of the three jobs: what they are called, what they default to, what is allowed.

Units stand in the names. A checked, frozen object is all that the rest of the code ever sees; how it is
read from YAML and ``--set`` is :mod:`deepsound.settings`.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from deepsound.errors import ConfigError

DEFAULT_VGGISH = "https://tfhub.dev/google/vggish/1"
NORMALIZATIONS = ("peak", "rms", "none")
LABEL_SOURCES = ("parent_dir", "filename_prefix", "csv", "none")
SPLIT_NAMES = ("train", "validation", "test")


def _check(is_right: bool, key: str, value: object, wanted: str) -> None:
    if not is_right:
        raise ConfigError(f"'{key}' is {value!r}; wanted {wanted}")


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Where genre, artist and split of a track come from.

    ``from: parent_dir`` is GTZAN's layout (``blues/blues.00000.wav``), ``filename_prefix`` reads
    ``hiphop_3.wav``, ``csv`` reads a table (columns path, genre, artist, split), ``none`` leaves all null.
    """

    source: str = field(default="parent_dir", metadata={"key": "from"})
    csv: str | None = None

    def __post_init__(self) -> None:
        _check(self.source in LABEL_SOURCES, "labels.from", self.source, f"one of {', '.join(LABEL_SOURCES)}")
        if self.source == "csv" and not self.csv:
            raise ConfigError("'labels.from' is 'csv' but 'labels.csv' names no file")
        if self.csv and self.source != "csv":
            raise ConfigError(
                f"'labels.csv' is set but 'labels.from' is {self.source!r}, so the file would not be read; "
                "set labels.from=csv"
            )


@dataclass(frozen=True, kw_only=True)
class ExtractSettings:
    """What ``jobs/extract.py`` does to every file."""

    features: tuple[str, ...] = ("mfcc",)
    # Where the VGGish network comes from; its weights' digest, not this name, is part of the fingerprint.
    network: str = DEFAULT_VGGISH
    segment_s: float = 10.0
    segment_hop_s: float | None = None
    min_duration_s: float = 1.0
    max_duration_s: float = 3600.0
    max_bytes: int = 512 * 1024 * 1024
    decode_timeout_s: float = 300.0
    normalize: str = "peak"
    # -90 dBFS is half the smallest step of 16-bit audio: below it nothing but rounding is left.
    silence_dbfs: float = -90.0
    # What becomes of files with the same bytes as another: GTZAN has 50.
    duplicates: str = "keep"
    max_failure_fraction: float = 0.25
    labels: LabelSettings = LabelSettings()

    def __post_init__(self) -> None:
        _check(len(self.features) > 0, "features", self.features, "at least one feature name")
        _check(bool(self.network.strip()), "network", self.network, "a TF-Hub handle, a path or random:SEED")
        _check(len(set(self.features)) == len(self.features), "features", self.features, "each name once")
        _check(0 < self.segment_s <= 600, "segment_s", self.segment_s, "seconds in (0, 600]")
        _check(self.hop_s > 0, "segment_hop_s", self.segment_hop_s, "seconds above 0, or null")
        _check(self.min_duration_s > 0, "min_duration_s", self.min_duration_s, "seconds above 0")
        _check(
            self.max_duration_s >= self.min_duration_s,
            "max_duration_s",
            self.max_duration_s,
            f"at least min_duration_s = {self.min_duration_s}",
        )
        _check(self.max_bytes > 0, "max_bytes", self.max_bytes, "bytes above 0")
        _check(self.decode_timeout_s > 0, "decode_timeout_s", self.decode_timeout_s, "seconds above 0")
        _check(self.normalize in NORMALIZATIONS, "normalize", self.normalize, "one of peak, rms, none")
        _check(self.duplicates in ("keep", "drop"), "duplicates", self.duplicates, "keep or drop")
        _check(self.silence_dbfs < 0, "silence_dbfs", self.silence_dbfs, "decibels below full scale")
        _check(0 <= self.max_failure_fraction <= 1, "max_failure_fraction", self.max_failure_fraction, "0 to 1")

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


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How tracks are divided. A ``split`` column in the features wins over all of this.

    ``by: artist`` keeps all tracks of an artist on one side; a track of unknown artist stands for itself.
    """

    by: str = "artist"
    validation_fraction: float = 0.15
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        _check(self.by in ("artist", "track"), "split.by", self.by, "artist or track")
        for name in ("validation_fraction", "test_fraction"):
            _check(0 < getattr(self, name) < 1, f"split.{name}", getattr(self, name), "a fraction in (0, 1)")
        total = self.validation_fraction + self.test_fraction
        _check(total < 1, "split", total, "validation_fraction + test_fraction below 1")


@dataclass(frozen=True, kw_only=True)
class Cnn:
    """A 2-D CNN over (n_frames, n_dims): one convolution and one pooling layer per entry of ``filters``.

    ``kernel_size`` and ``pool_size`` are [frames, dims], or one number for both; a kernel of 0 dims spans all of
    them. ``input_dropout`` acts on the features, ``dropout`` before each dense layer; ``dense_units: 0`` leaves
    the hidden dense layer out.
    """

    filters: tuple[int, ...]
    kernel_size: tuple[int, ...]
    pool_size: tuple[int, ...]
    dense_units: int
    dropout: float
    input_dropout: float

    def __post_init__(self) -> None:
        _check(len(self.filters) > 0 and min(self.filters) > 0, "cnn.filters", self.filters, "positive numbers")
        is_kernel = len(self.kernel_size) in (1, 2) and max(self.kernel_size) <= 31
        is_kernel = is_kernel and self.kernel_shape[0] >= 1 and self.kernel_shape[1] >= 0
        wanted = "[frames, dims]: 1 to 31 frames, 0 (all) to 31 dims"
        _check(is_kernel, "cnn.kernel_size", self.kernel_size, wanted)
        is_pool = len(self.pool_size) in (1, 2) and min(self.pool_size) > 0
        _check(is_pool, "cnn.pool_size", self.pool_size, "[frames, dims], both at least 1")
        _check(self.dense_units >= 0, "cnn.dense_units", self.dense_units, "at least 1, or 0 for none")
        for name in ("dropout", "input_dropout"):
            _check(0 <= getattr(self, name) < 1, f"cnn.{name}", getattr(self, name), "0 to below 1")

    @property
    def kernel_shape(self) -> tuple[int, int]:
        """(frames, dims) of a kernel; 0 dims for all."""
        return self.kernel_size[0], self.kernel_size[-1]

    @property
    def pool_shape(self) -> tuple[int, int]:
        """(frames, dims) of a pooling."""
        return self.pool_size[0], self.pool_size[-1]


# The original study's baseline, with fewer weights.
CNN_FOR_MFCC = Cnn(
    filters=(32, 64, 96), kernel_size=(3, 3), pool_size=(3, 2), dense_units=64, dropout=0.4, input_dropout=0.0
)
# Neighbouring dimensions of an embedding have nothing to do with each other, so a kernel spans all of them; and
# the embedding has done the work already, so that little is put on top of it.
CNN_FOR_EMBEDDINGS = Cnn(
    filters=(128,), kernel_size=(3, 0), pool_size=(3, 1), dense_units=0, dropout=0.5, input_dropout=0.3
)


@dataclass(frozen=True, kw_only=True)
class CnnSettings:
    """What is asked of the CNN, under the names of :class:`Cnn`; None leaves it to what suits the feature."""

    filters: tuple[int, ...] | None = None
    kernel_size: tuple[int, ...] | None = None
    pool_size: tuple[int, ...] | None = None
    dense_units: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None

    def __post_init__(self) -> None:
        self.over(CNN_FOR_MFCC)  # raises for what no CNN can have

    def over(self, base: Cnn) -> Cnn:
        """The base, with all that is asked for."""
        asked = {name: value for name, value in asdict(self).items() if value is not None}
        return replace(base, **asked)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What ``jobs/train.py`` does with one declared feature."""

    feature: str = "mfcc"
    architecture: str = "cnn"
    seed: int = 0
    genres: tuple[str, ...] = ()
    split: SplitSettings = SplitSettings()
    allow_leaks: bool = False
    cnn: CnnSettings = CnnSettings()
    epochs: int = 60
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    # Share of in-distribution tracks that may be called out-of-distribution.
    ood_false_alarm_rate: float = 0.05

    def __post_init__(self) -> None:
        _check(self.architecture in ("cnn",), "architecture", self.architecture, "cnn")
        _check(self.seed >= 0, "seed", self.seed, "a whole number from 0")
        is_list = len(self.genres) != 1 and len(set(self.genres)) == len(self.genres)
        _check(is_list, "genres", self.genres, "two or more different names, or none for those in the data")
        for name in ("epochs", "patience", "batch_size"):
            _check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _check(0 < self.learning_rate <= 1, "learning_rate", self.learning_rate, "a number in (0, 1]")
        rate = self.ood_false_alarm_rate
        _check(0 < rate < 1, "ood_false_alarm_rate", rate, "a fraction in (0, 1)")

    @property
    def resolved_cnn(self) -> Cnn:
        """The CNN that is built: what is asked for, over what suits the feature."""
        return self.cnn.over(CNN_FOR_MFCC if self.feature == "mfcc" else CNN_FOR_EMBEDDINGS)

    def resolved(self) -> "TrainSettings":
        """The same with nothing left open: what is logged and kept beside a model."""
        return replace(self, cnn=CnnSettings(**asdict(self.resolved_cnn)))


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What ``jobs/score.py`` does. ``labels`` is used only where the input is raw audio.

    ``subset`` picks the tracks that the model's own split put into train, validation or test.
    """

    subset: str = "all"
    # Where the model's network lies on this machine; None for where it lay when the model was trained.
    network: str | None = None
    batch_size: int = 256
    labels: LabelSettings = LabelSettings()
    max_failure_fraction: float = 0.25

    def __post_init__(self) -> None:
        _check(self.subset in ("all", *SPLIT_NAMES), "subset", self.subset, f"all, {', '.join(SPLIT_NAMES)}")
        _check(self.batch_size >= 1, "batch_size", self.batch_size, "at least 1")
        _check(0 <= self.max_failure_fraction <= 1, "max_failure_fraction", self.max_failure_fraction, "0 to 1")
