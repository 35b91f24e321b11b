"""Settings of the linear heads: classifiers of scikit-learn on statistics over time."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from deepsound.config.check import check_setting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Base = TypeVar("Base", bound="DataclassInstance")
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
class Asked(Generic[Base]):
    """What is asked of an architecture, by the names of its class; None leaves it to what suits the feature."""

    checked_on: ClassVar[Any]

    def __post_init__(self) -> None:
        self.over(self.checked_on)  # raises for what none can have

    def over(self, base: Base) -> Base:
        """The base, with all that is asked for."""
        return replace(base, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class LdaSettings(Asked[Lda]):
    """What is asked of the LDA."""

    checked_on = LDA_FOR_MFCC
    statistics: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class LogisticSettings(Asked[Logistic]):
    """What is asked of the logistic regression."""

    checked_on = LOGISTIC_FOR_MFCC
    statistics: tuple[str, ...] | None = None
    c: float | None = None
