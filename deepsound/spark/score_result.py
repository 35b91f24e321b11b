"""What a scoring run came to."""

from dataclasses import dataclass
from typing import Any

from deepsound.evaluation.examples import Examples
from deepsound.evaluation.paired import PairedComparison
from deepsound.evaluation.render.plain import comparison_to_plain
from deepsound.evaluation.report import Report
from deepsound.models.own_extraction import NamedModel


@dataclass(frozen=True, kw_only=True)
class ModelScores:
    """What one model made of the collection.

    ``summary`` is the content of ``metrics.json``, ``per_genre`` the rows of ``per_genre/``; ``examples`` are
    single tracks for its page.
    """

    model: NamedModel
    report: Report
    per_genre: list[dict[str, Any]]
    summary: dict[str, Any]
    examples: Examples


@dataclass(frozen=True, kw_only=True)
class ModelPair:
    """Two models on the tracks that both of them judged; None where there are none."""

    a: str
    b: str
    comparison: PairedComparison | None

    def to_plain(self) -> dict[str, Any]:
        """As ``comparison.json`` holds it."""
        return {"a": self.a, "b": self.b, **(comparison_to_plain(self.comparison) if self.comparison else {})}


@dataclass(frozen=True, kw_only=True)
class ScoreResult:
    """What a scoring run came to, model by model in the order in which they were given."""

    models: tuple[ModelScores, ...]
    pairs: tuple[ModelPair, ...]
