"""One MLflow store and one trained model for all job tests."""

import importlib.util
import json
import pathlib
from collections.abc import Callable, Iterator

import mlflow
import pytest

# Of an address in the settings of the extraction; nothing that is written may hold it.
PASSWORD = "hush-hush-42"
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def job() -> Callable[[str], Callable[[list[str]], int]]:
    """The ``main`` of jobs/<name>.py, as spark-submit would find it."""

    def load(name: str) -> Callable[[list[str]], int]:
        spec = importlib.util.spec_from_file_location(f"job_{name}", ROOT / "jobs" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main

    return load


@pytest.fixture(scope="session")
def password() -> str:
    """What stands in an address of the settings that :func:`features` is extracted with."""
    return PASSWORD


@pytest.fixture(scope="session", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A fresh sqlite store; the working directory moves there, because artifacts go to ./mlruns."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        yield folder


@pytest.fixture(autouse=True)
def same_store(store: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow remembers the last store and experiment of the process; a test must not leave another's behind."""
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    mlflow.set_tracking_uri(f"sqlite:///{store / 'mlflow.db'}")


@pytest.fixture(scope="session")
def features(spark, job, music, tmp_path_factory) -> pathlib.Path:  # noqa: ARG001
    """The made-up music extracted by jobs/extract.py, with artists."""
    output = tmp_path_factory.mktemp("job") / "features"
    labels = ["--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}"]
    # Nothing is fetched from there, as no feature needs it; it is a setting like any other.
    labels += ["--set", f"network=https://me:{PASSWORD}@host/vggish"]
    code = job("extract")(["--input", str(music), "--output", str(output), "--set", "segment_s=1", *labels])
    assert code == 0
    return output


@pytest.fixture(scope="session")
def trained(job, features, tmp_path_factory) -> str:
    """The URI of a model trained by jobs/train.py."""
    # By number: other tests train other models, and one of them may be the champion.
    outcome = tmp_path_factory.mktemp("trained") / "outcome.json"
    small = ["--set", "folds=0", "--set", "epochs=20", "--set", "cnn.filters=[8]", "--set", "learning_rate=0.01"]
    arguments = ["--features", str(features), "--output", str(outcome), "--set", "seed=3", *small]
    assert job("train")(arguments) == 0
    return json.loads(outcome.read_text())["model"]
