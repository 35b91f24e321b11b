"""The MLflow pyfunc of a bundle: what ``mlflow.pyfunc.load_model`` gives a client that has deepsound installed.

A logged model names this module and holds the bundle, nothing else. Earlier ones hold the code that they were
logged with as well, which takes from this package only ``read_bundle``, ``load_head`` and ``Head.score``.
"""

import pathlib

import numpy as np
import pandas as pd
import pyarrow as pa
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema, TensorSpec

from deepsound.models.bundle import Bundle, read_bundle
from deepsound.models.head import load_head
from deepsound.models.rows import score_rows


class GenreModel:
    """Segments to a row each: predicted_genre, confidence, ood_score, p_<genre>; a reason where they are null."""

    def __init__(self, bundle: Bundle) -> None:
        self._head = load_head(bundle.head)
        self._ood_score = bundle.ood.score

    def predict(self, segments: np.ndarray) -> pd.DataFrame:
        """Calibrated probabilities of each segment, as :func:`deepsound.models.rows.score_rows` has them.

        ``segments`` are [shape=(n_segments, n_frames, n_dims), float32], of several features (n_segments, 1,
        n_numbers): those of a segment one after the other, in the order of the model's name.
        """
        genres, layout = self._head.spec.genres, self._head.spec.layout
        columns = map(_to_rows, layout.split(np.asarray(segments, np.float32)))
        scores = score_rows(self._head, *columns, ood_score=self._ood_score)
        probabilities = np.full((len(scores), len(genres)), np.nan)
        is_scored = scores.field("reason").is_null().to_numpy(zero_copy_only=False)
        probabilities[is_scored] = scores.field("probabilities").flatten().to_numpy().reshape(-1, len(genres))
        table = pd.DataFrame(
            {name: scores.field(name).to_pandas() for name in ("predicted_genre", "confidence", "ood_score")}
        )
        table[[f"p_{genre}" for genre in genres]] = probabilities
        return table.assign(reason=scores.field("reason").to_pandas())


def signature_of(bundle: Bundle) -> ModelSignature:
    """What a client is to give, and what it gets."""
    spec = bundle.head.spec
    numbers = ("confidence", "ood_score", *(f"p_{genre}" for genre in spec.genres))
    columns = {"predicted_genre": DataType.string, **dict.fromkeys(numbers, DataType.double)}
    columns["reason"] = DataType.string
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, *spec.shape))]),
        outputs=Schema([ColSpec(kind, name, required=False) for name, kind in columns.items()]),
    )


def _to_rows(segments: np.ndarray) -> pa.Array:
    n_segments, size = len(segments), int(np.prod(segments.shape[1:]))
    offsets = pa.array(np.arange(n_segments + 1) * size, pa.int64())
    return pa.LargeListArray.from_arrays(offsets, pa.array(segments.ravel()))


def _load_pyfunc(path: str) -> GenreModel:
    """What MLflow calls, by this name, with the folder that was logged."""
    return GenreModel(read_bundle(pathlib.Path(path)))
