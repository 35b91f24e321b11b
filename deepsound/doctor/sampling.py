"""Which files to try so that few of them tell what all will cost, without bias whatever their sizes and formats.

Files are divided by format, since a byte of MP3 is ten times the work of a byte of WAV. The largest file of each
format is always taken. Of the others, a file's chance is proportional to its size and a constant, drawn
systematically along the files in order of size, so that every size has its share. A total is then estimated as
Hansen and Hurwitz do, the mean of value over chance, whose expectation is the true total whatever the values are.

Source: W. G. Cochran, Sampling Techniques, 3rd edition (1977), sections 9A.3 (estimator and its variance) and 8.1
(systematic selection).
"""

import math
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# The part of a file's cost that does not grow with it, in bytes: opening it, a row, a task's share.
_CONSTANT_BYTES = 64 * 1024
_MAX_STRATA = 6
_MIN_DRAWS = 2


@dataclass(frozen=True, kw_only=True)
class AudioFile:
    """A file of the collection."""

    track_id: str
    size_bytes: int

    @property
    def format(self) -> str:
        """By the name's ending, lower case."""
        return pathlib.PurePosixPath(self.track_id).suffix.lower().lstrip(".")

    @property
    def weight_bytes(self) -> int:
        """What its chance is proportional to."""
        return self.size_bytes + _CONSTANT_BYTES


# Files drawn, their weights, and whether these are all that they stand for.
_Chosen = tuple[list[AudioFile], list[float], bool]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Files that stand for a part of the collection; ``indices`` may hold one twice.

    A total over the part is the sum of value times weight. The draws of an ``is_complete`` part are all of its
    files, and their sum is no estimate.
    """

    indices: tuple[int, ...]
    weights: tuple[float, ...]
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A total over all files, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """The files to try; ``parts`` index into ``files``."""

    files: tuple[AudioFile, ...]
    parts: tuple[Draws, ...]

    def estimate(self, values: Sequence[float]) -> Estimate:
        """The total over the collection of what ``values`` [shape=(len(files),)] tells of the sample."""
        totals, variances = [], []
        for part in self.parts:
            terms = np.array([values[i] for i in part.indices]) * np.array(part.weights)
            totals.append(float(terms.sum()))
            n = len(terms)
            # n / (n - 1) times the sum of squares: Cochran's (9A.11), with n terms that add up to the total.
            variances.append(0.0 if part.is_complete else n / (n - 1) * float(((terms - terms.mean()) ** 2).sum()))
        return Estimate(value=sum(totals), error=math.sqrt(sum(variances)))


def plan_sample(files: Sequence[AudioFile], *, n_files: int, seed: int) -> SamplePlan:
    """Choose about ``n_files`` of the files; all of them, if there are no more.

    Parameters
    ----------
    seed : int
        Another seed, another sample.
    """
    ordered = sorted(files, key=_by_size)
    if len(ordered) <= n_files:
        return _number([(ordered, [1.0] * len(ordered), True)])
    rng = np.random.default_rng(seed)
    strata = _divide(ordered)
    chosen: list[tuple[list[AudioFile], list[float], bool]] = [
        ([s[-1] for s in strata], [1.0] * len(strata), True)
    ]
    rests = [stratum[:-1] for stratum in strata if len(stratum) > 1]
    n_rest = max(n_files - len(strata), 0)
    total_bytes = sum(file.weight_bytes for rest in rests for file in rest)
    for rest in rests:
        share = sum(file.weight_bytes for file in rest) / total_bytes
        n_draws = max(_MIN_DRAWS, round(n_rest * share))
        if n_draws >= len(rest):
            chosen.append((rest, [1.0] * len(rest), True))
        else:
            places = draw_systematically([file.weight_bytes for file in rest], n_draws=n_draws, start=rng.random())
            drawn = [rest[i] for i in places]
            whole = sum(file.weight_bytes for file in rest)
            chosen.append((drawn, [whole / (n_draws * file.weight_bytes) for file in drawn], False))
    return _number(chosen)


def draw_systematically(sizes: Sequence[int], *, n_draws: int, start: float) -> list[int]:
    """Indices of the sizes in which ``n_draws`` equally spaced points fall, when all are laid end to end.

    Parameters
    ----------
    start : float
        Where in its space the first point lies, 0 to below 1.
    """
    ends = np.cumsum(sizes)
    points = (np.arange(n_draws) + start) * (ends[-1] / n_draws)
    return [int(i) for i in np.searchsorted(ends, points, side="right")]


def _divide(files: Sequence[AudioFile]) -> list[list[AudioFile]]:
    """Files by format; the formats with the least bytes share one stratum where there are too many."""
    by_format: dict[str, list[AudioFile]] = {}
    for file in files:
        by_format.setdefault(file.format, []).append(file)
    strata = sorted(by_format.values(), key=lambda stratum: -sum(file.weight_bytes for file in stratum))
    few, many = strata[: _MAX_STRATA - 1], strata[_MAX_STRATA - 1 :]
    rest = [file for stratum in many for file in stratum]
    return [*few, sorted(rest, key=_by_size)] if rest else few


def _by_size(file: AudioFile) -> tuple[int, str]:
    return file.size_bytes, file.track_id


def _number(chosen: list[_Chosen]) -> SamplePlan:
    files = list(dict.fromkeys(file for drawn, _, _ in chosen for file in drawn))
    index = {file: i for i, file in enumerate(files)}
    parts = [
        Draws(indices=tuple(index[file] for file in drawn), weights=tuple(weights), is_complete=is_complete)
        for drawn, weights, is_complete in chosen
    ]
    return SamplePlan(files=tuple(files), parts=tuple(parts))
