"""MLflow's model registry: the champion, registering a bundle, and getting one back."""

import contextlib
import pathlib
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import mlflow
import mlflow.artifacts
from mlflow.entities.model_registry import RegisteredModel as MlflowModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from deepsound.credentials import hide_credentials, without_credentials
from deepsound.errors import BundleError
from deepsound.models.bundle import Bundle, read_bundle
from deepsound.training import pyfunc_model
from deepsound.training.known_models import check_model, is_mlflow_uri
from deepsound.training.mlflow_store import look_into_store, short_patience, tracking_errors, without_progress_bar

CHAMPION = "champion"
PREVIOUS = "previous"


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """A version of a model in the registry."""

    name: str
    version: str

    @property
    def uri(self) -> str:
        """What ``jobs/score.py --model`` takes: always this version."""
        return f"models:/{self.name}/{self.version}"


def model_name(feature: str) -> str:
    """What the models on a feature are registered as."""
    return f"deepsound-{feature}"


def find_champion(feature: str) -> RegisteredModel | None:
    """The present champion of a feature; None where there is none yet.

    Raises TrackingError if the registry cannot be reached.
    """
    name = model_name(feature)
    with tracking_errors(f"the MLflow registry, asked for {name},"), short_patience():
        model = _find(name)
    version = None if model is None else model.aliases.get(CHAMPION)
    return None if version is None else RegisteredModel(name=name, version=str(version))


def check_may_register(feature: str) -> None:
    """Try, before a training, whether its model could be registered; nothing stays of it.

    Raises TrackingError if the registry refuses.
    """
    name = model_name(feature)
    with tracking_errors(f"the MLflow registry, asked to take versions of {name},"), short_patience():
        client = mlflow.MlflowClient()
        model = _find(name)
        if model is not None:
            client.update_registered_model(name, description=model.description or "")
            return
        # By another name: another training of the feature may be about to register its first model.
        trial = f"{name}-trial-{uuid.uuid4().hex}"
        client.create_registered_model(trial)
        client.delete_registered_model(trial)


def promote(model: RegisteredModel, *, former: RegisteredModel | None) -> bool:
    """Make a model the champion; the former one stays as ``previous``.

    False, and no change, where another has become champion. Raises TrackingError if the registry refuses.
    """
    with tracking_errors(f"promoting {model.uri}"):
        client = mlflow.MlflowClient()
        if find_champion(model.name.removeprefix(model_name(""))) != former:
            return False
        if former is not None:
            client.set_registered_model_alias(former.name, PREVIOUS, former.version)
        client.set_registered_model_alias(model.name, CHAMPION, model.version)
        return True


def register(folder: pathlib.Path) -> RegisteredModel:
    """Log a bundle folder as pyfunc to the current run and register it, without any alias.

    The logged model is the bundle alone; whoever loads it needs deepsound, but neither TensorFlow nor Spark.

    Raises TrackingError if the registry refuses.
    """
    bundle = read_bundle(folder)
    name = model_name(bundle.feature)
    with tracking_errors(f"registering {name}"), without_progress_bar(), warnings.catch_warnings():
        # MLflow asks for an input example although the signature says all that one would.
        warnings.simplefilter("ignore", UserWarning)
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module=pyfunc_model.__name__,
            data_path=str(folder),
            signature=pyfunc_model.signature_of(bundle),
            # Not deepsound, of which no package index has a copy: it is installed from its checkout.
            pip_requirements=["mlflow>=3", "numpy", "pandas", "pyarrow", "pyyaml", "scipy", "onnxruntime"],
            registered_model_name=name,
        )
    return RegisteredModel(name=name, version=str(info.registered_model_version))


def describe(model: RegisteredModel, markdown: str, *, tags: Mapping[str, str]) -> None:
    """Set what the registry shows of a version. Raises TrackingError if the registry refuses."""
    with tracking_errors(f"describing {model.uri}"):
        client = mlflow.MlflowClient()
        client.update_model_version(model.name, model.version, description=hide_credentials(markdown))
        for key, value in without_credentials(dict(tags)).items():
            client.set_model_version_tag(model.name, model.version, key, value)


def load_bundle(model: str) -> Bundle:
    """The bundle behind a MODEL argument, a directory or an MLflow URI (``models:/…``, ``runs:/<id>/model``).

    No code of the model is run: only its bundle folder is read. Raises BundleError if it is no bundle of
    deepsound's; TrackingError if the store or the model cannot be had, naming the aliases and models that there
    are.
    """
    with fetch_bundle(model) as folder:
        return read_bundle(folder)


@contextlib.contextmanager
def fetch_bundle(model: str) -> Iterator[pathlib.Path]:
    """The folder of the bundle behind a MODEL argument, there for as long as the block.

    Parameters and errors are those of :func:`load_bundle`.
    """
    check_model(model)
    if not is_mlflow_uri(model):
        yield pathlib.Path(model)
        return
    look_into_store()
    with tempfile.TemporaryDirectory(prefix="deepsound-") as folder:
        with tracking_errors(f"the model {model}"), without_progress_bar():
            downloaded = pathlib.Path(mlflow.artifacts.download_artifacts(artifact_uri=model, dst_path=folder))
        bundles = sorted(downloaded.glob("**/bundle.json"))
        if len(bundles) != 1:
            raise BundleError(f"{model} holds {len(bundles)} deepsound bundles; wanted one")
        yield bundles[0].parent


def _find(name: str) -> MlflowModel | None:
    try:
        return mlflow.MlflowClient().get_registered_model(name)
    except MlflowException as exc:
        if exc.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return None
