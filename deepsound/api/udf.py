"""Models as UDFs of Spark."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepsound.api.model import Model, load

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from deepsound.models.bundle import Bundle


def genre_udf(model: "Model | Bundle | str | pathlib.Path") -> "Callable[..., Column]":
    """A pandas UDF that scores the rows of a feature's column with a model.

    ``df.withColumn("g", ds.genre_udf("models:/deepsound-musicnn@champion")("musicnn"))`` works on any DataFrame
    with that column, on classic and on Spark Connect sessions.

    Parameters
    ----------
    model : Model, Bundle, str or pathlib.Path
        A model, its MLflow URI, or the folder of its bundle.

    Returns
    -------
    callable
        From a column of ``array<float>`` (row-major, as ``segments/`` has it) to a struct of predicted_genre,
        confidence, probabilities, ood_score; where these are null, ``reason`` says why: missing, malformed,
        not_finite.

    Raises
    ------
    BundleError, TrackingError
        There is no such model, or it is damaged.
    """
    from deepsound.spark import udf

    return udf.genre_udf(_load(model))


def register_udf(spark: "SparkSession", name: str, model: "Model | Bundle | str | pathlib.Path") -> None:
    """The same in SQL: ``SELECT genre_of(musicnn).predicted_genre FROM segments``.

    Parameters
    ----------
    name : str
        What SQL calls it; an earlier function of that name makes way.
    model : Model, Bundle, str or pathlib.Path
        As in :func:`genre_udf`.
    """
    from deepsound.spark import udf

    udf.register_udf(spark, name, _load(model))


def _load(model: "Model | Bundle | str | pathlib.Path") -> "Bundle":
    if isinstance(model, str | pathlib.Path):
        model = load(model)
    return model.bundle if isinstance(model, Model) else model
