"""``doctor``: what stands in the way of a job, and what an extraction will cost."""

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Sequence

from pyspark.sql import SparkSession

from deepsound.commands.networks import prepare_networks
from deepsound.commands.running import EXIT_USAGE, add_settings_options, muted_native_logs, reports_errors, say
from deepsound.config import ExtractSettings
from deepsound.doctor import forecast
from deepsound.doctor.check import FAIL, OK, WARN, Check, guard
from deepsound.doctor.checklist import list_driver_checks, list_executor_checks, list_folders
from deepsound.doctor.executors import ExecutorsError, explain_start_failure, look_at_executors, no_executor
from deepsound.doctor.machine import Machine, look_at_machine
from deepsound.doctor.options import SparkOptions
from deepsound.doctor.report import format_prediction
from deepsound.doctor.trial import Trial, clear_sample, run_extraction
from deepsound.errors import ParameterError
from deepsound.features.registry import check_feature_names
from deepsound.settings import read_settings
from deepsound.spark.session import open_session

_APP_NAME = "deepsound doctor"
_EXECUTOR_TIMEOUT_S = 180.0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Check what jobs need, on the driver and on the executors: a line a check. With --input, run "
        "about 20 of its files and predict what an extraction of all of them takes.",
    )
    parser.add_argument("--input", metavar="PATH", help="folder of audio to predict the extraction of")
    add_settings_options(parser, example="--set features=[musicnn]")
    parser.add_argument(
        "--master", metavar="URL", help="the Spark to look at, as for spark-submit; default: local"
    )
    parser.add_argument("--properties-file", metavar="FILE", help="Spark's settings; see conf/spark/")
    parser.add_argument("--conf", metavar="KEY=VALUE", action="append", default=[], help="one setting of Spark's")
    parser.add_argument(
        "--scratch",
        metavar="PATH",
        help="folder that all executors reach, for copies of the sample; local: not needed",
    )
    parser.add_argument(
        "--cores", type=int, metavar="N", help="predict for so many cores; default: those there are"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="another seed, another sample (default 0)"
    )
    return parser


class _Findings:
    """Prints every check when it is made, and remembers what failed."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def add(self, check: Check) -> None:
        print(check.line, flush=True)
        if check.status == FAIL:
            self.failed.add(check.name)

    def look(self, name: str, look: Callable[[], Check]) -> None:
        self.add(guard(name, look))


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print all findings, and the prediction; the exit code is 2 if a check failed."""
    args = build_parser().parse_args(argv)
    if args.cores is not None and args.cores < 1:
        raise ParameterError(f"--cores is {args.cores}; wanted at least 1")
    options = SparkOptions(master=args.master, properties_file=args.properties_file, conf=tuple(args.conf))
    options.settings()  # raises for a file that is not there
    findings = _Findings()
    settings = _check_settings(args, findings)
    here = look_at_machine(list_folders())
    for name, look in list_driver_checks(options, settings, here):
        findings.look(name, look)
    if findings.failed & {"java", "pyspark_python", "master"}:
        found, advice = "not looked at, as Spark cannot be started", "mend what failed above, and come again"
        findings.add(Check(status=WARN, name="executor", found=found, advice=advice))
        return EXIT_USAGE
    with (
        options.in_force(),
        tempfile.NamedTemporaryFile("r", prefix="deepsound-doctor-", suffix=".log") as java_log,
        # Java accounts for each failure in a hundred lines, of which a finding gives one.
        muted_native_logs(into=java_log.name),
        forecast.scratch_folder(args.scratch, is_local=options.is_local) as scratch,
    ):
        measured = _look_at_spark(args, settings, here, findings, scratch=scratch, java_log=java_log.name)
        if measured is not None:
            _predict(args, measured, findings)
    return EXIT_USAGE if findings.failed else 0


def _check_settings(args: argparse.Namespace, findings: _Findings) -> ExtractSettings | None:
    read: list[ExtractSettings] = []

    def look() -> Check:
        settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=args.overrides)
        check_feature_names(settings.features)
        read.append(settings)
        return Check(status=OK, name="settings", found=f"features {', '.join(settings.features)}")

    findings.look("settings", look)
    return read[0] if read else None


def _look_at_spark(
    args: argparse.Namespace,
    settings: ExtractSettings | None,
    here: Machine,
    findings: _Findings,
    *,
    scratch: str | None,
    java_log: str,
) -> forecast.Measured | None:
    """The executors, and a sample of the input where one was given and nothing that it needs has failed."""
    with contextlib.ExitStack() as stack:
        try:
            spark = stack.enter_context(open_session(_APP_NAME))
        except Exception as exc:  # Python, Java, the master: each fails in its own way
            advice = "see what spark-submit says to the same --master and --properties-file"
            found = explain_start_failure(exc, java_log=java_log)
            findings.add(Check(status=FAIL, name="spark", found=found, advice=advice))
            return None
        spark.sparkContext.setLogLevel("OFF")
        try:
            machines = look_at_executors(spark, timeout_s=_EXECUTOR_TIMEOUT_S)
        except ExecutorsError as exc:
            findings.add(no_executor(str(exc)))
            return None
        for name, look in list_executor_checks(spark, machines, here):
            findings.look(name, look)
        if args.input is None:
            return None
        if settings is None or any(name.startswith("network") for name in findings.failed):
            found, advice = "not looked at, as no feature can be computed", "mend what failed above"
            findings.add(Check(status=WARN, name="input", found=found, advice=advice))
            return None
        return _measure(spark, args, settings, findings, scratch=scratch)


def _measure(
    spark: SparkSession,
    args: argparse.Namespace,
    settings: ExtractSettings,
    findings: _Findings,
    *,
    scratch: str | None,
) -> forecast.Measured | None:
    measured: list[forecast.Measured] = []
    listings: list[forecast.Listing] = []

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


def _predict(args: argparse.Namespace, measured: forecast.Measured, findings: _Findings) -> None:
    """The sample's real extraction, and what follows from it."""
    trials: list[Trial] = []

    def look() -> Check:
        if measured.trial_paths is None:
            found = "the sample was not extracted as a whole; 30 s are taken for the start"
            advice = "--scratch PATH, a folder that all executors reach"
            return Check(status=WARN, name="trial", found=found, advice=advice)
        say("extracting them once, as a job of its own")
        arguments = [word for override in args.overrides for word in ("--set", override)]
        arguments += ["--config", args.config] if args.config else []
        try:
            wall_s = run_extraction(*measured.trial_paths, arguments=arguments)
        finally:
            with open_session(_APP_NAME) as spark:
                segments_bytes, tracks_bytes = clear_sample(spark, measured.trial_paths)
        trials.append(Trial(wall_s=wall_s, segments_bytes=segments_bytes, tracks_bytes=tracks_bytes))
        return Check(status=OK, name="trial", found=f"the sample was extracted in {wall_s:.0f} s")

    findings.look("trial", look)
    if findings.failed & {"trial"}:
        return
    prediction = forecast.conclude(measured, trial=trials[0] if trials else None, n_cores=args.cores)
    lines = format_prediction(
        prediction, input_path=args.input, n_sampled=len(measured.plan.files), n_files=measured.n_files
    )
    print("\n".join(lines))
