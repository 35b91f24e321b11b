"""The notebooks on a small sample collection, cell by cell, with this process as their kernel."""

import json
import pathlib
import sys
import types

import matplotlib
import mlflow
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


def play(data, *, rate):
    """In the place of ``IPython.display.Audio``, which comes with jupyterlab."""
    assert data.ndim == 1
    assert 8000 <= rate <= 48000


def show(figure):
    """In the place of ``IPython.display.display``."""
    assert figure.axes


@pytest.fixture
def place(tmp_path, monkeypatch, network_cache):  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPSOUND_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("DEEPSOUND_TRACKS_PER_GENRE", "12")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    matplotlib.use("agg")
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(Audio=play, display=show))
    return tmp_path


@pytest.mark.usefixtures("spark")
def test_notebooks_run_one_after_the_other(place):
    extracted, trained, evaluated, asked = (run_cells(path) for path in NOTEBOOKS)
    assert set(extracted["matrices"]) == {(f, s) for f in ("mfcc", "musicnn") for s in extracted["subsets"]}
    assert extracted["matrices"]["musicnn", "train"][0].shape[1:] == (5, 200)
    assert extracted["log_mel"].shape[1] == 64
    for model in (*trained["models"].values(), trained["found"]):
        metrics = mlflow.get_run(model.training.run_id).data.metrics
        assert metrics["test/accuracy"] == pytest.approx(model.report.accuracy)
    assert trained["models"]["musicnn"].report.accuracy > 0.2  # ten genres, four artists of each
    assert set(evaluated["reports"]) == {(n, w) for n in ("mfcc", "musicnn") for w in ("in", "out")}
    assert evaluated["reports"]["musicnn", "out"].to_dict()["n_labelled"] == 50
    assert len(evaluated["collections"]["out"].failed()) == 3
    assert asked["by_genre"]["n_tracks"].sum() == 50
    assert len(asked["parts"]) == 3
    assert asked["segments"]["duration_s"].sum() >= 30
    assert (place / "work" / "scores" / "metrics.json").is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_define_nothing_and_hold_no_output(path):
    for cell in read_cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert not any(line.startswith(("def ", "class ", "lambda")) for line in cell["source"])
