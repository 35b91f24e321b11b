"""What is not there is told before an engine is started."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from deepsound.data.early import (
    check_features,
    check_input,
    check_label_csv,
    check_label_map,
    check_split_lists,
    is_missing,
)
from deepsound.errors import InputError, LabelError, LabelMapError, SplitError


def test_paths_of_this_machine_that_are_not_there(tmp_path):
    (tmp_path / "a b").mkdir()
    odd = tmp_path / "take 5: live"
    odd.mkdir()
    for there in (str(tmp_path / "a b"), f"file:{tmp_path}/a b", f"file://{tmp_path}/a b", str(odd)):
        assert not is_missing(there)
    for missing in (f"{tmp_path}/c", f"file:{tmp_path}/c", f"file://{tmp_path}/c", "absent"):
        assert is_missing(missing)
    # What lies elsewhere is for the engine to find.
    for elsewhere in ("hdfs://host/x", "s3a://bucket/x", "viewfs:/x"):
        assert not is_missing(elsewhere)


def test_each_in_its_own_words(tmp_path):
    with pytest.raises(InputError, match="the input absent does not exist; wanted music"):
        check_input("absent", what="music")
    with pytest.raises(LabelError, match=r"the label file no\.csv does not exist"):
        check_label_csv("no.csv")
    with pytest.raises(LabelMapError, match="there is no label map fam; wanted fma"):
        check_label_map("fam")
    with pytest.raises(SplitError, match=r"the list of test tracks no\.txt does not exist"):
        check_split_lists({"test": "no.txt"})
    with pytest.raises(InputError, match="the features folder absent does not exist"):
        check_features("absent", feature="mfcc")
    check_input(str(tmp_path), what="music")
    check_label_csv(None)
    check_label_map("fma")


COUNTS = {"tracks": 1, "ok": 1, "failed": 0, "segments": 1}
SUMMARY = {"fingerprint": "f", "features": {"mfcc": {"shape": [9, 13]}, "musicnn": {"shape": [5, 200]}}}


@pytest.fixture
def folder(tmp_path):
    """Features, and a registry of three versions."""
    (tmp_path / "features").mkdir()
    summary = {**SUMMARY, "settings": {}, "versions": {}, "counts": COUNTS}
    (tmp_path / "features" / "extract.json").write_text(json.dumps(summary))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        store.executescript(
            """
            create table registered_models (name text);
            create table model_versions (name text, version integer, current_stage text);
            create table registered_model_aliases (name text, alias text, version integer);
            insert into registered_models values ('deepsound-mfcc');
            insert into model_versions values ('deepsound-mfcc', 2, 'None'), ('deepsound-mfcc', 3, 'None');
            insert into registered_model_aliases values ('deepsound-mfcc', 'champion', 3),
                ('deepsound-mfcc', 'previous', 2);
            """
        )
    return tmp_path


KNOWN = "deepsound-mfcc has champion (version 3), previous (version 2); its newest version is 3"
SCORE = ["score", "--input", "features", "--output", "s"]
TRAIN = ["train", "--features", "features"]
MISTAKES = [
    (["extract", "--input", "absent", "--output", "f"], "[input]: the input absent does not exist"),
    (
        ["extract", "--input", ".", "--output", "f", "--features", "chroma"],
        "[unknown_feature]: unknown feature 'chroma'; known: mfcc, musicnn, vggish",
    ),
    (["extract", "--input", ".", "--output", "f", "--set", "labels={from: csv, csv: no.csv}"], "[labels]"),
    (["score", "--input", "absent", "--model", "m", "--output", "s"], "[input]"),
    ([*SCORE, "--model", "nowhere"], "[bundle]: there is no model at 'nowhere'"),
    ([*SCORE, "--model", "models:/deepsound-mfcc@champ"], f"[tracking]: no alias 'champ'; {KNOWN}"),
    ([*SCORE, "--model", "models:/deepsound-mfcc/4"], f"[tracking]: no version 4; {KNOWN}"),
    ([*SCORE, "--model", "models:/deepsound-mfc/1"], "registered are deepsound-mfcc. MLFLOW_TRACKING_URI is not"),
    ([*SCORE, "--model", "m", "--set", "labels.map=fam"], "[label_map]: there is no label map fam; wanted fma"),
    ([*TRAIN, "--set", "feature=vggish"], "[unknown_feature]: the features declare no 'vggish'; declared: mfcc,"),
    ([*TRAIN, "--set", "featurex=mfcc"], "[config]: --set: unknown setting 'featurex' (did you mean 'feature'?)"),
    (
        [*TRAIN, "--set", "split.files={train: no.txt, test: x}"],
        "[split]: the list of train tracks no.txt does not",
    ),
    ([*TRAIN, "--set", "split.like=models:/deepsound-mfcc@champ"], "[tracking]: no alias 'champ'"),
    (["audit", "features", "--set", "feature=vggish"], "[unknown_feature]"),
    (["compare", "models:/deepsound-mfcc/2", "models:/x/1", "features"], "[tracking]: no model x in sqlite"),
]


@pytest.mark.parametrize(("command", "said"), MISTAKES, ids=range(len(MISTAKES)))
def test_no_engine_is_loaded_for_a_mistake(command, said, folder):
    script = (
        "import sys; from deepsound.cli import main; code = main(sys.argv[1:]); "
        "print(code, sorted({'pyspark', 'mlflow', 'tensorflow', 'scipy'} & set(sys.modules)))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    before = sorted(folder.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", script, *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["2 []"], done.stderr
    assert f"deepsound: error {said}" in done.stderr or (said[0] != "[" and said in done.stderr), done.stderr
    assert sorted(folder.rglob("*")) == before
