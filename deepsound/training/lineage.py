"""What a run in MLflow was made from, as datasets and models that its pages link to; no data are copied."""

import json
from typing import Any

import mlflow
import numpy as np
from mlflow.data.dataset import Dataset as MlflowDataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import LoggedModelInput
from mlflow.types.schema import Schema, TensorSpec

from deepsound.credentials import hide_credentials
from deepsound.settings import compute_fingerprint
from deepsound.training.dataset import Dataset, Subset
from deepsound.training.mlflow_store import short_patience, tracking_errors

_N_DIGEST = 16


class FeaturesSource(DatasetSource):  # type: ignore[misc]
    """Where a collection's features, or its audio, lie: a path or URI."""

    def __init__(self, uri: str) -> None:
        self.uri = hide_credentials(uri)

    @staticmethod
    def _get_source_type() -> str:
        return "deepsound"

    def load(self) -> str:
        """The path or URI itself: ``deepsound.data.store`` reads it."""
        return self.uri

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:  # noqa: ARG004
        return False

    def to_dict(self) -> dict[str, Any]:
        """What MLflow keeps."""
        return {"uri": self.uri}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> "FeaturesSource":
        """The inverse of :meth:`to_dict`."""
        return cls(source_dict["uri"])


class FeaturesDataset(MlflowDataset):  # type: ignore[misc]
    """A feature of some tracks of a collection; the digest is of ``identity``, which tells them from others."""

    def __init__(
        self,
        source: str,
        *,
        name: str,
        identity: dict[str, Any],
        feature: str,
        shape: tuple[int, int],
        profile: dict[str, int],
    ) -> None:
        self._identity, self._profile = identity, profile
        self._spec = TensorSpec(np.dtype(np.float32), (-1, *shape), name=feature)
        super().__init__(source=FeaturesSource(source), name=name)

    def _compute_digest(self) -> str:
        return compute_fingerprint(self._identity)[:_N_DIGEST]

    @property
    def profile(self) -> dict[str, int]:
        """Counts."""
        return self._profile

    @property
    def schema(self) -> TensorDatasetSchema:
        """The feature's name and shape."""
        return TensorDatasetSchema(features=Schema([self._spec]))

    def to_dict(self) -> dict[str, str]:
        """What MLflow keeps."""
        described = {"schema": json.dumps(self.schema.to_dict()), "profile": json.dumps(self.profile)}
        return {**super().to_dict(), **described}


def describe_split(dataset: Dataset, features: str, name: str, *, feature: str) -> FeaturesDataset:
    """The tracks of one split of a training, as MLflow is told of them."""
    subset: Subset = getattr(dataset, name)
    track_ids = [row["track_id"] for row in dataset.split.to_pylist() if row["split"] == name]
    n_frames, n_dims = subset.values.shape[1:]
    return FeaturesDataset(
        features,
        name=dataset.summary.name_collection(features),
        identity={"data": dataset.fingerprint, "tracks": track_ids},
        feature=feature,
        shape=(n_frames, n_dims),
        profile={"n_tracks": len(track_ids), "n_segments": len(subset.values)},
    )


def log_input(dataset: FeaturesDataset, *, context: str) -> None:
    """A dataset that the current run was made from; ``context`` is what for.

    Raises TrackingError if the store does not take it.
    """
    with tracking_errors("the inputs of this run"):
        mlflow.log_input(dataset, context=context)


def log_model_input(model_run_id: str | None) -> None:
    """Link the current run to the model that another run of this store has logged: the pages of both show it."""
    model_id = None if model_run_id is None else _model_of(model_run_id)
    if model_id is not None:
        with tracking_errors("the inputs of this run"):
            mlflow.log_input(model=LoggedModelInput(model_id=model_id))


def _model_of(run_id: str) -> str | None:
    """The model that a run has logged; None where this store knows no such run."""
    try:
        with short_patience():
            outputs = mlflow.get_run(run_id).outputs
    except mlflow.MlflowException:
        return None
    models = outputs.model_outputs if outputs else []
    return str(models[-1].model_id) if models else None
