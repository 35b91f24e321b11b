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
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from deepsound.commands.running import reports_errors, say
from deepsound.errors import CommandFailedError, InputError
from deepsound.evaluation.report import format_scorecard

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_FEATURES = ("mfcc",)


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
    parser.add_argument("--tracks-per-genre", type=int, default=30, metavar="N", help="of the sample collection")
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
    output: pathlib.Path = args.output
    output.mkdir(parents=True, exist_ok=True)
    collections = _collections(args)
    _extract(collections, output, config=args.config)
    for feature in _FEATURES:
        _train_and_score(collections, output, feature=feature, config=args.config)
    print(_scorecard(collections, output))
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


def _extract(collections: _Collections, output: pathlib.Path, *, config: pathlib.Path) -> None:
    jobs = [(collections.training, "features", collections.training_labels)]
    if collections.ood is not None:
        jobs.append((collections.ood, "ood_features", ("--set", "labels.from=filename_prefix")))
    for music, name, labels in jobs:
        _discard_other_settings(output / name)
        _submit(
            "extract",
            *("--input", str(music), "--output", str(output / name), "--config", str(config)),
            *("--set", f"features=[{','.join(_FEATURES)}]", *labels),
        )


def _discard_other_settings(folder: pathlib.Path) -> None:
    """A demo is repeatable: what an earlier one left, perhaps of other settings, makes way."""
    if (folder / "tracks").is_dir() or (folder / "extract.json").is_file():
        shutil.rmtree(folder)


def _train_and_score(
    collections: _Collections, output: pathlib.Path, *, feature: str, config: pathlib.Path
) -> None:
    _submit(
        "train",
        *("--features", str(output / "features"), "--config", str(config), "--set", f"feature={feature}"),
    )
    runs = [("features", f"{feature}-test", "test")]
    if collections.ood is not None:
        runs.append(("ood_features", f"{feature}-ood", "all"))
    for features, name, subset in runs:
        _submit(
            "score",
            *("--input", str(output / features), "--model", f"models:/deepsound-{feature}@champion"),
            *("--output", str(output / "scores" / name), "--config", str(config), "--set", f"subset={subset}"),
        )


def _submit(job: str, *arguments: str) -> None:
    """Run one job through ``spark-submit``, which sends all that a job says to its standard output."""
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
        *("--driver-java-options", f"-Dlog4j2.configurationFile={log_settings}"),
        *(str(_ROOT / "jobs" / f"{job}.py"), *arguments),
    ]
    say(f"\n== spark-submit jobs/{job}.py {' '.join(arguments)}")
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise CommandFailedError(f"jobs/{job}.py ended with exit code {done.returncode}; the reason stands above")


def _scorecard(collections: _Collections, output: pathlib.Path) -> str:
    kind = (
        "SYNTHETIC sample music; its figures say nothing about real music"
        if collections.is_synthetic
        else "your music"
    )
    lines = ["", f"==== deepsound scorecard: {kind} ===="]
    for feature in _FEATURES:
        lines += [
            "",
            f"-- {feature}: held-out test tracks of {collections.training}",
            _card(output / "scores" / f"{feature}-test"),
        ]
        if collections.ood is not None:
            lines += [
                "",
                f"-- {feature}: out-of-distribution collection {collections.ood}",
                _card(output / "scores" / f"{feature}-ood"),
            ]
    store = os.environ.get("MLFLOW_TRACKING_URI", "mlflow.db, here")
    lines += [
        "",
        f"features     {output / 'features'} (segments/, tracks/, extract.json)",
        f"predictions  {output / 'scores'} (predictions/, per_genre/, metrics.json each)",
        f"runs         {store}: settings, curves, confusion matrices as pictures, the registered model",
        "look at them with: make ui   (then open http://127.0.0.1:5000, experiment 'deepsound')",
    ]
    return "\n".join(lines)


def _card(scores: pathlib.Path) -> str:
    summary: dict[str, Any] = json.loads((scores / "metrics.json").read_text(encoding="utf-8"))
    return format_scorecard(summary, pq.read_table(scores / "per_genre").to_pylist())
