"""Settings of the architectures: what can be asked for, and what suits which feature."""

from dataclasses import dataclass

from deepsound.config.check import check_setting
from deepsound.config.linear import (
    LDA_FOR_EMBEDDINGS,
    LDA_FOR_MFCC,
    LOGISTIC_FOR_EMBEDDINGS,
    LOGISTIC_FOR_MFCC,
    Asked,
    Lda,
    Logistic,
    check_statistics,
)
from deepsound.errors import ConfigError


def _check_steps(network: "Lstm | Transformer", section: str) -> None:
    n_frames = network.frames_per_step
    check_setting(n_frames >= 1, f"{section}.frames_per_step", n_frames, "at least 1")


def _check_dropouts(network: "Cnn | Lstm | Transformer | Mlp", section: str) -> None:
    for name in ("dropout", "input_dropout"):
        check_setting(0 <= getattr(network, name) < 1, f"{section}.{name}", getattr(network, name), "0 to below 1")


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
        check_setting(
            len(self.filters) > 0 and min(self.filters) > 0, "cnn.filters", self.filters, "positive numbers"
        )
        is_kernel = len(self.kernel_size) in (1, 2) and max(self.kernel_size) <= 31
        is_kernel = is_kernel and self.kernel_shape[0] >= 1 and self.kernel_shape[1] >= 0
        wanted = "[frames, dims]: 1 to 31 frames, 0 (all) to 31 dims"
        check_setting(is_kernel, "cnn.kernel_size", self.kernel_size, wanted)
        is_pool = len(self.pool_size) in (1, 2) and min(self.pool_size) > 0
        check_setting(is_pool, "cnn.pool_size", self.pool_size, "[frames, dims], both at least 1")
        check_setting(self.dense_units >= 0, "cnn.dense_units", self.dense_units, "at least 1, or 0 for none")
        _check_dropouts(self, "cnn")

    @property
    def kernel_shape(self) -> tuple[int, int]:
        """(frames, dims) of a kernel; 0 dims for all."""
        return self.kernel_size[0], self.kernel_size[-1]

    @property
    def pool_shape(self) -> tuple[int, int]:
        """(frames, dims) of a pooling."""
        return self.pool_size[0], self.pool_size[-1]


@dataclass(frozen=True, kw_only=True)
class Lstm:
    """Recurrent layers over time, one per entry of ``units``; their outputs are averaged over time.

    ``frames_per_step`` frames are averaged into one step first. ``dense_units: 0`` leaves the hidden dense layer
    out; dropouts as in :class:`Cnn`.
    """

    units: tuple[int, ...]
    bidirectional: bool
    frames_per_step: int
    dense_units: int
    dropout: float
    input_dropout: float

    def __post_init__(self) -> None:
        check_setting(len(self.units) > 0 and min(self.units) > 0, "lstm.units", self.units, "positive numbers")
        check_setting(self.dense_units >= 0, "lstm.dense_units", self.dense_units, "at least 1, or 0 for none")
        _check_steps(self, "lstm")
        _check_dropouts(self, "lstm")


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Self-attention over time: ``n_blocks`` blocks of ``n_heads`` heads on vectors of ``width`` numbers.

    ``feedforward_units`` is the width of each block's hidden layer; ``frames_per_step`` frames are averaged into
    one step first. ``dropout`` acts in the blocks and before the last layer, ``input_dropout`` on the features.
    """

    n_blocks: int
    n_heads: int
    width: int
    feedforward_units: int
    frames_per_step: int
    dropout: float
    input_dropout: float

    def __post_init__(self) -> None:
        for name in ("n_blocks", "n_heads", "feedforward_units"):
            check_setting(getattr(self, name) >= 1, f"transformer.{name}", getattr(self, name), "at least 1")
        is_shared = self.width >= 1 and self.width % self.n_heads == 0
        check_setting(is_shared, "transformer.width", self.width, f"a multiple of n_heads = {self.n_heads}")
        _check_steps(self, "transformer")
        _check_dropouts(self, "transformer")


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """Statistics over time, then one dense layer per entry of ``units``; without an entry, a linear classifier.

    Dropouts as in :class:`Cnn`; ``input_dropout`` acts on the statistics.
    """

    statistics: tuple[str, ...]
    units: tuple[int, ...]
    dropout: float
    input_dropout: float

    def __post_init__(self) -> None:
        check_statistics(self.statistics, "mlp")
        check_setting(min(self.units, default=1) >= 1, "mlp.units", self.units, "positive numbers, or none")
        _check_dropouts(self, "mlp")


# The original study's baseline, with fewer weights.
CNN_FOR_MFCC = Cnn(
    filters=(32, 64, 96), kernel_size=(3, 3), pool_size=(3, 2), dense_units=64, dropout=0.4, input_dropout=0.0
)
# Neighbouring dimensions of an embedding have nothing to do with each other, so a kernel spans all of them; and
# the embedding has done the work already, so that little is put on top of it.
CNN_FOR_EMBEDDINGS = Cnn(
    filters=(128,), kernel_size=(1, 0), pool_size=(3, 1), dense_units=0, dropout=0.5, input_dropout=0.3
)
# A recurrent or attending layer gains nothing from steps of 23 ms but the time it takes.
LSTM_FOR_MFCC = Lstm(
    units=(64,), bidirectional=True, frames_per_step=4, dense_units=0, dropout=0.4, input_dropout=0.0
)
LSTM_FOR_EMBEDDINGS = Lstm(
    units=(64,), bidirectional=True, frames_per_step=1, dense_units=0, dropout=0.5, input_dropout=0.3
)
TRANSFORMER_FOR_MFCC = Transformer(
    n_blocks=2, n_heads=4, width=64, feedforward_units=128, frames_per_step=8, dropout=0.3, input_dropout=0.0
)
TRANSFORMER_FOR_EMBEDDINGS = Transformer(
    n_blocks=1, n_heads=4, width=64, feedforward_units=128, frames_per_step=1, dropout=0.3, input_dropout=0.3
)
MLP_FOR_MFCC = Mlp(statistics=("mean", "std", "min", "max"), units=(64,), dropout=0.4, input_dropout=0.0)
MLP_FOR_EMBEDDINGS = Mlp(statistics=("mean", "std"), units=(64,), dropout=0.5, input_dropout=0.3)

Network = Cnn | Lstm | Transformer | Mlp | Lda | Logistic
SUITED_TO_MFCC: dict[str, Network] = {
    "cnn": CNN_FOR_MFCC,
    "lstm": LSTM_FOR_MFCC,
    "transformer": TRANSFORMER_FOR_MFCC,
    "mlp": MLP_FOR_MFCC,
    "lda": LDA_FOR_MFCC,
    "logistic": LOGISTIC_FOR_MFCC,
}
SUITED_TO_EMBEDDINGS: dict[str, Network] = {
    "cnn": CNN_FOR_EMBEDDINGS,
    "lstm": LSTM_FOR_EMBEDDINGS,
    "transformer": TRANSFORMER_FOR_EMBEDDINGS,
    "mlp": MLP_FOR_EMBEDDINGS,
    "lda": LDA_FOR_EMBEDDINGS,
    "logistic": LOGISTIC_FOR_EMBEDDINGS,
}
ARCHITECTURES = tuple(SUITED_TO_MFCC)


@dataclass(frozen=True, kw_only=True)
class CnnSettings(Asked[Cnn]):
    """What is asked of the CNN."""

    checked_on = CNN_FOR_MFCC
    filters: tuple[int, ...] | None = None
    kernel_size: tuple[int, ...] | None = None
    pool_size: tuple[int, ...] | None = None
    dense_units: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class LstmSettings(Asked[Lstm]):
    """What is asked of the LSTM."""

    checked_on = LSTM_FOR_MFCC
    units: tuple[int, ...] | None = None
    bidirectional: bool | None = None
    frames_per_step: int | None = None
    dense_units: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class TransformerSettings(Asked[Transformer]):
    """What is asked of the transformer."""

    checked_on = TRANSFORMER_FOR_MFCC
    n_blocks: int | None = None
    n_heads: int | None = None
    width: int | None = None
    feedforward_units: int | None = None
    frames_per_step: int | None = None
    dropout: float | None = None
    input_dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class MlpSettings(Asked[Mlp]):
    """What is asked of the MLP."""

    checked_on = MLP_FOR_MFCC
    statistics: tuple[str, ...] | None = None
    units: tuple[int, ...] | None = None
    dropout: float | None = None
    input_dropout: float | None = None


def check_n_steps(network: Lstm | Transformer, *, n_frames: int, name: str) -> int:
    """How many steps in time a feature of ``n_frames`` gives an architecture called ``name``.

    Raises ConfigError if there is only one: nothing follows on anything.
    """
    n_steps = -(-n_frames // network.frames_per_step)
    if n_steps < 2:
        raise ConfigError(
            f"architecture '{name}' works on a sequence; the feature's {n_frames} frames a segment make {n_steps} "
            f"step of {name}.frames_per_step = {network.frames_per_step}. Use architecture mlp or cnn, or extract "
            "longer segments"
        )
    return n_steps
