"""Extraction as a Spark job: once over a folder, or again and again over one that music lands in."""

import time
from collections.abc import Callable

from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract_job import ExtractJob, Report, RerunPolicy
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.inputs import check_not_empty, list_audio
from deepsound.spark.summary import ExtractResult

__all__ = ["ExtractResult", "RerunPolicy", "extract", "watch"]


def extract(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...] = (),
    policy: RerunPolicy | None = None,
    report: Report,
) -> ExtractResult:
    """Turn a folder of audio into a FEATURES folder, or bring one up to date.

    ``extract.json`` is written last: a folder without it is an extraction that did not finish.

    Parameters
    ----------
    input_path, output_path : str
        On any file system that Spark reaches.
    networks : tuple of NetworkFile
        Prepared, one for every embedding among the features.
    policy : RerunPolicy, optional
        By default only what is missing or has changed is worked on.
    report : callable
        Gets one line of text at a time.

    Raises
    ------
    InputError
        The input does not exist, is no folder, or holds no audio file.
    OutputError
        The output holds something else, or features of another definition, or cannot be written.
    UnknownFeatureError, ConfigError, LabelError
        From the settings.
    """
    listing = list_audio(spark, input_path)
    check_not_empty(listing)
    policy = policy or RerunPolicy()
    job = ExtractJob(
        spark, listing.root, output_path, settings=settings, networks=networks, policy=policy, report=report
    )
    return job.run(listing)


def watch(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    *,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...] = (),
    policy: RerunPolicy | None = None,
    every_s: float,
    is_over: Callable[[], bool] = lambda: False,
    report: Report,
) -> ExtractResult | None:
    """Keep a FEATURES folder up to date with a folder that music lands in, until ``is_over`` or interrupted.

    A file that is still being written is extracted as it is, and again when it has changed. Parameters and errors
    are those of :func:`extract`, but the folder may be empty.

    Returns
    -------
    ExtractResult or None
        Of the last look that found something to do.
    """
    result = None
    root = HadoopPath(spark, input_path)
    job = ExtractJob(
        *(spark, root, output_path),
        settings=settings,
        networks=networks,
        policy=policy or RerunPolicy(),
        report=report,
    )
    report(f"watching {root.uri}, every {every_s:g} s; interrupt to end")
    try:
        while True:
            listing = list_audio(spark, input_path)
            if not listing.files.empty and (result is None or job.has_work(listing)):
                result = job.run(listing)
            if is_over():
                return result
            time.sleep(every_s)
    except KeyboardInterrupt:
        report("stopped watching")
        return result
