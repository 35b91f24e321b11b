"""``doctor``: what stands in the way of a job, and what an extraction will cost."""

import argparse
import tempfile
from collections.abc import Sequence

from deepsound.commands.running import EXIT_USAGE, add_settings_options, muted_native_logs, reports_errors
from deepsound.config import ExtractSettings
from deepsound.doctor.check import OK, WARN, Check, Findings
from deepsound.doctor.checklist import list_driver_checks, list_folders
from deepsound.doctor.machine import look_at_machine
from deepsound.doctor.options import SparkOptions
from deepsound.errors import ParameterError
from deepsound.features.registry import check_feature_names
from deepsound.settings import read_settings

# Without these there is no Spark to look at.
_NEEDED_FOR_SPARK = {"java", "pyspark", "pyspark_python", "master"}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Check what jobs need, on the driver and on the executors: a line a check. With --input, run "
        "about 20 of its files and predict what an extraction of all of them takes.",
    )
    parser.add_argument("--input", metavar="PATH", help="folder of audio to predict the extraction of")
    add_settings_options(parser, example="--set features=[musicnn]")
    parser.add_argument("--master", metavar="URL", help="the Spark to look at; default: a local one")
    parser.add_argument("--properties-file", metavar="FILE", help="Spark's settings; see conf/spark/")
    parser.add_argument("--conf", metavar="KEY=VALUE", action="append", default=[], help="one setting of Spark's")
    parser.add_argument(
        "--scratch",
        metavar="PATH",
        help="with --master: a folder all executors reach, for copies",
    )
    parser.add_argument("--cores", type=int, metavar="N", help="predict for so many; default: those there are")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, another sample")
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Print all findings, and the prediction; the exit code is 2 if a check failed."""
    args = build_parser().parse_args(argv)
    if args.cores is not None and args.cores < 1:
        raise ParameterError(f"--cores is {args.cores}; wanted at least 1")
    options = SparkOptions(master=args.master, properties_file=args.properties_file, conf=tuple(args.conf))
    findings = Findings()
    with options.in_force():
        settings = _check_settings(args, findings)
        here = look_at_machine(list_folders())
        for name, look in list_driver_checks(options, settings, here):
            findings.look(name, look)
        if findings.failed & _NEEDED_FOR_SPARK:
            found, advice = "not looked at, as no Spark can be started", "mend what failed above first"
            findings.add(Check(status=WARN, name="executor", found=found, advice=advice))
            return EXIT_USAGE
        from deepsound.commands.doctor_spark import look_at_spark

        with (
            tempfile.NamedTemporaryFile("r", prefix="deepsound-doctor-", suffix=".log") as java_log,
            # Java accounts for each failure in a hundred lines, of which a finding gives one.
            muted_native_logs(into=java_log.name),
        ):
            look_at_spark(args, options, settings, here, findings, java_log=java_log.name)
    return EXIT_USAGE if findings.failed else 0


def _check_settings(args: argparse.Namespace, findings: Findings) -> ExtractSettings | None:
    """The settings, or None where they are wrong."""
    read: list[ExtractSettings] = []

    def look() -> Check:
        settings = read_settings(ExtractSettings, section="extract", path=args.config, overrides=args.overrides)
        check_feature_names(settings.features)
        read.append(settings)
        return Check(status=OK, name="settings", found=f"features {', '.join(settings.features)}")

    findings.look("settings", look)
    return read[0] if read else None
