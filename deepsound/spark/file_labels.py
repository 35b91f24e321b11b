"""Labels that stand in the files, read again without decoding them."""

from collections.abc import Collection, Iterator
from dataclasses import asdict

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import SparkSession

from deepsound.data.labels import Labeller, TrackLabels
from deepsound.spark.inputs import AudioListing
from deepsound.spark.outcomes import SourceFile, open_source
from deepsound.spark.schemas import LABEL_FIELDS
from deepsound.spark.shard_job import deal_by_size, small_partitions, to_sources
from deepsound.spark.tables import read_files

_FILES_A_TASK = 128
_SCHEMA = pa.schema([pa.field("track_id", pa.string()), *LABEL_FIELDS])
_COLUMNS = ", ".join(f"{field.name} string" for field in _SCHEMA)


def read_file_labels(
    spark: SparkSession, listing: AudioListing, track_ids: Collection[str], *, labeller: Labeller, max_bytes: int
) -> dict[str, TrackLabels]:
    """track_id to labels of the files as they are now; those that cannot be read, or are too large, are left out.

    On a mounted file system little but the tags is read, on any other the whole files.
    """
    sources = to_sources(listing, track_ids)
    files = [file for file in sources if file.problem is None and 0 < file.size_bytes <= max_bytes]
    if not files:
        return {}
    if listing.is_local:
        chunks = spark.sparkContext.broadcast(deal_by_size(files, n_chunks=-(-len(files) // _FILES_A_TASK)))
        numbers = spark.range(0, len(chunks.value), 1, len(chunks.value))
        rows = numbers.mapInArrow(lambda batches: _read_opened(batches, chunks, labeller), _COLUMNS).collect()
    else:
        by_path = spark.sparkContext.broadcast({file.path: file.track_id for file in files})
        with small_partitions(spark, files):
            contents = read_files(spark, by_path.value).select("path", "content")
            rows = contents.mapInArrow(lambda b: _read_contents(b, by_path, labeller), _COLUMNS).collect()
    return {
        row["track_id"]: TrackLabels(genre=row["genre"], artist=row["artist"], split=row["split"]) for row in rows
    }


def _read_opened(
    batches: Iterator[pa.RecordBatch], chunks: "Broadcast[list[list[SourceFile]]]", labeller: Labeller
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number in batch.column(0).to_pylist():
            rows = []
            for file in chunks.value[number]:
                try:
                    with open_source(file) as opened:
                        labels = labeller.labels_in(opened, track_id=file.track_id)
                except OSError:
                    continue
                rows.append({"track_id": file.track_id, **asdict(labels)})
            yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)


def _read_contents(
    batches: Iterator[pa.RecordBatch], by_path: "Broadcast[dict[str, str]]", labeller: Labeller
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = []
        for path, content in zip(batch.column(0), batch.column(1), strict=True):
            track_id = by_path.value[path.as_py()]
            labels = labeller.labels_in(pa.BufferReader(content.as_buffer()), track_id=track_id)
            rows.append({"track_id": track_id, **asdict(labels)})
        yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
