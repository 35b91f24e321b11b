"""The checks of ``doctor``, in their order, and its prediction."""

import argparse
import contextlib
import functools
import os
import pathlib
import re
import tempfile
from typing import Any

from deepsound.api.networks import prepare_networks
from deepsound.commands.running import EXIT_USAGE
from deepsound.config import ExtractSettings
from deepsound.console import say, show
from deepsound.doctor import driver, machine
from deepsound.doctor.check import OK, WARN, Findings
from deepsound.doctor.options import options_in_force, read_options
from deepsound.features.registry import check_feature_names
from deepsound.native_logs import muted_native_logs
from deepsound.networks.cache import NetworkCache
from deepsound.settings import read_settings

# Without these there is no Spark to look at.
_NEEDED_FOR_SPARK = {"java", "pyspark", "pyspark_python", "master"}
_EXECUTOR_TIMEOUT_S = 180.0
_MEND = "mend what failed above first"


def run_checks(args: argparse.Namespace) -> int:
    """Print all findings, and the prediction; the exit code is 2 if a check failed."""
    options, findings = read_options(args.properties_file, conf=args.conf, master=args.master), Findings()
    with options_in_force(options):
        settings = _check_driver(args, options=options, findings=findings)
        if findings.failed & _NEEDED_FOR_SPARK:
            findings.look("executor", look=lambda: (WARN, "not looked at, as no Spark can be started", _MEND))
            return EXIT_USAGE
        # Java accounts for each failure in a hundred lines, of which a finding gives one.
        with tempfile.NamedTemporaryFile("r", errors="replace") as log, muted_native_logs(into=log.name):
            found = _check_spark(args, settings=settings, findings=findings)
            if "spark" in findings.failed:
                show(re.findall(r"^\s*((?:Exception in|Caused by:|Error).*)", log.read(), re.MULTILINE)[-1:])
            is_local = options.get("spark.master", "local").startswith("local")
            if found is not None and (is_local or args.scratch is not None):
                _predict(args, settings=settings, pilot=found[0], n_cores=found[1], findings=findings)
            elif found is not None:
                check = (WARN, "not made: no prediction", "--scratch PATH, a folder that all executors reach")
                findings.look("trial", look=lambda: check)
    return EXIT_USAGE if findings.failed else 0


def _check_driver(
    args: argparse.Namespace, *, options: dict[str, str], findings: Findings
) -> ExtractSettings | None:
    """What can be looked at without Spark; settings are None where they are wrong."""

    def read() -> ExtractSettings:
        settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=args.overrides)
        check_feature_names(settings.features)
        return settings

    settings: ExtractSettings | None = findings.look(
        "settings", look=read, tell=lambda read: (OK, f"features {', '.join(read.features)}")
    )
    # MLflow's default store, converted networks, Spark's own files.
    spark_folders = os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()
    folders = [str(pathlib.Path.cwd()), str(NetworkCache("any").folder), *spark_folders.split(",")]
    advice = "run it from a folder that can be written to; DEEPSOUND_CACHE_DIR names another cache"
    findings.look("driver.libraries", look=machine.check_libraries)
    findings.look("driver.formats", look=machine.check_formats)
    findings.look("driver.folders", look=lambda: machine.check_folders(folders, advice=advice))
    for name, look in driver.list_checks(options, settings=settings).items():
        findings.look(name, look=look)
    return settings


def _check_spark(args: argparse.Namespace, *, settings: ExtractSettings | None, findings: Findings) -> Any:
    """Check the executors; with ``--input``, where all that it needs is there, (a pilot of it, the cores)."""
    # Only now, as they import pyspark.
    from deepsound.doctor import executors, forecast
    from deepsound.spark.session import open_session

    # Closed before the pilot is extracted by processes of their own, which may need all cores.
    with contextlib.ExitStack() as session:
        start = functools.partial(session.enter_context, open_session("deepsound doctor"))
        spark = findings.look("spark", look=start, tell=executors.check_spark)
        if spark is None:
            return None
        look_around = functools.partial(executors.look_at_executors, spark, timeout_s=_EXECUTOR_TIMEOUT_S)
        looks = findings.look("executor", look=look_around, tell=executors.check_executors) or {}
        for name in next(iter(looks.values()), ()):
            findings.look(name, look=functools.partial(executors.find_worst, looks, name=name))
        if not looks or args.input is None:
            return None
        if settings is None or any(name.startswith("network") for name in findings.failed):
            findings.look("input", look=lambda: (WARN, "not looked at, as its features cannot be computed", _MEND))
            return None
        draw = functools.partial(
            forecast.draw_pilot, spark, args.input, max_bytes=settings.max_bytes, seed=args.seed
        )
        pilot = findings.look("input", look=draw, tell=forecast.Pilot.check)
        return (pilot, executors.count_tasks(spark)) if pilot and pilot.files else None


def _predict(args: argparse.Namespace, *, settings: Any, pilot: Any, n_cores: int, findings: Findings) -> None:
    """The pilot's real extraction, and what follows from it."""
    from deepsound.doctor import forecast

    def extract() -> forecast.Trial:
        say(f"extracting {len(pilot.files)} of the files, a part of them first")
        networks = prepare_networks(settings.features, network=settings.network)
        words = ["--config", args.config] if args.config else []
        words += [word for override in args.overrides for word in ("--set", override)]
        return forecast.run_trial(
            pilot, settings=settings, networks=networks, n_cores=n_cores, scratch=args.scratch, arguments=words
        )

    trial = findings.look("trial", look=extract, tell=lambda seen: (OK, f"{len(seen.wall_s)} extractions made"))
    if trial is not None:
        findings.look("sample", look=trial.check)
        show(forecast.format_forecast(pilot, trial, n_cores=args.cores or n_cores))
