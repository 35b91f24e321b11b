"""Real pages of the sample collection, made by the commands, and a browser without a window to look at them."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAMS = ("chromium", "chromedriver")
WIDTH, HEIGHT = 1280, 900


def are_here() -> bool:
    """Whether this machine has Debian's chromium and chromium-driver."""
    return all(map(shutil.which, PROGRAMS))


@dataclass(frozen=True, kw_only=True)
class Pages:
    """What the jobs left in a folder: its MLflow store, a training and a scored collection."""

    folder: pathlib.Path
    outcome: dict[str, Any]

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def artifacts(self) -> pathlib.Path:
        """Of the training's run."""
        return next(self.folder.glob(f"mlruns/**/{self.outcome['run_id']}/artifacts"))

    @property
    def scores(self) -> pathlib.Path:
        return self.folder / "scores"


def make_pages(folder: pathlib.Path, *, tracks_per_genre: int, training: Sequence[str]) -> Pages:
    """Compose, extract, train and score as a user does."""
    pages = Pages(folder=folder, outcome={})
    labels = ["--set", "labels.from=csv", "--set", "labels.csv=music/manifest.csv"]
    run(pages, "sample", "--output", "music", "--tracks-per-genre", str(tracks_per_genre))
    run(pages, "extract", "--input", "music", "--output", "features", "--set", "features=[mfcc]", *labels)
    settings = [word for one in training for word in ("--set", one)]
    run(pages, "train", "--features", "features", "--output", "outcome.json", *settings)
    outcome = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    score = ["--input", "features", "--model", outcome["model"], "--output", "scores", "--set", "subset=test"]
    run(pages, "score", *score)
    return Pages(folder=folder, outcome=outcome)


def run(pages: Pages, *arguments: str) -> None:
    command = [sys.executable, "-c", "import deepsound.cli as c; raise SystemExit(c.main())", *arguments]
    subprocess.run(command, cwd=pages.folder, env={**os.environ, "MLFLOW_TRACKING_URI": pages.store}, check=True)


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium as a reader with a window of 1280 pixels has it, with all that pages say to its console."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{word}")
    options.add_argument(f"--window-size={WIDTH},{HEIGHT}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@contextlib.contextmanager
def ui_of(pages: Pages) -> Iterator[str]:
    """The address of an MLflow UI on the store, as ``make ui`` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", pages.store, "--workers", "1"]
    with subprocess.Popen(command, cwd=pages.folder, start_new_session=True) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, 15)
