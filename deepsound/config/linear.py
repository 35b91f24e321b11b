"""Settings of the linear heads: classifiers of scikit-learn on statistics over time."""

from dataclasses import dataclass

from deepsound.config.check import check_setting
from deepsound.config.overlay import lay_over

STATISTICS = ("mean", "std", "min", "max")


def check_statistics(statistics: tuple[str, ...], section: str) -> None:
    """Raise unless these are one or more different statistics. Raises ConfigError if not."""
    is_known = set(statistics) <= set(STATISTICS) and len(set(statistics)) == len(statistics) > 0
    check_setting(is_known, f"{section}.statistics", statistics, f"one or more of {', '.join(STATISTICS)}")


@dataclass(frozen=True, kw_only=True)
class Lda:
    """Linear discriminant analysis on statistics over time, its covariance shrunk as Ledoit and Wolf say."""

    statistics: tuple[str, ...]

    def __post_init__(self) -> None:
        check_statistics(self.statistics, "lda")


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """Logistic regression on statistics over time; ``c`` is the inverse of its L2 penalty's weight."""

    statistics: tuple[str, ...]
    c: float

    def __post_init__(self) -> None:
        check_statistics(self.statistics, "logistic")
        check_setting(0 < self.c <= 1e6, "logistic.c", self.c, "a number above 0")


LDA_FOR_MFCC = Lda(statistics=STATISTICS)
LDA_FOR_EMBEDDINGS = Lda(statistics=("mean",))
LOGISTIC_FOR_MFCC = Logistic(statistics=STATISTICS, c=0.01)
LOGISTIC_FOR_EMBEDDINGS = Logistic(statistics=("mean", "std"), c=0.01)


@dataclass(frozen=True, kw_only=True)
class LdaSettings:
    """What is asked of the LDA, under the names of :class:`Lda`; None leaves it to what suits the feature."""

    statistics: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.over(LDA_FOR_MFCC)  # raises for what none can have

    def over(self, base: Lda) -> Lda:
        """The base, with all that is asked for."""
        return lay_over(base, self)


@dataclass(frozen=True, kw_only=True)
class LogisticSettings:
    """What is asked of the logistic regression, under the names of :class:`Logistic`; None as everywhere."""

    statistics: tuple[str, ...] | None = None
    c: float | None = None

    def __post_init__(self) -> None:
        self.over(LOGISTIC_FOR_MFCC)

    def over(self, base: Logistic) -> Logistic:
        """The base, with all that is asked for."""
        return lay_over(base, self)
