"""The notebooks on a small sample collection, cell by cell, with this process as their kernel."""

import json
import pathlib

import matplotlib
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read_cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def run_cells(path):
    """Run a notebook's code cells; the names that they leave behind."""
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(read_cells(path)):
        if cell["cell_type"] == "code":
            # What starts with % is for the kernel of a notebook.
            source = "".join(line for line in cell["source"] if not line.startswith("%"))
            exec(compile(source, f"{path.name}[{number}]", "exec"), namespace)
    return namespace


@pytest.fixture
def place(tmp_path, monkeypatch, network_cache):  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPSOUND_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("DEEPSOUND_TRACKS_PER_GENRE", "9")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    matplotlib.use("agg")
    return tmp_path


@pytest.mark.usefixtures("spark")
def test_notebooks_run_one_after_the_other(place):
    extracted, trained, evaluated = (run_cells(path) for path in NOTEBOOKS)
    assert list(extracted["datasets"]) == ["mfcc", "musicnn"]
    assert extracted["datasets"]["musicnn"].train.values.shape[1:] == (5, 200)
    assert extracted["vggish_log_mel"].shape == (960, 64)
    assert set(trained["runs"]) == {"mfcc", "musicnn"}
    assert trained["runs"]["musicnn"].data.metrics["test/accuracy"] > 0.2  # ten genres, three artists of each
    assert set(evaluated["scored"]) == {(c, n) for c in ("test", "ood") for n in ("mfcc", "musicnn")}
    assert evaluated["scored"]["ood", "musicnn"].n_labelled == 50
    assert (place / "work" / "scores" / "musicnn-ood" / "metrics.json").is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_define_nothing_and_hold_no_output(path):
    for cell in read_cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert not any(line.startswith(("def ", "class ", "lambda")) for line in cell["source"])
