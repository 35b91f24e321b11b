"""What is read of files without decoding them: their hash, and the labels that stand in them."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from deepsound.spark.contents import SourceFile
from deepsound.spark.outcomes import read_tag_labels

HASH_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("track_id", "hash")])
TAG_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("track_id", "genre", "artist")])


def hash_file(file: SourceFile, content: BinaryIO | None, _problem: str | None) -> Iterator[pa.RecordBatch]:
    """track_id and sha256 of what a file holds; nothing of one that cannot be read."""
    if content is None:
        return
    digest = hashlib.sha256()
    try:
        while block := content.read(1 << 20):
            digest.update(block)
    except OSError:
        return
    yield pa.RecordBatch.from_pylist([{"track_id": file.track_id, "hash": digest.hexdigest()}], schema=HASH_SCHEMA)


def read_file_tags(file: SourceFile, content: BinaryIO | None, _problem: str | None) -> Iterator[pa.RecordBatch]:
    """track_id, genre and artist by a file's tags; nothing of one that cannot be read."""
    if content is None:
        return
    try:
        labels = read_tag_labels(content)
    except OSError:
        return
    yield pa.RecordBatch.from_pylist([{"track_id": file.track_id, **labels}], schema=TAG_SCHEMA)
