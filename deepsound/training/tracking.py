"""MLflow: runs, the model registry, and getting a bundle back. The only module that knows MLflow.

Executors never log. The store is opened once on the driver before any work starts, because the first use of a
sqlite store creates its tables, and so that an unreachable server is known before training, not after.
"""

import contextlib
import logging
import os
import pathlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# A toolkit for other people's collections does not call home.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Standard output is for results; MLflow would announce every run there that it logs to a server.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import mlflow.artifacts
import numpy as np
import sqlalchemy.exc
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.types.schema import Schema, TensorSpec

import deepsound
from deepsound.errors import BundleError, TrackingError
from deepsound.models.bundle import Bundle, read_bundle
from deepsound.settings import flatten
from deepsound.training.mlflow_manners import short_patience, without_progress_bar

EXPERIMENT = "deepsound"
CHAMPION = "champion"
PREVIOUS = "previous"
DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
_MAX_PARAM_CHARACTERS = 500
# Migrations, new experiments, missing input examples: nothing a user of the jobs could act on.
for _name in ("alembic", "mlflow"):
    logging.getLogger(_name).setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """A version of a model in the registry."""

    name: str
    version: str

    @property
    def uri(self) -> str:
        """What ``jobs/score.py --model`` takes: always this version."""
        return f"models:/{self.name}/{self.version}"


def open_store() -> str:
    """Choose and prepare the tracking store; its URI.

    ``MLFLOW_TRACKING_URI`` if set, else ``sqlite:///mlflow.db`` in the working directory. The registry is the same
    store unless ``MLFLOW_REGISTRY_URI`` says otherwise; MLflow sees to that itself, and setting it here would put
    it into the environment, where it would outlive this store.

    Raises
    ------
    TrackingError
        If the store cannot be reached, or is of a kind that MLflow 3 no longer takes.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    former = mlflow.get_tracking_uri()
    with _tracking_errors(f"the MLflow store {uri}"), short_patience():
        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_experiment(EXPERIMENT)
        except Exception:
            # MLflow keeps the last store of the process, and a refused one would be everybody's next.
            mlflow.set_tracking_uri(former)
            raise
    return uri


def peek_at_store(uri: str) -> bool:
    """Whether a store that is there holds the experiment already. Nothing is made in it.

    Raises
    ------
    TrackingError
        As :func:`open_store`.
    """
    with _tracking_errors(f"the MLflow store {uri}"):
        return mlflow.MlflowClient(tracking_uri=uri).get_experiment_by_name(EXPERIMENT) is not None


def is_server(uri: str) -> bool:
    """Whether a store is one that other machines can log to."""
    return uri.startswith(("http://", "https://", "databricks"))


def folder_of(uri: str) -> pathlib.Path:
    """Where a sqlite store lies; the working directory for any other."""
    return pathlib.Path(uri.removeprefix("sqlite:///")).parent if uri.startswith("sqlite:///") else pathlib.Path()


@contextlib.contextmanager
def start_run(name: str, *, tags: Mapping[str, str], settings: Mapping[str, Any]) -> Iterator[str]:
    """A run of the experiment; yields its id. A run whose block raises is marked failed.

    Parameters
    ----------
    tags : mapping
        Shown in the UI beside the run.
    settings : mapping
        Resolved settings: logged flat as parameters and whole as ``settings.json``.
    """
    with mlflow.start_run(run_name=name, tags={"deepsound.version": deepsound.__version__, **tags}) as run:
        flat = flatten(settings)
        mlflow.log_params({key: str(value)[:_MAX_PARAM_CHARACTERS] for key, value in flat.items()})
        mlflow.log_dict(dict(settings), "settings.json")
        yield str(run.info.run_id)


def log_metrics(metrics: Mapping[str, float], *, step: int | None = None, prefix: str = "") -> None:
    """Metrics of the current run, each name after ``prefix``."""
    mlflow.log_metrics({f"{prefix}{name}": float(value) for name, value in metrics.items()}, step=step)


def log_params(params: Mapping[str, Any]) -> None:
    """Parameters of the current run."""
    mlflow.log_params(dict(params))


def log_figure(figure: Figure, name: str) -> None:
    """A picture, as PNG, of the current run."""
    mlflow.log_figure(figure, name)


def log_rows(rows: list[dict[str, Any]], name: str) -> None:
    """A table of the current run, shown as a table by the UI; ``name`` ends in ``.json``."""
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    mlflow.log_table(columns, artifact_file=name)


def log_text(text: str, name: str) -> None:
    """A text file of the current run."""
    mlflow.log_text(text, name)


def set_tags(tags: Mapping[str, str]) -> None:
    """Tags of the current run, beside those that it was started with."""
    mlflow.set_tags(dict(tags))


def describe_run(markdown: str) -> None:
    """What a reviewer reads first: the description of the current run."""
    mlflow.set_tag("mlflow.note.content", markdown)


def link_to_run(run_id: str | None) -> str:
    """Markdown that leads to the run which trained a model, as far as this store knows it."""
    if run_id is None:
        return "trained outside MLflow"
    try:
        experiment_id = mlflow.get_run(run_id).info.experiment_id
    except MlflowException:
        return f"trained by run {run_id} of another store"
    return f"trained by [run {run_id}](#/experiments/{experiment_id}/runs/{run_id})"


def url_of_run(run_id: str | None) -> str | None:
    """Address of a run in the UI of a tracking server; None where the store is a file or does not know it."""
    store = str(mlflow.get_tracking_uri())
    if run_id is None or not store.startswith(("http://", "https://")):
        return None
    try:
        experiment_id = mlflow.get_run(run_id).info.experiment_id
    except MlflowException:
        return None
    return f"{store.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def find_champion(feature: str) -> RegisteredModel | None:
    """The present champion of a feature; None where there is none yet.

    Raises
    ------
    TrackingError
        If the registry cannot be reached.
    """
    name = f"deepsound-{feature}"
    with _tracking_errors(f"the MLflow registry, asked for {name},"), short_patience():
        try:
            version = mlflow.MlflowClient().get_registered_model(name).aliases.get(CHAMPION)
        except MlflowException as exc:
            if exc.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            version = None
    return None if version is None else RegisteredModel(name=name, version=str(version))


def promote(model: RegisteredModel, *, former: RegisteredModel | None) -> None:
    """Make a model the champion; the former one, if there was one, stays as ``previous``.

    Raises
    ------
    TrackingError
        If the registry refuses.
    """
    with _tracking_errors(f"promoting {model.uri}"):
        client = mlflow.MlflowClient()
        if former is not None:
            client.set_registered_model_alias(former.name, PREVIOUS, former.version)
        client.set_registered_model_alias(model.name, CHAMPION, model.version)


def log_model(folder: pathlib.Path, *, feature: str, shape: tuple[int, int]) -> RegisteredModel:
    """Log a bundle as pyfunc to the current run and register it, without any alias.

    Parameters
    ----------
    folder : pathlib.Path
        A bundle folder.
    shape : (n_frames, n_dims)

    Raises
    ------
    TrackingError
        If the registry refuses.
    """
    name = f"deepsound-{feature}"
    package = pathlib.Path(deepsound.__file__).parent
    signature = ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, *shape))]))
    with _tracking_errors(f"registering {name}"), without_progress_bar(), warnings.catch_warnings():
        # MLflow asks for an input example although the signature says all that one would.
        warnings.simplefilter("ignore", UserWarning)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(package / "training" / "pyfunc_model.py"),
            artifacts={"bundle": str(folder)},
            code_paths=[str(package)],
            signature=signature,
            pip_requirements=["mlflow>=3", "numpy", "pandas", "pyarrow", "pyyaml", "scipy", "onnxruntime"],
            registered_model_name=name,
        )
    return RegisteredModel(name=name, version=str(info.registered_model_version))


def is_mlflow_uri(model: str) -> bool:
    """Whether a MODEL argument is to be had from MLflow; else it is a folder."""
    return model.startswith(("models:/", "runs:/", "mlflow-artifacts:/"))


def load_bundle(model: str) -> Bundle:
    """The bundle behind a MODEL argument. No code of the model is run: only its bundle folder is read.

    Parameters
    ----------
    model : str
        A bundle directory, or an MLflow URI (``models:/deepsound-mfcc@champion``, ``runs:/<id>/model``).

    Raises
    ------
    BundleError
        A path that is no bundle, or an MLflow model that is none of deepsound's.
    TrackingError
        The store or the model cannot be had.
    """
    if not is_mlflow_uri(model):
        if not pathlib.Path(model).is_dir():
            raise BundleError(
                f"there is no model at {model!r}; wanted a bundle directory or an MLflow URI such as "
                "models:/deepsound-mfcc@champion"
            )
        return read_bundle(pathlib.Path(model))
    with tempfile.TemporaryDirectory(prefix="deepsound-") as folder:
        with _tracking_errors(f"the model {model}"), without_progress_bar():
            downloaded = pathlib.Path(mlflow.artifacts.download_artifacts(artifact_uri=model, dst_path=folder))
        bundles = sorted(downloaded.glob("**/bundle.json"))
        if len(bundles) != 1:
            raise BundleError(f"{model} holds {len(bundles)} deepsound bundles; wanted one")
        return read_bundle(bundles[0].parent)


@contextlib.contextmanager
def _tracking_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError) as exc:
        detail = " ".join(str(exc).split())[:300]
        raise TrackingError(
            f"{what} cannot be used: {detail}. MLFLOW_TRACKING_URI is "
            f"{os.environ.get('MLFLOW_TRACKING_URI') or f'not set, so {DEFAULT_TRACKING_URI} is used'}"
        ) from exc
