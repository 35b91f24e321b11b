"""What an extraction takes: a pilot of files, extracted as jobs of their own, and a line laid through these."""

import io
import itertools
import math
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from deepsound.children import child_command, child_environment
from deepsound.config import ExtractSettings, SourceSettings
from deepsound.console import to_plain_number
from deepsound.doctor.check import OK, WARN, Check
from deepsound.errors import EngineError
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track
from deepsound.networks.engine import NetworkFile
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.networks import ship_networks
from deepsound.spark.session import open_session
from deepsound.spark.sources import open_source
from deepsound.spark.tables import read_files, read_table

N_FILES = 24
# By so much two runs of one job differ where others use the machine, and a pilot differs from its collection.
NOISE = 0.15
Networks = tuple[NetworkFile, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class AudioFile:
    """A file that an extraction would decode; ``native`` is its path for ``open``, where there is one."""

    ending: str
    size_bytes: int
    path: str
    native: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """Chosen ``files`` of all that are ``decodable``, and the number of all there are."""

    files: Sequence[AudioFile]
    decodable: Sequence[AudioFile]
    n_files: int

    def check(self) -> Check:
        """How many files there are, by format."""
        n_bytes, n_left = sum(file.size_bytes for file in self.decodable), self.n_files - len(self.decodable)
        counts = Counter(file.ending for file in self.decodable).most_common()
        by_ending = ", ".join(f"{n} {ending}" for ending, n in counts)
        found = f"{self.n_files} files, {n_bytes / 1e6:.1f} MB: {by_ending or 'none'}"
        left = f"; {n_left} that will not be decoded, empty or larger than max_bytes or not to be read"
        return (WARN, found + left, "they will be failed rows of tracks/") if n_left else (OK, found)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Seconds by number of files extracted; of the pilot bytes written and, by file, seconds of audio, errors."""

    n_cores: int
    wall_s: Mapping[int, float]
    worker_bytes: int
    output_bytes: int
    audio_s: Sequence[float]
    error_codes: Sequence[str | None]

    def check(self) -> Check:
        """How many of the files cannot be used."""
        codes = Counter(filter(None, self.error_codes)).most_common()
        advice = "they will be failed rows of tracks/; 'deepsound tracks' lists them after an extraction"
        failed = f"of {len(self.audio_s)} files, {', '.join(f'{n} {code}' for code, n in codes)}"
        return (WARN, failed, advice) if codes else (OK, f"{len(self.audio_s)} files give features")


def draw_pilot(spark: SparkSession, input_path: str, *, max_bytes: int, seed: int) -> Pilot:
    """List the input, which fails as an extraction of it would, and choose the pilot."""
    with tempfile.TemporaryDirectory(prefix="deepsound-doctor-") as scratch:
        source = open_source(spark, input_path, SourceSettings(), scratch=HadoopPath(spark, scratch))
        source.check_not_empty()
        return choose_pilot(source.rows, n_files=source.n_files, max_bytes=max_bytes, seed=seed)


def choose_pilot(rows: DataFrame, *, n_files: int, max_bytes: int, seed: int) -> Pilot:
    """The pilot of so many rows of a listing."""
    usable = rows.where(f"problem is null and container is null and size_bytes between 1 and {max_bytes}")
    files = [
        AudioFile(
            ending=row["path"].rpartition(".")[2].lower(),
            size_bytes=row["size_bytes"],
            path=row["path"],
            native=None if row["native"] is None else bytes(row["native"]),
        )
        for row in usable.select("path", "size_bytes", "native").collect()
    ]
    return Pilot(files=choose_files(files, seed=seed), decodable=files, n_files=n_files)


def choose_files(files: Sequence[AudioFile], *, seed: int) -> list[AudioFile]:
    """About ``N_FILES``, of each ending its share, in equal steps along the sizes; every fourth comes first."""
    rng, chosen = np.random.default_rng(seed), list[AudioFile]()
    for _, some in itertools.groupby(sorted(files), key=lambda file: file.ending):
        group = list(some)
        n = min(len(group), max(2, round(N_FILES * len(group) / len(files))))
        start = int(rng.integers(len(group)))
        chosen += [group[(i * len(group) + start) // n] for i in range(n)]
    return [file for first in range(4) for file in chosen[first::4]]


def run_trial(
    pilot: Pilot,
    *,
    settings: ExtractSettings,
    networks: Networks,
    n_cores: int,
    scratch: str | None,
    arguments: Sequence[str],
) -> Trial:
    """Extract a quarter of the pilot, all of it, and over and over again until this stands out from the start."""
    folder = f"{scratch or pathlib.Path(tempfile.gettempdir()).as_uri()}/deepsound-doctor-{uuid.uuid4().hex[:8]}"
    # With fewer files than cores, a run would tell nothing of how fast these are.
    small, wall_s = max(math.ceil(len(pilot.files) / 4), n_cores), dict[int, float]()
    whole = max(len(pilot.files), 2 * small)
    try:
        for n in (small, whole, 8 * whole, 64 * whole):
            with open_session("deepsound doctor") as spark:
                _lay_out(spark, pilot.files, folder=f"{folder}/input", numbers=range(max(wall_s, default=0), n))
            wall_s[n] = _run_extraction(f"{folder}/input", output_path=f"{folder}/{n}", arguments=arguments)
            if n >= whole and (n >= pilot.n_files or wall_s[n] >= 2 * wall_s[small]):
                break
        with open_session("deepsound doctor") as spark:
            written = (
                read_files(spark, [f"{folder}/{whole}"], recursiveFileLookup="true").select("length").collect()
            )
            tracks = (
                read_table(spark, f"{folder}/{whole}/tracks").orderBy("track_id").collect()[: len(pilot.files)]
            )
            worker_bytes = _measure_worker(spark, pilot, settings=settings, networks=networks)
    finally:
        with open_session("deepsound doctor") as spark:
            HadoopPath(spark, folder).delete()
    return Trial(
        n_cores=n_cores,
        wall_s=wall_s,
        worker_bytes=worker_bytes,
        output_bytes=sum(row.length for row in written),
        audio_s=[0.0 if row.error_code else row.duration_s for row in tracks],
        error_codes=[row.error_code for row in tracks],
    )


def _measure_worker(spark: SparkSession, pilot: Pilot, *, settings: ExtractSettings, networks: Networks) -> int:
    """The most memory, in bytes, of a Python worker that has extracted the pilot's largest files."""
    shipped, features = ship_networks(spark, networks), find_features(settings.features)

    def extract(opened: BinaryIO) -> int:
        here, n_threads = shipped.on_this_machine(), shipped.n_threads
        extractors = load_extractors(features, networks=here, n_threads=n_threads)
        extract_track(opened, extractors=extractors, settings=settings)
        # In kilobytes, but on macOS.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    largest = sorted(pilot.files, key=lambda file: file.size_bytes)[-4:]
    if all(file.native for file in largest):
        paths = spark.sparkContext.parallelize([os.fsdecode(file.native or b"") for file in largest], 1)
        return paths.map(lambda path: extract(pathlib.Path(path).open("rb"))).max()
    contents = read_files(spark, [file.path for file in largest]).select("content").rdd
    return contents.map(lambda row: extract(io.BytesIO(row.content))).max()


def _lay_out(spark: SparkSession, files: Sequence[AudioFile], *, folder: str, numbers: range) -> None:
    """Link or copy files, over and over, under numbers, as files of two folders may share a name."""
    for number in numbers:
        file = files[number % len(files)]
        target = HadoopPath(spark, f"{folder}/{number:05d}.{file.ending}")
        if file.native is not None and target.uri.startswith("file:"):
            # Not through Java, which cannot open every name that the system can.
            path = pathlib.Path(target.uri.removeprefix("file:"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(os.fsdecode(file.native))
        else:
            HadoopPath(spark, file.path).copy_to(target)


def _run_extraction(input_path: str, *, output_path: str, arguments: Sequence[str]) -> float:
    """Seconds that an extraction takes, from the start of its process to its end."""
    # Labels do not matter to what it costs, and a table of labels names the files where they really lie.
    plain = ("labels={from: none}", "duplicates=keep", "max_failure_fraction=1")
    words = (*arguments, *(word for override in plain for word in ("--set", override)))
    command = child_command("deepsound.cli", "extract", "--input", input_path, "--output", output_path, *words)
    # What a spark-submit around this process put there belongs to this process alone.
    ours = {key: value for key, value in child_environment().items() if not key.startswith("PYSPARK_GATEWAY_")}
    started = time.monotonic()
    done = subprocess.run(command, env=ours, capture_output=True, text=True, check=False)
    if done.returncode:
        said = re.findall(r"^deepsound: error.*", done.stderr, re.MULTILINE) or done.stderr.strip().splitlines()
        raise EngineError((said or ["it said nothing"])[-1][:300])
    return time.monotonic() - started


def estimate_audio(pilot: Pilot, *, audio_s: Sequence[float]) -> float:
    """Seconds of audio to decode: a byte of MP3 holds ten times the music of one of WAV, and music takes time."""
    seconds = dict.fromkeys((file.ending for file in pilot.files), 0.0)
    n_bytes = Counter[str]()
    for file, file_s in zip(pilot.files, audio_s, strict=True):
        seconds[file.ending] += file_s
        n_bytes[file.ending] += file.size_bytes
    return sum(file.size_bytes * seconds[file.ending] / n_bytes[file.ending] for file in pilot.decodable)


def follow_line(points: Sequence[tuple[float, float]], *, to: float, share: float) -> tuple[float, float, float]:
    """Value, half the range, and start at x = 0, of the line through the first and the last point, at x = ``to``.

    Its steepness is multiplied by ``share``. What the points may be wrong by grows with the distance beyond them.
    """
    (x1, y1), (x2, y2) = points[0], points[-1]
    # Where nothing of the pilot can be decoded, nothing of the collection is, and x is 0 throughout.
    width = max(x2 - x1, 1e-9)
    slope = max(y2 - y1, 0.0) / width
    start, beyond = max(y2 - slope * x2, 0.0), share * max(to - x2, 0.0) / width
    value = start + slope * share * to
    return value, NOISE * math.hypot(value, beyond * y1, beyond * y2), start


def format_forecast(pilot: Pilot, trial: Trial, *, n_cores: int) -> Iterator[str]:
    """A line a figure: the figure, and where it may well lie."""
    audio_s, n_pilot = estimate_audio(pilot, audio_s=trial.audio_s), len(pilot.files)
    laid_s = {n: sum(trial.audio_s[i % n_pilot] for i in range(n)) for n in trial.wall_s}
    points = [(laid_s[n], seconds) for n, seconds in trial.wall_s.items()]
    wall_s, half_s, start_s = follow_line(points, to=audio_s, share=trial.n_cores / n_cores)
    n_bytes = trial.output_bytes * audio_s / (points[1][0] or 1.0)
    yield f"prediction for {pilot.n_files} files, {audio_s / 3600:.2f} hours of audio, on {n_cores} cores:"
    for name, value, half, unit in (
        ("wall time", wall_s / 3600, half_s / 3600, "hours"),
        ("output", n_bytes / 1e9, NOISE * n_bytes / 1e9, "GB"),
        ("worker memory", trial.worker_bytes / 1e9, NOISE * trial.worker_bytes / 1e9, "GB"),
    ):
        figures = [to_plain_number(number, digits=3) for number in (value, max(value - half, 0.0), value + half)]
        yield f"  {name:<13}  {figures[0]:>9} {unit:<5}  {figures[1]} to {figures[2]} {unit}"
    runs = ", ".join(f"{n} files in {seconds:.0f} s" for n, seconds in trial.wall_s.items())
    yield f"  from {runs} on {trial.n_cores} cores, {start_s:.0f} s of it start-up; two runs may differ by 15 %"
