"""Files in stretches that are committed together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ShardLimits:
    """What a shard holds at most; ``n_bytes`` of audio, or one file that is larger."""

    n_files: int
    n_bytes: int


def cut_into_shards(files: Sequence[T], sizes: Sequence[int], *, limits: ShardLimits) -> Iterator[Sequence[T]]:
    """Stretches of files, in their order, as long as the limits allow. ``sizes`` are bytes, one a file."""
    first = n_bytes = 0
    for last, size in enumerate(sizes):
        if last > first and (last - first == limits.n_files or n_bytes + size > limits.n_bytes):
            yield files[first:last]
            first, n_bytes = last, 0
        n_bytes += size
    if first < len(files):
        yield files[first:]
