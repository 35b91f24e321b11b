"""Models of strangers given to the scoring: none of their code runs, and each that is none ends in one line."""

import json
import os
import pathlib
import pickle
import re
import shutil

import mlflow
import pytest

import deepsound
from tests.jobs.refusals import expect_refusal

BUNDLES = pathlib.Path(__file__).resolve().parents[1] / "data" / "bundles"
PLANT = "import pathlib; pathlib.Path({!r}).write_text('ran')\n"
MLMODEL = """
flavors:
  python_function:
    loader_module: evil
    code: code
    data: ../../../../etc
    python_model: python_model.pkl
    artifacts:
      bundle: {{path: ../../../../etc, uri: file:///etc}}
  other: !!python/object/apply:os.system ['touch {marker}']
model_uuid: !!python/name:os.system
"""


class ReadError(Exception):
    """The bundle has been read: Spark would be started now."""


class Planter:
    """What is made of it when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "planted"


@pytest.fixture
def score(job, tmp_path, monkeypatch, marker):
    """A function that scores with a model up to where Spark would be started; its exit code."""

    def read(*_, **__):
        raise ReadError

    monkeypatch.setattr("deepsound.spark.session.open_session", read)

    def run(model):
        arguments = ["--input", str(tmp_path), "--output", str(tmp_path / "s"), "--model", str(model)]
        try:
            return job("score")(arguments)
        finally:
            assert not marker.exists()

    return run


@pytest.fixture
def make_hostile(tmp_path, marker):
    """A function that makes an MLflow model which runs code wherever MLflow lets one."""

    def make(bundle=None):
        folder = tmp_path / "model"
        (folder / "code").mkdir(parents=True)
        (folder / "MLmodel").write_text(MLMODEL.format(marker=marker))
        for name in ("evil.py", "numpy.py", "deepsound.py", "sitecustomize.py"):
            (folder / "code" / name).write_text(PLANT.format(str(marker)))
        with (folder / "python_model.pkl").open("wb") as file:
            pickle.dump(Planter(marker), file)
        (folder / "requirements.txt").write_text("--index-url http://localhost:1\nevil\n")
        if bundle is not None:
            shutil.copytree(BUNDLES / bundle, folder / "artifacts" / "bundle")
            shutil.copy(folder / "python_model.pkl", folder / "artifacts" / "bundle" / "model.keras")
        return folder

    return make


@pytest.fixture
def log():
    """A function that puts a folder into a run of the store; its URI."""

    def put(folder):
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(folder), "model")
        return f"runs:/{run.info.run_id}/model"

    return put


@pytest.mark.parametrize("bundle", ["v1", "v2"])
def test_of_a_hostile_model_the_bundle_alone_is_read(score, make_hostile, log, bundle):
    folder = make_hostile(bundle)
    for model in (log(folder), folder / "artifacts" / "bundle"):
        with pytest.raises(ReadError):
            score(model)


def test_the_traps_work(make_hostile, marker):
    folder = make_hostile()
    pickle.loads((folder / "python_model.pkl").read_bytes())
    assert marker.exists()


def test_one_without_a_bundle_is_refused(score, make_hostile, log, capsys):
    folder = make_hostile()
    assert score(log(folder)) == 2
    expect_refusal(capsys, "bundle", "holds 0 deepsound bundles")
    assert score(folder) == 2
    expect_refusal(capsys, "bundle", "holds no readable bundle.json")


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "models:/../../../etc/1",
            "models:/..%2f..%2fetc/1",
            "models:/x/../../1",
            "models:/",
            "models://etc/passwd",
        ),
        *("runs:/../../etc", "runs:/x/../../../../etc", "runs:/", "runs:/%2e%2e/model", "runs:/\x00/model"),
        *("mlflow-artifacts:/../../etc", "../../../../etc", "/etc", "/dev/zero", "a\x00b", ""),
    ],
)
def test_a_path_that_leads_elsewhere_is_no_model(score, capsys, uri):
    assert score(uri) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deepsound: error")]
    assert len(lines) == 1


def test_a_path_out_of_a_run_is_none(score, make_hostile, log, capsys):
    model = log(make_hostile("v2"))
    for way in ("/../../..", "/../model/../../x", "/%2e%2e/%2e%2e"):
        assert score(f"{model}{way}") == 2
        expect_refusal(capsys, "tracking")


DAMAGES = {
    "temperature": ("bundle.json", lambda plain: plain | {"temperature": -1}, "temperature"),
    "std": ("bundle.json", lambda plain: plain | {"standardization": {"mean": [0], "std": [float("nan")]}}, "NaN"),
    "taxonomy": ("bundle.json", lambda plain: plain | {"taxonomy": 3}, "taxonomy"),
    "a list": ("bundle.json", lambda plain: [plain], "format"),
    "drift": ("drift.json", lambda plain: plain | {"containers": {"wav": 10**30}}, "drift.json"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_malformed_bundle_ends_in_one_line(score, tmp_path, capsys, name):
    """All of them: tests/unit/models/test_malformed_bundles.py."""
    folder = shutil.copytree(BUNDLES / "v2", tmp_path / "bundle")
    file, change, said = DAMAGES[name]
    plain = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(change(plain)))
    assert score(folder) == 2
    expect_refusal(capsys, "bundle", str(folder), said)


def test_no_library_is_asked_to_load_a_model_or_to_unpickle():
    for path in pathlib.Path(deepsound.__file__).parent.rglob("*.py"):
        assert not re.search(r"\bload_model\(|\bimport (cloud)?pickle|\bjoblib\b", path.read_text()), path
