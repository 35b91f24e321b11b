"""Labels of a collection in the words of a model, as columns: an adapter of :mod:`deepsound.label_maps`."""

from collections.abc import Iterator

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from deepsound.config import LabelSettings
from deepsound.errors import LabelMapError
from deepsound.label_maps import (
    LabelCounts,
    LabelMap,
    builtin_label_maps,
    count_outcomes,
    map_labels,
    missing_label_map,
    parse_label_map,
    read_label_map,
)
from deepsound.spark.hadoop import HadoopPath
from deepsound.taxonomy import Taxonomy

_OUTCOME_SCHEMA = T.StructType([T.StructField(name, T.StringType()) for name in ("genre", "outcome")])


def load_label_map(spark: SparkSession, settings: LabelSettings, *, taxonomy: Taxonomy) -> LabelMap | None:
    """The map that ``labels.map`` names: a built-in one, or a file on any file system that Spark reaches.

    Raises
    ------
    LabelMapError
        There is none of that name, it is no label map, or has a target that the model does not know.
    InputError
        The file cannot be read.
    """
    if settings.map is None:
        return None
    if settings.map in builtin_label_maps():
        label_map = read_label_map(settings.map)
    else:
        file = HadoopPath(spark, settings.map)
        if not file.exists() or file.is_folder():
            raise LabelMapError(missing_label_map(settings.map))
        label_map = parse_label_map(file.read_text(), where=settings.map)
    label_map.check_targets(taxonomy)
    return label_map


def map_genre_column(df: DataFrame, *, label_map: LabelMap | None, taxonomy: Taxonomy) -> DataFrame:
    """Rows whose ``genre`` is one of the model's, or null.

    Parameters
    ----------
    df : DataFrame
        With ``genre``: labels as the collection has them.
    label_map : LabelMap or None
        None for the model's own genres in any spelling.

    Returns
    -------
    DataFrame
        The same rows and columns, with the mapped ``genre``; behind them ``label`` (what ``genre`` was) and
        ``label_outcome`` (one of :data:`deepsound.label_maps.OUTCOMES`, never null).

    Raises
    ------
    LabelMapError
        The map has a target that the model does not know.
    """
    if label_map is not None:
        label_map.check_targets(taxonomy)

    def map_batches(batches: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            labels = [None if label is None else str(label) for label in batch]
            outcomes = map_labels(labels, taxonomy=taxonomy, label_map=label_map).outcomes
            rows = [(outcome.genre, outcome.outcome) for outcome in outcomes]
            yield pd.DataFrame(rows, columns=_OUTCOME_SCHEMA.names, dtype="object")

    map_label = pandas_udf(map_batches, _OUTCOME_SCHEMA)  # type: ignore[call-overload]
    mapped = df.withColumn("label", F.col("genre")).withColumn("_mapped", map_label(F.col("genre")))
    columns = {"genre": F.col("_mapped.genre"), "label_outcome": F.col("_mapped.outcome")}
    return mapped.withColumns(columns).drop("_mapped")


def count_label_outcomes(df: DataFrame) -> LabelCounts:
    """Rows by their ``label_outcome``."""
    rows = df.groupBy("label_outcome").count().collect()
    return count_outcomes((row["label_outcome"], int(row["count"])) for row in rows)
