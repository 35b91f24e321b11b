"""Extraction as a Spark job: once over a source, or again and again over one that music lands in."""

import contextlib
import time
from collections.abc import Callable

from pyspark.sql import SparkSession

from deepsound.config import ExtractSettings
from deepsound.errors import LabelError
from deepsound.features.fingerprint import declare_features, fingerprint_of
from deepsound.features.registry import check_segment_length, find_features, load_extractors
from deepsound.networks.engine import NetworkFile
from deepsound.settings import to_plain
from deepsound.spark.extract_job import ExtractJob, Report, RerunPolicy
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.listing import Source
from deepsound.spark.output import Extraction, OutputFolder, open_output
from deepsound.spark.session import check_is_classic
from deepsound.spark.sources import check_source, open_source
from deepsound.spark.summary import ExtractResult
from deepsound.spark.track_labels import label_tracks

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
    """Turn a source of audio into a FEATURES folder, or bring one up to date.

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
        The input does not exist, is no source, or holds no audio.
    OutputError
        The output holds something else, or features of another definition, or cannot be written.
    UnknownFeatureError, ConfigError, LabelError
        From the settings.
    """
    policy = policy or RerunPolicy()
    output = open_extraction(spark, input_path, output_path, settings, networks, policy, report)
    try:
        # With overwrite, what is there is removed only after all of the input has been found right.
        source, remarks = load_source(spark, input_path, settings, output)
        source.check_not_empty()
    except BaseException:
        leave_as_found(output)
        raise
    if policy.overwrite:
        output.clear()
    for line in (*source.describe(), *remarks):
        report(line)
    job = ExtractJob(spark, output, settings=settings, networks=networks, policy=policy, report=report)
    return job.run(source, output_path=output_path)


def load_source(
    spark: SparkSession, input_path: str, settings: ExtractSettings, output: OutputFolder
) -> tuple[Source, tuple[str, ...]]:
    """The tracks of a source with their labels, and lines for people about these."""
    source = open_source(spark, input_path, settings.source, scratch=output.staging)
    return label_tracks(spark, source, settings.labels, scratch=output.staging)


def open_extraction(
    spark: SparkSession,
    input_path: str,
    output_path: str,
    settings: ExtractSettings,
    networks: tuple[NetworkFile, ...],
    policy: RerunPolicy,
    report: Report,
    *,
    scratch: HadoopPath | None = None,
) -> OutputFolder:
    """The output of an extraction, once source, settings and what lies there are known to allow it.

    Nothing is written; errors are those of :func:`extract`.
    """
    check_is_classic(spark, work="an extraction")
    check_source(spark, input_path, settings.source)
    extractors = load_extractors(find_features(settings.features), networks=networks)
    check_segment_length(extractors, settings=settings)
    declared = declare_features(extractors, settings=settings)
    extraction = Extraction(
        fingerprint=fingerprint_of(declared), features=declared, settings=to_plain(settings), input=input_path
    )
    return open_output(
        spark,
        output_path,
        input_path=input_path,
        extraction=extraction,
        overwrite=policy.overwrite,
        scratch=scratch,
        report=report,
    )


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
    policy = policy or RerunPolicy()
    output = open_extraction(spark, input_path, output_path, settings, networks, policy, report)
    job = ExtractJob(spark, output, settings=settings, networks=networks, policy=policy, report=report)
    result, refusal, is_first = None, "", True
    try:
        while True:
            try:
                source, remarks = load_source(spark, input_path, settings, output)
            except LabelError as exc:
                if is_first:
                    raise
                if refusal != (refusal := str(exc)):
                    report(f"waiting, as {refusal}")
            else:
                if is_first:
                    report(f"watching {input_path}, every {every_s:g} s; interrupt to end")
                    if policy.overwrite:
                        output.clear()
                if source.n_files and (result is None or job.has_work(source)):
                    for line in (*source.describe(), *remarks):
                        report(line)
                    result = job.run(source, output_path=output_path)
            is_first = False
            if is_over():
                return result
            time.sleep(every_s)
    except KeyboardInterrupt:
        report("stopped watching")
        return result
    finally:
        leave_as_found(output)


def leave_as_found(output: OutputFolder) -> None:
    """Leave no listing behind; where what ended the work has ended the way to the storage, too, it stays."""
    with contextlib.suppress(Exception):
        output.abandon()
