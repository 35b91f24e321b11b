"""The same bundle through ``mlflow.pyfunc.spark_udf``, for the bench to hold the score job against.

``spark-submit tests/bench/score_by_udf.py FEATURES MODEL``: segment scores, averaged over tracks and thrown away.
"""

import sys

import mlflow
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

N_GENRES, N_FRAMES, N_DIMS = 10, 10, 128


def main(features: str, model: str) -> None:
    """Score all segments."""
    spark = SparkSession.builder.getOrCreate()
    rows = spark.read.parquet(f"{features}/segments")
    udf = mlflow.pyfunc.spark_udf(spark, model, result_type="array<double>", env_manager="local")
    scored = rows.select("track_id", udf(F.struct("vggish")).alias("scores"))
    means = [F.avg(F.col("scores")[i]).alias(f"p{i}") for i in range(N_GENRES)]
    scored.groupBy("track_id").agg(*means).write.format("noop").mode("overwrite").save()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
