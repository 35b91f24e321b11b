"""The part of ``doctor`` that needs a running Spark: the executors, and a sample of the input."""

import argparse
import contextlib

from pyspark.sql import SparkSession

from deepsound.commands.networks import prepare_networks
from deepsound.config import ExtractSettings
from deepsound.console import say, show
from deepsound.doctor import forecast
from deepsound.doctor.check import FAIL, OK, WARN, Check, Findings
from deepsound.doctor.checklist import list_executor_checks
from deepsound.doctor.executors import ExecutorsError, explain_start_failure, look_at_executors, no_executor
from deepsound.doctor.machine import Machine
from deepsound.doctor.options import SparkOptions
from deepsound.doctor.report import format_prediction
from deepsound.doctor.trial import OUTPUT, Trial, clear_sample, run_extraction
from deepsound.spark.session import open_session

_APP_NAME = "deepsound doctor"
_EXECUTOR_TIMEOUT_S = 180.0


def look_at_spark(
    args: argparse.Namespace,
    options: SparkOptions,
    settings: ExtractSettings | None,
    here: Machine,
    findings: Findings,
    *,
    java_log: str,
) -> None:
    """Check the executors; with ``--input``, where all that it needs is there, predict an extraction."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(forecast.scratch_folder(args.scratch, is_local=options.is_local))
        # Closed before the sample is extracted by a process of its own, which may need all cores.
        with contextlib.ExitStack() as session:
            try:
                spark = session.enter_context(open_session(_APP_NAME))
            except Exception as exc:  # Python, Java, the master: each fails in its own way
                advice = "see what spark-submit says to the same --master and --properties-file"
                found = explain_start_failure(exc, java_log=java_log)
                findings.add(Check(status=FAIL, name="spark", found=found, advice=advice))
                return
            spark.sparkContext.setLogLevel("OFF")
            if not _check_executors(spark, here, findings) or args.input is None:
                return
            if settings is None or any(name.startswith("network") for name in findings.failed):
                found = "not looked at, as its features cannot be computed"
                findings.add(Check(status=WARN, name="input", found=found, advice="mend what failed above first"))
                return
            measured = _measure(spark, args, settings, findings, scratch=scratch)
        if measured is not None:
            _predict(args, settings, measured, findings, scratch=scratch)


def _check_executors(spark: SparkSession, here: Machine, findings: Findings) -> bool:
    """Whether there is one that can be used."""
    try:
        machines = look_at_executors(spark, timeout_s=_EXECUTOR_TIMEOUT_S)
    except ExecutorsError as exc:
        findings.add(no_executor(str(exc)))
        return False
    for name, look in list_executor_checks(spark, machines, here):
        findings.look(name, look)
    return True


def _measure(
    spark: SparkSession,
    args: argparse.Namespace,
    settings: ExtractSettings,
    findings: Findings,
    *,
    scratch: str | None,
) -> forecast.Measured | None:
    listings: list[forecast.Listing] = []
    measured: list[forecast.Measured] = []

    def look_at_input() -> Check:
        listings.append(forecast.list_input(spark, args.input, settings=settings))
        return forecast.check_input(listings[0], args.input)

    def look_at_sample() -> Check:
        networks = prepare_networks(settings.features, network=settings.network)
        say(f"trying about {forecast.N_FILES} of the files, each several times")
        found = forecast.measure_sample(
            spark, listings[0], settings=settings, networks=networks, scratch=scratch, seed=args.seed
        )
        measured.append(found)
        return forecast.check_sample(found)

    findings.look("input", look_at_input)
    if listings and listings[0].files:
        findings.look("sample", look_at_sample)
    return measured[0] if measured else None


def _predict(
    args: argparse.Namespace,
    settings: ExtractSettings,
    measured: forecast.Measured,
    findings: Findings,
    *,
    scratch: str | None,
) -> None:
    """The sample's real extraction, and what follows from it."""
    trials: list[Trial] = []

    def look() -> Check:
        if scratch is None or measured.trial_input is None:
            found = "the sample was not extracted as a job; its start is taken to last 30 s"
            advice = "--scratch PATH, a folder that all executors reach"
            return Check(status=WARN, name="trial", found=found, advice=advice)
        say("extracting them once more, as a job of its own")
        arguments = ["--config", args.config] if args.config else []
        arguments += [word for override in args.overrides for word in ("--set", override)]
        try:
            wall_s = run_extraction(measured.trial_input, f"{scratch}/{OUTPUT}", arguments=arguments)
        finally:
            with open_session(_APP_NAME) as spark:
                segments_bytes, tracks_bytes = clear_sample(spark, scratch)
        trials.append(Trial(wall_s=wall_s, segments_bytes=segments_bytes, tracks_bytes=tracks_bytes))
        return Check(status=OK, name="trial", found=f"the sample took {wall_s:.0f} s from start to end")

    findings.look("trial", look)
    if "trial" in findings.failed:
        return
    trial = trials[0] if trials else None
    prediction = forecast.conclude(measured, settings=settings, trial=trial, n_cores=args.cores)
    lines = format_prediction(
        prediction, input_path=args.input, n_sampled=len(measured.plan.files), n_files=len(measured.sizes)
    )
    show(lines)
