"""A FEATURES folder opened by Spark."""

from dataclasses import dataclass

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from deepsound.data.store import FeatureSummary, parse_summary
from deepsound.errors import SchemaMismatchError
from deepsound.spark.hadoop import HadoopPath


@dataclass(frozen=True, kw_only=True)
class FeatureFrames:
    """Both tables, as sections 3 of the contract lays them down, and the summary beside them."""

    summary: FeatureSummary
    tracks: DataFrame
    segments: DataFrame


def is_features_folder(spark: SparkSession, path: str) -> bool:
    """Whether a finished extraction lies there."""
    return HadoopPath(spark, path).child("extract.json").exists()


def read_features(spark: SparkSession, path: str) -> FeatureFrames:
    """Open a finished extraction.

    Raises
    ------
    InputError, SchemaMismatchError
        It cannot be read, or a table is missing or damaged.
    """
    folder = HadoopPath(spark, path)
    summary = parse_summary(folder.child("extract.json").read_text(), where=path)
    try:
        return FeatureFrames(
            summary=summary,
            tracks=spark.read.parquet(folder.child("tracks").uri),
            segments=spark.read.parquet(folder.child("segments").uri),
        )
    except (PySparkException, Py4JJavaError) as exc:
        raise SchemaMismatchError(f"cannot read the tables of {path}: {' '.join(str(exc).split())[:200]}") from exc
