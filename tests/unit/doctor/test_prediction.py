"""The arithmetic of a prediction, on numbers that can be done in the head."""

import dataclasses

import pytest

from deepsound.doctor.prediction import ASSUMED_START_UP_S, predict
from deepsound.doctor.report import format_clock, format_prediction
from deepsound.doctor.sampling import Draws, SamplePlan
from deepsound.doctor.shards import ShardCosts
from deepsound.doctor.timing import FileCost, Timings
from deepsound.doctor.trial import Trial

MB = 1_000_000
# Two files that stand for themselves and two that stand for ten each.
PLAN = SamplePlan(
    files=(),
    parts=(
        Draws(indices=(0, 1), weights=(1.0, 1.0), is_complete=True),
        Draws(indices=(2, 3), weights=(10.0, 10.0), is_complete=False),
    ),
)
TIMINGS = Timings(
    costs=tuple(FileCost(seconds=s, feature_bytes=int(s * MB), error_code=None) for s in (4.0, 2.0, 1.0, 1.0)),
    worker_bytes=300 * MB,
)
TRIAL = Trial(wall_s=24.0, segments_bytes=4 * MB, tracks_bytes=4000)
FREE = ShardCosts(shard_s=0.0, byte_s=0.0)


def predict_it(**changes):
    known = {"trial": TRIAL, "shard_costs": FREE, "n_shards": 1, "n_files": 22, "n_trial_cores": 2, "n_cores": 2}
    return predict(PLAN, TIMINGS, **{**known, "more_listing_s": 0.0, **changes})


def test_work_is_weighted_and_start_up_is_what_the_trial_took_beside_its_files():
    prediction = predict_it()
    assert prediction.work_s.value == 26  # 4 + 2 + 10 + 10
    assert prediction.start_up_s == 20  # 24 - 8 / 2
    assert prediction.wall_s.value == 33  # 20 + 26 / 2
    assert prediction.wall_s.low < 33 < prediction.wall_s.high


def test_half_of_the_features_memory_is_what_the_trial_wrote():
    prediction = predict_it()
    assert prediction.output_bytes.value == pytest.approx(13 * MB + 22 * 1000)


def test_more_cores_divide_the_work_but_not_the_longest_file_nor_the_start():
    assert predict_it(n_cores=4).wall_s.value == 20 + 6.5
    assert predict_it(n_cores=100).wall_s.value == 20 + 4
    # With many cores in the trial as well, its files took as long as the longest of them.
    assert predict_it(n_trial_cores=100, n_cores=100).wall_s.value == 24
    assert predict_it(n_trial_cores=1, n_cores=100).wall_s.value == 16 + 4


def test_shards_writing_and_a_longer_listing_come_on_top():
    costs = ShardCosts(shard_s=3.0, byte_s=1e-6)
    prediction = predict_it(shard_costs=costs, n_shards=5, more_listing_s=2.0)
    # Four more shards, and the 9 MB that the trial did not write.
    assert prediction.wall_s.value == pytest.approx(33 + 2 + 4 * 3 + 9)
    assert prediction.start_up_s == 22


def test_without_a_trial_the_start_is_assumed_and_parquet_is_as_large_as_memory():
    prediction = predict_it(trial=None)
    assert prediction.wall_s.value == ASSUMED_START_UP_S + 13
    assert prediction.output_bytes.value == 26 * MB


def test_a_sample_that_varies_widens_the_range():
    wide = dataclasses.replace(
        TIMINGS,
        costs=(*TIMINGS.costs[:2], *(dataclasses.replace(TIMINGS.costs[2], seconds=s) for s in (0.1, 1.9))),
    )
    known = {"trial": TRIAL, "shard_costs": FREE, "n_shards": 1, "n_files": 22, "n_trial_cores": 2, "n_cores": 2}
    one, other = (predict(PLAN, timings, **known, more_listing_s=0.0) for timings in (TIMINGS, wide))
    assert one.work_s.value == other.work_s.value
    # Two terms of 1 and 19: n / (n - 1) times the sum of squares about their mean is 2 * 2 * 81.
    assert other.work_s.high - other.work_s.value == pytest.approx(((2 * 18) ** 2 + (0.15 * 26) ** 2) ** 0.5)
    assert one.work_s.high - one.work_s.value == pytest.approx(0.15 * 26)
    assert other.work_s.low == 0
    # On two cores, work that is longer by so much takes half as much longer.
    assert other.wall_s.high - 33 == pytest.approx((18**2 + (0.15 * 33) ** 2) ** 0.5)


def test_a_sample_of_failures_costs_time_and_leaves_nothing():
    failed = Timings(
        costs=tuple(dataclasses.replace(cost, feature_bytes=0, error_code="unreadable") for cost in TIMINGS.costs),
        worker_bytes=MB,
    )
    trial = dataclasses.replace(TRIAL, segments_bytes=0, tracks_bytes=4000)
    prediction = predict(
        *(PLAN, failed),
        trial=trial,
        **{"shard_costs": FREE, "n_shards": 1, "n_files": 22, "n_trial_cores": 2, "n_cores": 2},
        more_listing_s=0.0,
    )
    assert prediction.work_s.value == 26
    assert prediction.output_bytes.value == 22_000


def test_lines_for_people():
    lines = format_prediction(predict_it(), input_path="music", n_sampled=4, n_files=22)
    assert lines[0] == "prediction for 22 files of music on 2 cores, from 4 of them:"
    assert lines[1].split()[:2] == ["core-hours", "0.007"]
    assert lines[2].split()[:3] == ["wall", "time", "0:00:33"]
    assert lines[2].endswith("of which 0:00:20 start-up")
    assert lines[3].split()[:3] == ["output", "13.0", "MB"]
    assert lines[4].split()[2:4] == ["0.30", "GB"]
    assert format_clock(90061.4) == "25:01:01"
