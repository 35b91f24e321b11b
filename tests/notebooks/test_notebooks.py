"""The notebooks on a small sample collection, cell by cell, in this process; and what they are kept with."""

import ast
import base64
import io
import json
import pathlib
import re
import sys
import types

import matplotlib
import mlflow
import numpy as np
import pytest
from PIL import Image

from tools import run_notebooks

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAYER = object()
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
    return PLAYER


def show(figure):
    """In the place of ``IPython.display.display``."""
    assert figure is PLAYER or figure.axes


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


def texts_of(cell):
    """What a cell shows in words; pictures and sounds are no words."""
    for output in cell["outputs"]:
        shown = {"text/plain": output["text"]} if output["output_type"] == "stream" else output["data"]
        for kind, text in shown.items():
            if kind.startswith("text/"):
                yield re.sub(r"data:audio/[^\"]+", "", "".join(text))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_define_nothing(path):
    for cell in read_cells(path):
        if cell["cell_type"] == "code":
            assert not any(line.startswith(("def ", "class ", "lambda")) for line in cell["source"])


@pytest.mark.parametrize("path", NOTEBOOKS[:3], ids=lambda path: path.name)
def test_notebooks_are_kept_with_what_they_show(path):
    cells = [cell for cell in read_cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "run make notebooks"
    for cell in cells:
        source = "".join(line for line in cell["source"] if not line.startswith("%"))
        shows = isinstance(ast.parse(source).body[-1], ast.Expr) or "display(" in source
        assert bool(cell["outputs"]) == shows, source
        assert {output["output_type"] for output in cell["outputs"]} <= {
            "display_data",
            "execute_result",
            "stream",
        }
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_what_notebooks_show_is_not_of_one_machine_and_no_warning(path):
    for cell in read_cells(path):
        if cell["cell_type"] == "code":
            assert all(output.get("name", "stdout") == "stdout" for output in cell["outputs"])
            for text in texts_of(cell):
                assert not re.search(
                    r"(^|[\s'\"(:=])(file:)?/{1,3}(home|root|tmp|work|Users|usr|opt|mnt)\b", text
                ), text
                assert "Warning" not in text


def test_a_page_in_a_frame_is_kept_as_its_text():
    shown = {"text/html": "<iframe srcdoc='...'></iframe>", "text/plain": "accuracy 0.80"}
    assert run_notebooks.tidy({"output_type": "execute_result", "data": shown})["data"] == {
        "text/plain": "accuracy 0.80"
    }
    table = {"output_type": "execute_result", "data": {"text/html": "<table></table>", "text/plain": "a"}}
    assert "text/html" in run_notebooks.tidy(table)["data"]


def test_pictures_are_kept_in_256_colours_of_the_same_size():
    colours = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "png")
    shown = {"image/png": base64.b64encode(file.getvalue()).decode()}
    kept = base64.b64decode(
        run_notebooks.tidy({"output_type": "display_data", "data": shown})["data"]["image/png"]
    )
    picture = Image.open(io.BytesIO(kept))
    assert (picture.size, picture.mode) == ((80, 60), "P")
    assert len(kept) < len(file.getvalue()) / 2
    assert np.abs(np.asarray(picture.convert("RGB"), int) - colours).mean() < 30
