"""Files that are committed together."""

from hypothesis import given
from hypothesis import strategies as st

from deepsound.data.shard_limits import ShardLimits, cut_into_shards


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.integers(1, 20))
def test_shards_keep_order_and_all_and_are_as_long_as_their_limits_allow(sizes, n_files, n_bytes):
    names = [f"{number}" for number in range(len(sizes))]
    shards = list(cut_into_shards(names, sizes, limits=ShardLimits(n_files=n_files, n_bytes=n_bytes)))
    assert [name for shard in shards for name in shard] == names
    for number, shard in enumerate(shards):
        size = sum(sizes[int(name)] for name in shard)
        assert len(shard) == 1 or (1 < len(shard) <= n_files and size <= n_bytes)
        if number + 1 < len(shards):
            assert len(shard) == n_files or size + sizes[int(shards[number + 1][0])] > n_bytes
