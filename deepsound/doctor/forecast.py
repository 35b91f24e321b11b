"""The way to a prediction: list the input, choose a sample, time its files, lay them out for a real extraction."""

import collections
import contextlib
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.doctor.check import OK, WARN, Check
from deepsound.doctor.executors import count_tasks
from deepsound.doctor.prediction import Prediction, predict
from deepsound.doctor.sampling import AudioFile, SamplePlan, plan_sample
from deepsound.doctor.timing import Timings, time_files
from deepsound.doctor.trial import Trial, copy_sample
from deepsound.networks.engine import NetworkFile
from deepsound.spark.inputs import list_audio

N_FILES = 20
_QUICK_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files that an extraction would decode, out of ``n_files``, and how long it took to find them."""

    files: tuple[AudioFile, ...]
    n_files: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was seen of a sample, all but its real extraction.

    Attributes
    ----------
    n_cores : int
        Tasks at a time.
    trial_paths : (str, str) or None
        Input and output of its extraction; None without a folder that executors reach.
    more_listing_s : float
        How much longer it takes to list the collection than the sample.
    """

    plan: SamplePlan
    timings: Timings
    n_files: int
    n_cores: int
    trial_paths: tuple[str, str] | None
    more_listing_s: float


def list_input(spark: SparkSession, input_path: str, *, settings: ExtractSettings) -> Listing:
    """The collection.

    Raises
    ------
    InputError
        As an extraction of it would.
    """
    listing, seconds = _timed_listing(spark, input_path)
    if seconds < _QUICK_S:
        # The first query of a session pays for all later ones; what counts is how the time grows.
        listing, seconds = _timed_listing(spark, input_path)
    decodable = tuple(file for file in listing if 0 < file.size_bytes <= settings.max_bytes)
    return Listing(files=decodable, n_files=len(listing), seconds=seconds)


def check_input(listing: Listing, input_path: str) -> Check:
    """How many files there are, by format."""
    formats = collections.Counter(file.format for file in listing.files)
    by_format = ", ".join(f"{n} {name}" for name, n in formats.most_common())
    size = sum(file.size_bytes for file in listing.files)
    found = f"{listing.n_files} files, {size / 1e6:.1f} MB in {input_path}: {by_format or 'none to decode'}"
    n_left = listing.n_files - len(listing.files)
    if n_left:
        advice = "they fail as empty or too_large; max_bytes is a setting"
        return Check(status=WARN, name="input", found=f"{found}; {n_left} of 0 bytes or too large", advice=advice)
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
    timings = time_files(spark, plan.files, settings=settings, networks=networks, n_cores=n_cores)
    trial_paths, more_listing_s = None, 0.0
    if scratch is not None:
        trial_paths = copy_sample(spark, plan.files, scratch=scratch)
        _, sample_listing_s = _timed_listing(spark, trial_paths[0])
        more_listing_s = max(listing.seconds - sample_listing_s, 0.0)
    return Measured(
        plan=plan,
        timings=timings,
        n_files=listing.n_files,
        n_cores=n_cores,
        trial_paths=trial_paths,
        more_listing_s=more_listing_s,
    )


def conclude(measured: Measured, *, trial: Trial | None, n_cores: int | None) -> Prediction:
    """The prediction for ``n_cores`` cores, or for as many as were there."""
    return predict(
        measured.plan,
        measured.timings,
        trial=trial,
        n_files=measured.n_files,
        n_trial_cores=measured.n_cores,
        n_cores=n_cores or measured.n_cores,
        more_listing_s=measured.more_listing_s,
    )


@contextlib.contextmanager
def scratch_folder(asked: str | None, *, is_local: bool) -> Iterator[str | None]:
    """A folder for the sample: below the one asked for, or on a local Spark one of this machine, removed afterwards.

    None where executors on other machines would have to reach it and none was named.
    """
    if asked is not None:
        yield f"{asked.rstrip('/')}/deepsound-doctor-{uuid.uuid4().hex[:8]}"
    elif is_local:
        with tempfile.TemporaryDirectory(prefix="deepsound-doctor-") as folder:
            yield folder
    else:
        yield None


def _timed_listing(spark: SparkSession, path: str) -> tuple[list[AudioFile], float]:
    started = time.monotonic()
    listed = list_audio(spark, path).listed.select("path", "length").toArrow().to_pylist()
    return [AudioFile(path=row["path"], size_bytes=row["length"]) for row in listed], time.monotonic() - started
