"""Settings of the architectures: what can be asked for, and what suits which feature."""

from dataclasses import asdict, dataclass, replace

from deepsound.config.check import check_setting


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
        for name in ("dropout", "input_dropout"):
            check_setting(0 <= getattr(self, name) < 1, f"cnn.{name}", getattr(self, name), "0 to below 1")

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
