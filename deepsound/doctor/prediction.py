"""From what a sample cost to what all files will: start-up as it was, work by the sample's weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deepsound.doctor.sampling import Estimate, SamplePlan
from deepsound.doctor.shards import ShardCosts
from deepsound.doctor.timing import Timings
from deepsound.doctor.trial import Trial

# What a trial tells of start-up where there was none: that of a small cluster.
ASSUMED_START_UP_S = 30.0
# What differs between two runs of the very same job.
_TIME_NOISE = 0.15
_SIZE_NOISE = 0.05
_MEMORY_NOISE = 0.25


@dataclass(frozen=True, kw_only=True)
class Range:
    """A prediction and where the truth may well lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What an extraction of all files will take.

    Attributes
    ----------
    work_s : Range
        Seconds of one core, without start-up.
    wall_s : Range
        From start to end, on ``n_cores`` cores.
    start_up_s : float
        The part of it that does not depend on the number of files.
    output_bytes, worker_bytes : Range
        Of the FEATURES folder, and of the largest Python worker; there is one for each core.
    """

    n_cores: int
    work_s: Range
    wall_s: Range
    start_up_s: float
    output_bytes: Range
    worker_bytes: Range


def predict(
    plan: SamplePlan,
    timings: Timings,
    *,
    trial: Trial | None,
    shard_costs: ShardCosts,
    n_shards: int,
    n_files: int,
    n_trial_cores: int,
    n_cores: int,
    more_listing_s: float,
) -> Prediction:
    """What all files will take.

    Parameters
    ----------
    trial : Trial, optional
        The sample's real extraction; without one, start-up is taken as 30 s and Parquet as large as memory.
    n_shards, n_files : int
        In the collection.
    n_trial_cores, n_cores : int
        Tasks at a time in the trial, and those to predict for.
    more_listing_s : float
        How much longer it takes to list the collection than the sample.
    """
    seconds = [cost.seconds for cost in timings.costs]
    work, longest_s = plan.estimate(seconds), max(seconds)
    start_up_s = ASSUMED_START_UP_S
    if trial is not None:
        start_up_s = max(trial.wall_s - _makespan(sum(seconds), longest_s, n_trial_cores), 0.0)
    start_up_s += more_listing_s
    segments = _segments_on_disk(plan, [cost.feature_bytes for cost in timings.costs], trial)
    tracks_bytes = trial.tracks_bytes / len(seconds) * n_files if trial else 0.0
    # The trial wrote one shard, with the sample's segments, and both are part of its start-up.
    more_bytes = max(segments.value - (trial.segments_bytes if trial else 0), 0.0)
    shards_s = (n_shards - 1) * shard_costs.shard_s + more_bytes * shard_costs.byte_s
    wall_s = start_up_s + _makespan(work.value, longest_s, n_cores) + shards_s
    worker_bytes = float(timings.worker_bytes)
    return Prediction(
        n_cores=n_cores,
        work_s=_range(work.value, error=work.error, noise=_TIME_NOISE),
        wall_s=_range(wall_s, error=work.error / n_cores, noise=_TIME_NOISE),
        start_up_s=start_up_s,
        output_bytes=_range(segments.value + tracks_bytes, error=segments.error, noise=_SIZE_NOISE),
        worker_bytes=_range(worker_bytes, error=0.0, noise=_MEMORY_NOISE),
    )


def _makespan(work_s: float, longest_s: float, n_cores: int) -> float:
    """How long it takes: the work shared out, but no less than its longest piece (Graham 1969)."""
    return max(work_s / n_cores, longest_s)


def _segments_on_disk(plan: SamplePlan, feature_bytes: Sequence[int], trial: Trial | None) -> Estimate:
    """All features, as large as the trial's Parquet made them."""
    features, in_sample = plan.estimate(feature_bytes), sum(feature_bytes)
    ratio = trial.segments_bytes / in_sample if trial and in_sample else 1.0
    return Estimate(value=features.value * ratio, error=features.error * ratio)


def _range(value: float, *, error: float, noise: float) -> Range:
    """Two standard errors of the sample, and what would differ between two runs of the very same."""
    half = math.hypot(2 * error, noise * value)
    return Range(value=value, low=max(value - half, 0.0), high=value + half)
