"""Run the notebooks one after the other and write into them what they show: ``make notebooks``.

    run_notebooks.py               on the sample collection; the notebooks of the checkout
    run_notebooks.py --music DIR   on music in one folder per genre; copies in build/notebooks

What changes from run to run and from machine to machine is not kept: progress (standard error) and the times of
execution. Nor is the page of a report in its frame, which takes more than a megabyte: its text stands for it.
"""

import argparse
import base64
import io
import os
import pathlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
WORK = ROOT / "build" / "notebooks"


def main(argv: Sequence[str] | None = None) -> int:
    """Run all of them from nothing; the exit code."""
    parser = argparse.ArgumentParser(
        prog="run_notebooks.py", description="Run the notebooks, keep what they show."
    )
    parser.add_argument(
        "--music", type=pathlib.Path, metavar="DIR", help="one folder per genre, instead of the sample"
    )
    parser.add_argument(
        "--foreign", type=pathlib.Path, metavar="DIR", help="files named <genre>_<n>, with --music"
    )
    args = parser.parse_args(argv)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    own = {"DEEPSOUND_MUSIC": args.music, "DEEPSOUND_FOREIGN": args.foreign}
    environment = {
        **{name: value for name, value in os.environ.items() if name not in (*own, "DEEPSOUND_TRACKS_PER_GENRE")},
        **{name: str(path.absolute()) for name, path in own.items() if path},
        # Relative to WORK, so that no path of this machine gets into what is shown.
        "DEEPSOUND_WORK": ".",
        "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    }
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        run(path, to=(WORK if args.music else NOTEBOOKS) / path.name, environment=environment)
    return 0


def run(path: pathlib.Path, *, to: pathlib.Path, environment: Mapping[str, str]) -> None:
    """Run a notebook in a kernel of its own; raises where a cell does, and writes nothing then."""
    # Only here: the test that holds what is kept does without Jupyter.
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    metadata = dict(notebook.metadata)
    place = {"metadata": {"path": str(WORK)}}
    limits = {"timeout": 1800, "startup_timeout": 300, "record_timing": False}
    quiet = ["--log-level=ERROR"]
    NotebookClient(notebook, **limits, extra_arguments=quiet, resources=place).execute(env=dict(environment))
    notebook.metadata = metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [tidy(output) for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, to)
    print(f"{to.relative_to(ROOT)}: {to.stat().st_size / 1e3:.0f} kB")


def tidy(output: Any) -> Any:
    """Without the page of a report, which its text stands for, and with pictures of 256 colours, half as large."""
    data = output.get("data", {})
    if "<iframe" in data.get("text/html", ""):
        del data["text/html"]
    if "image/png" in data:
        file = io.BytesIO()
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        picture.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
        data["image/png"] = base64.b64encode(file.getvalue()).decode()
    return output


if __name__ == "__main__":
    sys.exit(main())
