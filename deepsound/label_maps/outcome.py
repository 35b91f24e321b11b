"""What can become of a label."""

from collections.abc import Iterable
from dataclasses import dataclass

MAPPED, UNMAPPED, AMBIGUOUS, UNLABELLED = "mapped", "unmapped", "ambiguous", "unlabelled"
OUTCOMES = (MAPPED, UNMAPPED, AMBIGUOUS, UNLABELLED)


@dataclass(frozen=True)
class LabelOutcome:
    """What became of a label. ``genre`` is null unless ``outcome`` is ``mapped``."""

    outcome: str
    genre: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakenLabel:
    """A label that a map does not name, taken for its last words, which it does; and how many tracks have it."""

    label: str
    taken_for: str
    outcome: LabelOutcome
    n_tracks: int


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """Tracks by outcome of their labels."""

    n_mapped: int = 0
    n_unmapped: int = 0
    n_ambiguous: int = 0
    n_unlabelled: int = 0


def combine_outcomes(outcomes: Iterable[LabelOutcome]) -> LabelOutcome:
    """The outcome of several labels on one track: theirs if it is one and the same, else ambiguous."""
    different = set(outcomes)
    if not different:
        return LabelOutcome(UNLABELLED)
    return different.pop() if len(different) == 1 else LabelOutcome(AMBIGUOUS)


def count_outcomes(tallies: Iterable[tuple[str, int]]) -> LabelCounts:
    """Counts from pairs of outcome and number of tracks."""
    return LabelCounts(**{f"n_{outcome}": n for outcome, n in tallies})
