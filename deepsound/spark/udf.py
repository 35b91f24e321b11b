"""Models as pandas UDFs: a column of a feature to a column of scores, on any DataFrame and in SQL."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import Column, SparkSession
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from deepsound.models.bundle import Bundle
from deepsound.models.head import Head, load_head
from deepsound.models.rows import score_rows

# What a model says of one row; all but the reason is null where it says nothing.
SCORED = T.StructType(
    [
        T.StructField("predicted_genre", T.StringType()),
        T.StructField("confidence", T.DoubleType()),
        T.StructField("probabilities", T.ArrayType(T.DoubleType())),
        T.StructField("ood_score", T.DoubleType()),
        T.StructField("reason", T.StringType()),
    ]
)


def genre_udf(bundle: Bundle) -> Callable[..., Column]:
    """A pandas UDF that scores the rows of a feature's column with a model.

    It works on any DataFrame with the column that the model was trained on, as ``segments/`` has it, on classic
    and on Spark Connect sessions. The model is loaded once a worker.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    callable
        From a column of ``array<float>`` to one of :data:`SCORED`: predicted_genre, confidence, probabilities,
        ood_score, and the reason (missing, malformed, not_finite) where these are null.
    """
    packed = bundle.head
    return head_udf(lambda: load_head(packed), ood_score=bundle.ood.score)


def head_udf(load: Callable[[], Head], *, ood_score: str) -> Callable[..., Column]:
    """The same, of a head that each worker loads by itself.

    Parameters
    ----------
    load : callable
        Called once a task; loads once a process. Pickled to executors.
    """

    def score(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        head = load()
        for batch in batches:
            scores = score_rows(head, batch.tolist(), ood_score=ood_score)
            yield pd.DataFrame(
                {
                    "predicted_genre": pd.Series(scores.predicted_genres, dtype="object"),
                    "confidence": pd.Series(scores.confidences),
                    "probabilities": pd.Series(scores.probabilities, dtype="object"),
                    "ood_score": pd.Series(scores.ood_scores),
                    "reason": pd.Series(scores.reasons, dtype="object"),
                }
            )

    return batch_udf(score, SCORED)


def batch_udf(
    function: Callable[[Iterator[pd.Series]], Iterator[Any]], returns: T.DataType
) -> Callable[..., Column]:
    """A pandas UDF of one column that sees a task's batches one after the other: it can load something once.

    Parameters
    ----------
    function : callable
        From Series to Series, or to DataFrames where ``returns`` is a struct.
    """
    # Its type hints tell Spark how to call it; Spark's own do not know of frames that come of it.
    udf: Callable[..., Column] = pandas_udf(function, returns)  # type: ignore[call-overload]
    return udf


def register_udf(spark: SparkSession, name: str, bundle: Bundle) -> None:
    """Make a model a function of SQL: ``SELECT genre_of(musicnn).predicted_genre FROM segments``.

    Parameters
    ----------
    name : str
        What SQL calls it; an earlier function of that name makes way.
    """
    spark.udf.register(name, genre_udf(bundle))
