"""The sample, end to end: a real ``deepsound extract`` of its own process on copies of the files."""

import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from deepsound.children import child_command, child_environment
from deepsound.doctor.shards import count_bytes
from deepsound.errors import DeepsoundError
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.outcomes import SourceFile

OUTPUT = "trial"
_TIMEOUT_S = 3600


class TrialError(DeepsoundError):
    """The extraction of the sample failed; the message is its own."""

    code = "trial"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the extraction of the sample took and left.

    Attributes
    ----------
    wall_s : float
        From the start of its process to its end.
    segments_bytes, tracks_bytes : int
        Of the two tables.
    """

    wall_s: float
    segments_bytes: int
    tracks_bytes: int


def copy_sample(spark: SparkSession, files: Sequence[SourceFile], *, scratch: str) -> str:
    """Copy files to a folder that executors reach; its path."""
    root = HadoopPath(spark, scratch)
    folder = root.child("input")
    for number, file in enumerate(files):
        # Numbered, as files of different folders may share a name; the ending alone says that it is audio.
        ending = pathlib.PurePosixPath(file.track_id).suffix.lower()
        target = folder.child(f"{number:04d}{ending}")
        if file.native is not None and target.uri.startswith("file:"):
            # Not through Java, which cannot open every name that the system can.
            path = pathlib.Path(target.uri.removeprefix("file:"))
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(os.fsdecode(file.native), path)
        else:
            HadoopPath(spark, file.path).copy_to(target)
    return folder.uri


def clear_sample(spark: SparkSession, scratch: str) -> tuple[int, int]:
    """(segments, tracks): bytes of the tables of the trial below ``scratch``, which is then removed."""
    root = HadoopPath(spark, scratch)
    sizes = [count_bytes(root.child(f"{OUTPUT}/{table}")) for table in ("segments", "tracks")]
    root.delete()
    return sizes[0], sizes[1]


def run_extraction(input_path: str, output_path: str, *, arguments: Sequence[str]) -> float:
    """Seconds that an extraction takes in a process of its own.

    Parameters
    ----------
    arguments : sequence of str
        ``--config`` and ``--set``, as given to the doctor.

    Raises
    ------
    TrialError
        It failed.
    """
    # Labels do not matter to what it costs, and a table of labels names the files where they really lie.
    plain = ("labels={from: none}", "duplicates=keep", "max_failure_fraction=1", "shard_files=null")
    overrides = [word for override in plain for word in ("--set", override)]
    paths = ("--input", input_path, "--output", output_path)
    command = child_command("deepsound.cli", "extract", *paths, *arguments, *overrides)
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise TrialError(f"the extraction of the sample took more than {_TIMEOUT_S} s") from exc
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("deepsound: error")]
        raise TrialError((said or done.stderr.strip().splitlines() or ["it said nothing"])[-1][:300])
    return time.monotonic() - started


def _environment() -> dict[str, str]:
    # What a spark-submit around this process put there belongs to this process alone.
    return {key: value for key, value in child_environment().items() if not key.startswith("PYSPARK_GATEWAY_")}
