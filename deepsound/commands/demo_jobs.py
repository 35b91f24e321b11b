"""The jobs of a demo, each through the real ``spark-submit``."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import deepsound
from deepsound.children import child_environment
from deepsound.console import complain, say
from deepsound.errors import CommandFailedError, TooManyFailuresError
from deepsound.shipped import conf_files, shipped_folder
from deepsound.spark.java import java_home

# A short job mostly waits for its own start, one thing after the other.
_N_AT_A_TIME = 2
# The demo's jobs are short: most of a JVM's time would go into optimising code that is about to end.
_JAVA_OPTIONS = "-XX:TieredStopAtLevel=1"


@dataclass(frozen=True, kw_only=True)
class Collections:
    """Where the music lies and how each collection is labelled, as ``--set`` arguments."""

    training: pathlib.Path
    training_labels: tuple[str, ...]
    ood: pathlib.Path | None
    is_synthetic: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every job of a demo is told."""

    output: pathlib.Path
    features: tuple[str, ...]
    config: str
    network: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One call of ``spark-submit``; ``name`` stands before all that it says."""

    name: str
    script: str
    arguments: tuple[str, ...]


def run_jobs(collections: Collections, plan: Plan) -> None:
    """Extract, train and score; the features and scores of an earlier demo in the same place make way.

    Raises
    ------
    CommandFailedError
        If a job fails. What it had to say stands on standard error by then.
    """
    output, features = plan.output, plan.features
    settings = ("--config", plan.config)

    def extraction(name: str, folder: str, music: pathlib.Path, labels: tuple[str, ...]) -> _Job:
        _discard_other_settings(output / folder)
        paths = ("--input", str(music), "--output", str(output / folder))
        what = [f"features=[{','.join(features)}]", *plan.network]
        overrides = (argument for override in what for argument in ("--set", override))
        return _Job(name=name, script="extract", arguments=(*paths, *settings, *overrides, *labels))

    def training(feature: str) -> _Job:
        paths = ("--features", str(output / "features"), "--output", str(_outcome_of(plan, feature)))
        arguments = (*paths, *settings, "--set", f"feature={feature}")
        return _Job(name=f"train {feature}", script="train", arguments=arguments)

    def scoring(feature: str, name: str, folder: str, subset: str) -> _Job:
        paths = ("--input", str(output / folder), "--output", str(output / "scores" / f"{feature}-{name}"))
        # The version that this demo trained: the champion may be another collection's, and stays where it is.
        model = ("--model", str(read_outcome(plan, feature)["model"]))
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


def read_outcome(plan: Plan, feature: str) -> dict[str, Any]:
    """What the demo's training job came to: the URI of the version that it registered, its figures."""
    outcome: dict[str, Any] = json.loads(_outcome_of(plan, feature).read_text(encoding="utf-8"))
    return outcome


def _outcome_of(plan: Plan, feature: str) -> pathlib.Path:
    return plan.output / "models" / f"{feature}.json"


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
        **child_environment(),
        "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "JAVA_HOME": java_home(),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": os.environ.get("SPARK_LOCAL_IP", "127.0.0.1"),
    }
    settings = conf_files()["spark/local.conf"]
    log_settings = (pathlib.Path(deepsound.__file__).parent / "spark" / "log4j2.properties").as_uri()
    command = [
        *("spark-submit", "--properties-file", str(settings)),
        *("--driver-java-options", f"{_JAVA_OPTIONS} -Dlog4j2.configurationFile={log_settings}"),
        *(str(shipped_folder("jobs") / f"{job.script}.py"), *job.arguments),
    ]
    say(f"[{job.name}] spark-submit jobs/{job.script}.py {' '.join(job.arguments)}")
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace")
    with process:
        for line in process.stdout or ():
            speak = complain if line.startswith("deepsound: error") else say
            speak(f"[{job.name}] {line.rstrip()}")
    if process.returncode == TooManyFailuresError.exit_code:
        say(f"[{job.name}] goes on with the tracks that could be used")
    elif process.returncode:
        raise CommandFailedError(
            f"'{job.name}' (jobs/{job.script}.py) ended with exit code {process.returncode}; it said why above"
        )
