"""A head on its way to the executors: a broadcast where it is small, a Spark file where it is a whole network."""

import functools
import pathlib
import tempfile
from dataclasses import dataclass

from pyspark import Broadcast, SparkFiles
from pyspark.sql import SparkSession

from deepsound.models.head import Head, HeadSpec, PackedHead, load_head, open_head

# The heads on embeddings have 1 MB. A fine-tuned VGGish has 289 MB, of which each Python worker would unpickle a
# copy of its own beside the network that it builds from it.
_MAX_BROADCAST_BYTES = 32 << 20


@dataclass(frozen=True, kw_only=True)
class ShippedHead:
    """One of ``packed`` and ``file_name`` is set; beside a file, the statistics come with the closure."""

    spec: HeadSpec
    packed: Broadcast[PackedHead] | None = None
    file_name: str | None = None
    ood_bytes: bytes | None = None

    def load(self) -> Head:
        """The head, built once per Python worker."""
        if self.packed is not None:
            return load_head(self.packed.value)
        return open_head(self.spec, SparkFiles.get(str(self.file_name)), self.ood_bytes)


def ship_head(spark: SparkSession, head: PackedHead) -> ShippedHead:
    """Hand a head to Spark, which brings it to each executor once."""
    if len(head.onnx_bytes) <= _MAX_BROADCAST_BYTES:
        return ShippedHead(spec=head.spec, packed=spark.sparkContext.broadcast(head))
    path = pathlib.Path(_shipped_files().name) / f"head-{head.digest[:32]}.onnx"
    if not path.exists():
        path.write_bytes(head.onnx_bytes)
    # Each context anew; what it has already, it does not take again.
    spark.sparkContext.addFile(str(path))
    return ShippedHead(spec=head.spec, file_name=path.name, ood_bytes=head.ood_bytes)


@functools.cache
def _shipped_files() -> "tempfile.TemporaryDirectory[str]":
    """Where executors fetch files from when they start a task: there until this process ends."""
    return tempfile.TemporaryDirectory(prefix="deepsound-heads-")
