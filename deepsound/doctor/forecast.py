"""The way to a prediction: list the input, choose a sample, time its files, lay them out for a real extraction."""

import collections
import contextlib
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.data.ledger import cut_into_shards
from deepsound.doctor.check import OK, WARN, Check
from deepsound.doctor.executors import count_tasks
from deepsound.doctor.prediction import Prediction, predict
from deepsound.doctor.sampling import AudioFile, SamplePlan, plan_sample
from deepsound.doctor.shards import ASSUMED, ShardCosts, measure_shards
from deepsound.doctor.timing import Timings, time_files
from deepsound.doctor.trial import Trial, copy_sample
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract_job import shard_limits
from deepsound.spark.inputs import AudioListing, check_not_empty, list_audio
from deepsound.spark.shard_job import to_sources

N_FILES = 20
_QUICK_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files that an extraction would decode, out of ``n_files``, and how long it took to find them all."""

    audio: AudioListing
    files: tuple[AudioFile, ...]
    seconds: float

    @property
    def n_files(self) -> int:
        """All of them, those that will not be decoded included."""
        return len(self.audio.files)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was seen of a sample, all but its extraction in a process of its own.

    Attributes
    ----------
    sizes : sequence of int
        Bytes of all files of the collection, in the order in which they are extracted.
    n_cores : int
        Tasks at a time.
    trial_input : str or None
        Where copies of the files lie; None without a folder that executors reach.
    more_listing_s : float
        How much longer it takes to list the collection than the sample.
    """

    plan: SamplePlan
    timings: Timings
    shard_costs: ShardCosts
    sizes: Sequence[int]
    n_cores: int
    trial_input: str | None
    more_listing_s: float


def list_input(spark: SparkSession, input_path: str, *, settings: ExtractSettings) -> Listing:
    """The collection.

    Raises
    ------
    InputError
        As an extraction of it would.
    """
    listing, seconds = _time_listing(spark, input_path)
    check_not_empty(listing)
    if seconds < _QUICK_S:
        # The first query of a session pays for all later ones; what counts is how the time grows.
        listing, seconds = _time_listing(spark, input_path)
    files = listing.files
    is_decodable = (
        files["problem"].isna() & (files["size_bytes"] > 0) & (files["size_bytes"] <= settings.max_bytes)
    )
    decodable = files[is_decodable]
    pairs = zip(decodable["track_id"].tolist(), decodable["size_bytes"].tolist(), strict=True)
    return Listing(
        audio=listing,
        files=tuple(AudioFile(track_id=track_id, size_bytes=size) for track_id, size in pairs),
        seconds=seconds,
    )


def check_input(listing: Listing, input_path: str) -> Check:
    """How many files there are, by format."""
    formats = collections.Counter(file.format for file in listing.files)
    by_format = ", ".join(f"{n} {name}" for name, n in formats.most_common())
    found = f"{listing.n_files} files, {listing.audio.n_bytes / 1e6:.1f} MB in {input_path}: {by_format or 'none'}"
    n_left = listing.n_files - len(listing.files)
    if n_left:
        found = f"{found}; {n_left} that will not be decoded, empty or larger than max_bytes or not to be read"
        return Check(status=WARN, name="input", found=found, advice="they will be failed rows of tracks/")
    return Check(status=OK, name="input", found=found)


def check_sample(measured: Measured) -> Check:
    """How many of the sample cannot be used."""
    codes = collections.Counter(cost.error_code for cost in measured.timings.costs if cost.error_code)
    n_files = len(measured.plan.files)
    if codes:
        by_code = ", ".join(f"{n} {code}" for code, n in codes.most_common())
        advice = "they will be failed rows of tracks/; 'deepsound tracks' lists them after an extraction"
        return Check(status=WARN, name="sample", found=f"of {n_files} files, {by_code}", advice=advice)
    return Check(status=OK, name="sample", found=f"{n_files} files give features")


def measure_sample(
    spark: SparkSession,
    listing: Listing,
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
    scratch: str | None,
    seed: int,
) -> Measured:
    """Choose files, time each of them, and lay copies of them out for their extraction.

    Parameters
    ----------
    scratch : str, optional
        A folder that all executors reach.
    """
    n_cores = count_tasks(spark)
    plan = plan_sample(listing.files, n_files=N_FILES, seed=seed)
    by_id = {file.track_id: file for file in to_sources(listing.audio, [file.track_id for file in plan.files])}
    sources = [by_id[file.track_id] for file in plan.files]
    timings = time_files(spark, sources, settings=settings, networks=networks, n_cores=n_cores)
    trial_input, more_listing_s, shard_costs = None, 0.0, ASSUMED
    if scratch is not None:
        trial_input = copy_sample(spark, sources, scratch=scratch)
        _, sample_listing_s = _time_listing(spark, trial_input)
        more_listing_s = max(listing.seconds - sample_listing_s, 0.0)
        shard_costs = measure_shards(
            spark, trial_input, scratch=scratch, n_files=len(sources), settings=settings, networks=networks
        )
    return Measured(
        plan=plan,
        timings=timings,
        shard_costs=shard_costs,
        sizes=listing.audio.files["size_bytes"].tolist(),
        n_cores=n_cores,
        trial_input=trial_input,
        more_listing_s=more_listing_s,
    )


def conclude(
    measured: Measured, *, settings: ExtractSettings, trial: Trial | None, n_cores: int | None
) -> Prediction:
    """The prediction for ``n_cores`` cores, or for as many as were there."""
    n_cores = n_cores or measured.n_cores
    shards = cut_into_shards(measured.sizes, measured.sizes, limits=shard_limits(settings, n_cores=n_cores))
    return predict(
        measured.plan,
        measured.timings,
        trial=trial,
        shard_costs=measured.shard_costs,
        n_shards=sum(1 for _ in shards),
        n_files=len(measured.sizes),
        n_trial_cores=measured.n_cores,
        n_cores=n_cores,
        more_listing_s=measured.more_listing_s,
    )


@contextlib.contextmanager
def scratch_folder(asked: str | None, *, is_local: bool) -> Iterator[str | None]:
    """A folder for the sample: below the one asked for, or on a local Spark one of this machine, then removed.

    None where executors on other machines would have to reach it and none was named.
    """
    if asked is not None:
        yield f"{asked.rstrip('/')}/deepsound-doctor-{uuid.uuid4().hex[:8]}"
    elif is_local:
        with tempfile.TemporaryDirectory(prefix="deepsound-doctor-") as folder:
            yield f"{folder}/sample"
    else:
        yield None


def _time_listing(spark: SparkSession, path: str) -> tuple[AudioListing, float]:
    started = time.monotonic()
    return list_audio(spark, path), time.monotonic() - started
