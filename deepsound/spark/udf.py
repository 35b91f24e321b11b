"""Models as UDFs: a column of a feature to a column of scores, on any DataFrame and in SQL."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.pandas.types import from_arrow_type

from deepsound.models.bundle import Bundle
from deepsound.models.head import Head, load_head
from deepsound.models.rows import SCORE_TYPE, score_rows

# From a batch of each column.
BatchFunction = Callable[..., pa.Array]
# From Spark 4.1 on batches need not become pandas on their way, which takes a fifth of the time.
_arrow_udf: Any = getattr(F, "arrow_udf", None)


def genre_udf(bundle: Bundle) -> Callable[..., Column]:
    """A UDF that scores the rows of a feature's column with a model, batch by batch.

    It works on any DataFrame with the column that the model was trained on, as ``segments/`` has it, on classic
    and on Spark Connect sessions. A model of several features takes a column each, in the order of
    ``bundle.columns``. The model is loaded once a worker.

    Parameters
    ----------
    bundle : Bundle

    Returns
    -------
    callable
        From columns of ``array<float>`` to a struct of predicted_genre, confidence, probabilities, ood_score, and
        the reason where these are null; see :func:`~deepsound.models.rows.score_rows`.
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

    def open_function() -> BatchFunction:
        head = load()
        return lambda *batches: score_rows(head, *batches, ood_score=ood_score)

    return batch_udf(open_function, SCORE_TYPE)


def batch_udf(open_function: Callable[[], BatchFunction], returns: pa.DataType) -> Callable[..., Column]:
    """A UDF of one or more columns that sees a task's batches one after the other, as Arrow has them.

    Parameters
    ----------
    open_function : callable
        Called once a task; what it gives makes of a batch of each column an array of ``returns``, as long.
    """

    def on_arrow(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        function = open_function()
        for columns in map(_as_tuple, batches):
            yield function(*columns)

    def on_pandas(batches: Iterator[Any]) -> Iterator[Any]:
        function = open_function()
        for columns in map(_as_tuple, batches):
            result = function(*map(pa.Array.from_pandas, columns))
            is_struct = pa.types.is_struct(returns)
            yield pa.Table.from_struct_array(result).to_pandas() if is_struct else result.to_pandas()

    spark_type = from_arrow_type(returns)
    if _arrow_udf is not None:
        udf: Callable[..., Column] = _arrow_udf(on_arrow, spark_type)
        return udf
    # Type hints tell Spark how to call it, and they are not the same for structs.
    result = pd.DataFrame if pa.types.is_struct(returns) else pd.Series
    on_pandas.__annotations__ = {"batches": Iterator[tuple[pd.Series, ...]], "return": Iterator[result]}  # type: ignore[valid-type]
    udf = pandas_udf(on_pandas, spark_type)  # type: ignore[call-overload]
    return udf


def _as_tuple(columns: Any) -> tuple[Any, ...]:
    """Batches of all columns: whatever the type hint says, Spark hands over those of one column bare."""
    return columns if isinstance(columns, tuple) else (columns,)


def register_udf(spark: SparkSession, name: str, bundle: Bundle) -> None:
    """Make a model a function of SQL: ``SELECT genre_of(musicnn).predicted_genre FROM segments``.

    Parameters
    ----------
    name : str
        What SQL calls it; an earlier function of that name makes way.
    """
    spark.udf.register(name, genre_udf(bundle))
