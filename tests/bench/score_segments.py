"""The segments' part of the score job alone, for the bench to hold against MLflow's UDF, which does no more.

``spark-submit tests/bench/score_segments.py FEATURES MODEL``: segment scores, averaged over tracks and thrown
away, as ``score_by_udf.py`` beside it does.
"""

import sys

from pyspark.sql import SparkSession

from deepsound.models.own_extraction import name_models
from deepsound.spark.predict import ScoringModel, mean_by_track, score_segments
from deepsound.training import mlflow_store, registry


def main(features: str, model: str) -> None:
    """Score all segments."""
    mlflow_store.open_store()
    spark = SparkSession.builder.getOrCreate()
    # As the job does: tracks are few beside their segments.
    spark.conf.set("spark.sql.shuffle.partitions", str(spark.sparkContext.defaultParallelism))
    (named,) = name_models([(model, registry.load_bundle(model))])
    models = [ScoringModel(named=named, label_map=None)]
    means = mean_by_track(score_segments(spark, spark.read.parquet(f"{features}/segments"), models), models)
    means.write.format("noop").mode("overwrite").save()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
