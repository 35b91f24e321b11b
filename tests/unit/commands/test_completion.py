"""Tab completion, asked as bash asks: a process of its own, its answer in a file."""

import os
import pathlib
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def complete(tmp_path):
    """A function from a line, up to the cursor, to what may stand there."""

    def ask(line: str) -> list[str]:
        answer = tmp_path / "answer"
        asked = {
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_SHELL": "bash",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
            "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'><=;|&(:",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        }
        kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(
            [sys.executable, "-m", "deepsound.cli"],
            env={**kept, "PYTHONPATH": str(ROOT), **asked},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return [word.strip() for word in answer.read_text().splitlines()]

    return ask


def test_commands(complete):
    assert complete("deepsound e") == ["extract"]
    assert {"extract", "train", "java-home"} <= set(complete("deepsound "))


def test_options_and_choices(complete):
    assert complete("deepsound extract --retry") == ["--retry-failed"]
    assert complete("deepsound compare a b features --subset t") == ["test"]


def test_settings(complete):
    found = complete("deepsound train --features f --set split.")
    assert {"split.by=", "split.like=", "split.files.train="} <= set(found)
    assert all(word.startswith("split.") for word in found)
    assert complete("deepsound extract --set labels.f") == ["labels.from="]


def test_names_of_settings_files_and_files(complete, tmp_path):
    (tmp_path / "gtz.yaml").touch()
    assert sorted(complete("deepsound extract --config gt")) == ["gtz.yaml", "gtzan"]
    assert complete("deepsound conf taxonomy/f") == ["taxonomy/fma"]
    assert complete("deepsound extract --input gt") == ["gtz.yaml"]
    assert complete("deepsound sample --seed gt") == []


def test_features(complete):
    assert complete("deepsound extract --features mfcc mu") == ["musicnn"]


def test_models(complete, tmp_path):
    assert complete("deepsound score --model models:/deep") == []
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        store.executescript(
            """
            create table registered_models (name text);
            create table model_versions (name text, version int, current_stage text);
            create table registered_model_aliases (name text, alias text, version int);
            insert into registered_models values ('deepsound-mfcc');
            insert into model_versions values ('deepsound-mfcc', 3, 'None');
            insert into registered_model_aliases values ('deepsound-mfcc', 'champion', 3);
            """
        )
    # What stands before a colon is a word of its own to bash.
    assert complete("deepsound score --model models:/deep") == ["/deepsound-mfcc@champion"]
    assert complete("deepsound compare models:/deep") == ["/deepsound-mfcc@champion"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer", "mlflow.db"]
    (tmp_path / "mlflow.db").write_text("no database")
    assert complete("deepsound score --model models:/deep") == []
