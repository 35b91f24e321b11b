"""Extraction as a Spark job: once over a folder, or again and again over one that music lands in."""

import time
from collections.abc import Callable

from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.errors import LabelError
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract_job import ExtractJob, Report, RerunPolicy
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.inputs import ExtractInput, check_not_empty, load_input
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
    # Before the job: with overwrite, that removes what is there, and a label CSV may be refused.
    found = load_input(spark, input_path, settings.labels)
    check_not_empty(found.listing)
    policy = policy or RerunPolicy()
    job = ExtractJob(
        spark, found.listing.root, output_path, settings=settings, networks=networks, policy=policy, report=report
    )
    return job.run(found)


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
    are those of :func:`extract`, but the folder may be empty. A label CSV that is refused ends a watch at its
    first look only: later it may be half written, or not yet name what has landed.

    Returns
    -------
    ExtractResult or None
        Of the last look that found something to do.
    """
    look: ExtractInput | None = load_input(spark, input_path, settings.labels)
    job = ExtractJob(
        *(spark, HadoopPath(spark, input_path), output_path),
        settings=settings,
        networks=networks,
        policy=policy or RerunPolicy(),
        report=report,
    )
    report(f"watching {input_path}, every {every_s:g} s; interrupt to end")
    result, refusal = None, ""
    try:
        while True:
            if look and not look.listing.files.empty and (result is None or job.has_work(look)):
                result = job.run(look)
            if is_over():
                return result
            time.sleep(every_s)
            try:
                look = load_input(spark, input_path, settings.labels)
            except LabelError as exc:
                look = None
                if refusal != (refusal := str(exc)):
                    report(f"waiting, as {refusal}")
    except KeyboardInterrupt:
        report("stopped watching")
        return result
