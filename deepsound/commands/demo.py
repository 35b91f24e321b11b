"""``demo``: the whole road once, through the real ``spark-submit``, and a scorecard at its end."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from deepsound.commands.networks import choose_embedding
from deepsound.commands.running import reports_errors, say
from deepsound.config import ExtractSettings
from deepsound.errors import CommandFailedError, InputError
from deepsound.evaluation.report import Scorecard, format_side_by_side
from deepsound.settings import read_settings
from deepsound.training.tracking import open_store

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_BASELINE = "mfcc"
# A short job mostly waits for its own start, one thing after the other.
_N_AT_A_TIME = 2
# The demo's jobs are short: most of a JVM's time would go into optimising code that is about to end.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="demo",
        description="Extract, train and score once. Without --input, on the built-in synthetic collection.",
    )
    parser.add_argument("--input", type=pathlib.Path, metavar="DIR", help="music in one folder per genre")
    parser.add_argument("--ood", type=pathlib.Path, metavar="DIR", help="foreign music, named <genre>_<n>.<ext>")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("demo"), metavar="DIR")
    parser.add_argument("--config", type=pathlib.Path, default=_ROOT / "conf" / "demo.yaml", metavar="FILE")
    parser.add_argument("--tracks-per-genre", type=int, default=24, metavar="N", help="of the sample collection")
    return parser


@dataclass(frozen=True, kw_only=True)
class _Collections:
    """Where the music lies and how each collection is labelled, as ``--set`` arguments."""

    training: pathlib.Path
    training_labels: tuple[str, ...]
    ood: pathlib.Path | None
    is_synthetic: bool


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; prints the scorecard."""
    args = build_parser().parse_args(argv)
    started = time.monotonic()
    _check_paths(args)
    extraction = read_settings(ExtractSettings, section="extract", path=str(args.config), overrides=[])
    features = (_BASELINE, choose_embedding(network=extraction.network))
    # Created once, before two jobs want it at the same time.
    open_store()
    output: pathlib.Path = args.output
    output.mkdir(parents=True, exist_ok=True)
    collections = _collections(args)
    _run_jobs(collections, output, features=features, config=args.config)
    print(_scorecard(collections, output, features=features))
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0


def _check_paths(args: argparse.Namespace) -> None:
    for option, path in (("INPUT", args.input), ("OOD", args.ood)):
        if path is not None and not path.is_dir():
            raise InputError(f"{option}={path} is no folder")
    if not (_ROOT / "jobs").is_dir():
        raise InputError(f"the demo runs jobs/ of a checkout, and there is none at {_ROOT}; clone the project")


def _collections(args: argparse.Namespace) -> _Collections:
    if args.input is not None:
        labels: tuple[str, ...] = ("--set", "labels.from=parent_dir")
        return _Collections(training=args.input, training_labels=labels, ood=args.ood, is_synthetic=False)
    from deepsound.sample import compose_collection, compose_ood_collection

    music, foreign = args.output / "sample", args.output / "sample_ood"
    say("composing the synthetic sample collection")
    compose_collection(music, tracks_per_genre=args.tracks_per_genre)
    if args.ood is None:
        compose_ood_collection(foreign)
    labels = ("--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}")
    return _Collections(
        training=music, training_labels=labels, ood=args.ood or foreign, is_synthetic=args.ood is None
    )


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One call of ``spark-submit``; ``name`` stands before all that it says."""

    name: str
    script: str
    arguments: tuple[str, ...]


def _run_jobs(
    collections: _Collections, output: pathlib.Path, *, features: tuple[str, ...], config: pathlib.Path
) -> None:
    settings = ("--config", str(config))

    def extraction(name: str, folder: str, music: pathlib.Path, labels: tuple[str, ...]) -> _Job:
        _discard_other_settings(output / folder)
        paths = ("--input", str(music), "--output", str(output / folder))
        what = ("--set", f"features=[{','.join(features)}]")
        return _Job(name=name, script="extract", arguments=(*paths, *settings, *what, *labels))

    def training(feature: str) -> _Job:
        arguments = ("--features", str(output / "features"), *settings, "--set", f"feature={feature}")
        return _Job(name=f"train {feature}", script="train", arguments=arguments)

    def scoring(feature: str, name: str, folder: str, subset: str) -> _Job:
        paths = ("--input", str(output / folder), "--output", str(output / "scores" / f"{feature}-{name}"))
        model = ("--model", f"models:/deepsound-{feature}@champion")
        arguments = (*paths, *model, *settings, "--set", f"subset={subset}")
        return _Job(name=f"score {feature} {name}", script="score", arguments=arguments)

    _run([extraction("extract", "features", collections.training, collections.training_labels)])
    jobs = [training(feature) for feature in features]
    scored = [("test", "features", "test")]
    if collections.ood is not None:
        labels = ("--set", "labels.from=filename_prefix")
        jobs.insert(1, extraction("extract ood", "ood_features", collections.ood, labels))
        scored.append(("ood", "ood_features", "all"))
    _run(jobs)
    _run([scoring(feature, *what) for what in scored for feature in features])


def _discard_other_settings(folder: pathlib.Path) -> None:
    """A demo is repeatable: what an earlier one left, perhaps of other settings, makes way."""
    if (folder / "tracks").is_dir() or (folder / "extract.json").is_file():
        shutil.rmtree(folder)


def _run(jobs: Sequence[_Job]) -> None:
    with ThreadPoolExecutor(max_workers=_N_AT_A_TIME) as pool:
        for _ in pool.map(_submit, jobs):
            pass


def _submit(job: _Job) -> None:
    """Run a job through the real ``spark-submit``, which sends all that a job says to its standard output."""
    environment = {
        **os.environ,
        "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"),
    }
    settings = _ROOT / "conf" / "spark" / "local.conf"
    log_settings = (_ROOT / "conf" / "spark" / "log4j2.properties").as_uri()
    command = [
        *("spark-submit", "--properties-file", str(settings)),
        *("--driver-java-options", f"{_JAVA_OPTIONS} -Dlog4j2.configurationFile={log_settings}"),
        *(str(_ROOT / "jobs" / f"{job.script}.py"), *job.arguments),
    ]
    say(f"[{job.name}] spark-submit jobs/{job.script}.py {' '.join(job.arguments)}")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace")
    with process:
        for line in process.stdout or ():
            say(f"[{job.name}] {line.rstrip()}")
    if process.returncode:
        raise CommandFailedError(
            f"'{job.name}' (jobs/{job.script}.py) ended with exit code {process.returncode}; it said why above"
        )


def _scorecard(collections: _Collections, output: pathlib.Path, *, features: tuple[str, ...]) -> str:
    kind = (
        "SYNTHETIC sample music; its figures say nothing about real music"
        if collections.is_synthetic
        else "your music"
    )
    lines = ["", f"==== deepsound scorecard: {kind} ===="]
    shown = [("test", f"held-out test tracks of {collections.training}")]
    if collections.ood is not None:
        shown.append(("ood", f"out-of-distribution collection {collections.ood}"))
    for name, title in shown:
        cards = {feature: _read_card(output / "scores" / f"{feature}-{name}") for feature in features}
        lines += ["", f"-- {title}", format_side_by_side(cards)]
    store = os.environ.get("MLFLOW_TRACKING_URI", "mlflow.db, here")
    lines += [
        "",
        f"features     {output / 'features'} (segments/, tracks/, extract.json)",
        f"predictions  {output / 'scores'} (predictions/, per_genre/, metrics.json each)",
        f"runs         {store}: settings, curves, confusion matrices as pictures, the registered models",
        "look at them with: make ui   (then open http://127.0.0.1:5000, experiment 'deepsound')",
    ]
    return "\n".join(lines)


def _read_card(scores: pathlib.Path) -> Scorecard:
    summary: dict[str, Any] = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
    return summary, pq.read_table(scores / "per_genre").to_pylist()
