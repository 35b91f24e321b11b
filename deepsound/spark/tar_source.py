"""Tar shards as sources, as WebDataset writes them: each member is read where it stands in its tar."""

import os
import pathlib
from collections.abc import Iterator
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from deepsound.data.listing import LeftOut
from deepsound.errors import InputError
from deepsound.sources.tar_shards import list_tar
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import LISTING_SCHEMA, Source, in_batches, stage_listing


def list_tar_shards(spark: SparkSession, root: HadoopPath, *, scratch: HadoopPath) -> Source:
    """The audio files in a tar, or in all tars of a folder. Their headers are read, not their content.

    Raises
    ------
    InputError
        The tars are not mounted where the workers run, or two tracks have one name.
    """
    if not root.is_on_this_machine:
        raise InputError(
            f"{root.uri}: a tar is read member by member, for which it must be mounted where the workers run; "
            "mount it, or unpack it"
        )
    folder = root.local_path
    tars = (
        [os.fsencode(root.local_path)]
        if not root.is_folder()
        else sorted(
            os.fsencode(path)
            for path in folder.rglob("*.tar")
            if not any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
        )
    )
    rows = spark.createDataFrame(pa.table({"native": tars})).repartition(len(tars))
    listed = rows.mapInArrow(_list_members, from_arrow_schema(LISTING_SCHEMA))
    return stage_listing(listed, root, scratch, left_out=LeftOut())


def _list_members(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for native in batch.column(0).to_pylist():
            yield from in_batches(_rows_of(native), LISTING_SCHEMA)


def _rows_of(native: bytes) -> Iterator[dict[str, object]]:
    """The tracks of a tar, and where it is damaged one more, which says so."""
    name = os.fsencode(native).decode("utf-8", "backslashreplace")
    of_tar = {"native": native, "container": f"file:{name}"}
    try:
        with pathlib.Path(os.fsdecode(native)).open("rb") as file:
            for member in list_tar(file, name=name):
                yield {**of_tar, **asdict(member), "path": f"file:{name}/{member.track_id}"}
    except (InputError, OSError) as exc:
        yield {**of_tar, "track_id": pathlib.PurePosixPath(name).name, "path": f"file:{name}", "problem": str(exc)}
