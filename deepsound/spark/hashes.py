"""The sha256 of files, without anything else being done to them."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from deepsound.spark.inputs import AudioListing
from deepsound.spark.outcomes import SourceFile, open_source
from deepsound.spark.shard_job import deal_by_size, small_partitions, to_sources
from deepsound.spark.tables import read_files

_FILES_A_TASK = 32


def hash_contents(
    spark: SparkSession, listing: AudioListing, track_ids: Collection[str], *, max_bytes: int
) -> dict[str, str]:
    """track_id to sha256 of what the files hold now; those that cannot be read, or are too large, are left out."""
    files = [file for file in to_sources(listing, track_ids) if 0 < file.size_bytes <= max_bytes]
    if not files:
        return {}
    if listing.is_local:
        chunks = spark.sparkContext.broadcast(deal_by_size(files, n_chunks=-(-len(files) // _FILES_A_TASK)))
        numbers = spark.range(0, len(chunks.value), 1, len(chunks.value))
        rows = numbers.mapInArrow(lambda batches: _hash_opened(batches, chunks), "track_id string, hash string")
        return {row["track_id"]: row["hash"] for row in rows.collect()}
    by_path = {file.path: file.track_id for file in files}
    with small_partitions(spark, files):
        contents = read_files(spark, by_path)
        found = contents.select("path", F.sha2("content", 256).alias("hash")).collect()
    return {by_path[row["path"]]: row["hash"] for row in found}


def _hash_opened(
    batches: Iterator[pa.RecordBatch], chunks: "Broadcast[list[list[SourceFile]]]"
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield _hash_files(chunks.value[number])


def _hash_files(files: Sequence[SourceFile]) -> pa.RecordBatch:
    hashes: dict[str, str] = {}
    for file in files:
        try:
            with open_source(file) as opened:
                hashes[file.track_id] = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError:
            continue
    return pa.RecordBatch.from_pydict({"track_id": list(hashes), "hash": list(hashes.values())})
