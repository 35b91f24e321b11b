"""What is not there is told before an engine is started."""

import subprocess
import sys

import pytest

from deepsound.data.early import check_input, check_label_csv, check_label_map, check_model, is_missing
from deepsound.errors import BundleError, InputError, LabelError, LabelMapError


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
    with pytest.raises(BundleError, match="there is no model at 'nowhere'"):
        check_model("nowhere")
    check_input(str(tmp_path), what="music")
    check_label_csv(None)
    check_label_map("fma")
    check_model(str(tmp_path))
    check_model("models:/deepsound-mfcc@champion")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["extract", "--input", "absent", "--output", "f"], "input"),
        (["extract", "--input", ".", "--output", "f", "--set", "labels={from: csv, csv: no.csv}"], "labels"),
        (["score", "--input", "absent", "--model", "m", "--output", "s"], "input"),
        (["score", "--input", ".", "--model", "nowhere", "--output", "s"], "bundle"),
        (["score", "--input", ".", "--model", "m", "--output", "s", "--set", "labels.map=fam"], "label_map"),
    ],
)
def test_no_engine_is_loaded_for_it(command, code, tmp_path):
    script = (
        "import sys; from deepsound.cli import main; code = main(sys.argv[1:]); "
        "print(code, sorted({'pyspark', 'mlflow', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["2 []"], done.stderr
    assert f"error [{code}]" in done.stderr
