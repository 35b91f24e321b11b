"""As the first version logged it beside each model, with a copy of the package; kept as it was.

The MLflow pyfunc of a bundle, logged as code (nothing pickled).

MLflow runs this file when a client loads the model; the package is logged beside it, so the client needs
neither an installed deepsound nor TensorFlow.
"""

import pathlib
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from deepsound.models.bundle import read_bundle
from deepsound.models.head import load_head


class GenreModel(PythonModel):  # type: ignore[misc]
    """Segments (n, n_frames, n_dims) float32 to one row each: genre, confidence, ood_score, p_<genre>."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle that was logged as the artifact ``bundle``."""
        self._bundle = read_bundle(pathlib.Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Calibrated probabilities of each segment."""
        name = self._bundle.ood.score
        scores = load_head(self._bundle.head).score(np.asarray(model_input, np.float32), ood_scores=[name])
        genres = self._bundle.taxonomy.genres
        table = pd.DataFrame(scores.probabilities, columns=[f"p_{genre}" for genre in genres])
        table.insert(0, "predicted_genre", [genres[index] for index in scores.probabilities.argmax(axis=1)])
        table.insert(1, "confidence", scores.probabilities.max(axis=1))
        table.insert(2, "ood_score", scores.ood[name])
        return table


mlflow.models.set_model(GenreModel())
