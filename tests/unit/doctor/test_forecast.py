"""A prediction counts the shards that an extraction would cut the collection into."""

import pytest

from deepsound.config import ExtractSettings
from deepsound.doctor.forecast import Measured, conclude
from deepsound.doctor.sampling import AudioFile, Draws, SamplePlan
from deepsound.doctor.shards import ShardCosts
from deepsound.doctor.timing import FileCost, Timings

HALF_GB = 1 << 29


@pytest.mark.parametrize(
    ("sizes", "n_cores", "shard_files", "n_shards"),
    [
        ([1] * 1024, 2, None, 1),
        ([1] * 1025, 2, None, 2),
        ([1] * 1025, 64, None, 1),
        ([1] * 10, 2, 3, 4),
        ([HALF_GB] * 5, 2, None, 3),
        ([HALF_GB] * 5, 2, 1, 5),
        ([HALF_GB] * 5, 10, None, 1),
        ([0, 8 * HALF_GB, 1], 2, None, 3),
    ],
)
def test_shards_by_files_and_bytes(sizes, n_cores, shard_files, n_shards):
    measured = Measured(
        plan=SamplePlan(
            files=(AudioFile(track_id="a.wav", size_bytes=1),),
            parts=(Draws(indices=(0,), weights=(1.0,), is_complete=True),),
        ),
        timings=Timings(costs=(FileCost(seconds=0.0, feature_bytes=0, error_code=None),), worker_bytes=1),
        shard_costs=ShardCosts(shard_s=1.0, byte_s=0.0),
        sizes=sizes,
        n_cores=2,
        trial_input=None,
        more_listing_s=0.0,
    )
    settings = ExtractSettings(shard_files=shard_files)
    prediction = conclude(measured, settings=settings, trial=None, n_cores=n_cores)
    # A first one is part of the start.
    assert prediction.wall_s.value - prediction.start_up_s == n_shards - 1
