"""The segments' part of the score job alone, for the bench to hold against MLflow's UDF, which does no more.

``spark-submit tests/bench/score_segments.py FEATURES MODEL``: segment scores, brought together by track and thrown
away, as :mod:`tests.bench.score_by_udf` does it.
"""

import sys

from deepsound.spark.score_parts import SegmentTable, list_table
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from deepsound.config import ScoreSettings
from deepsound.spark.hadoop import HadoopPath
from deepsound.spark.score_job import make_scorer
from deepsound.training import mlflow_store, registry


def main(features: str, model: str) -> None:
    """Score all segments."""
    mlflow_store.open_store()
    spark = SparkSession.builder.getOrCreate()
    uri = HadoopPath(spark, features).child("segments").uri
    table = SegmentTable(
        uri=uri,
        files=tuple(list_table(spark, uri)),
        rows=spark.read.parquet(uri),
        picked=None,
        batch_size=ScoreSettings().batch_size,
    )
    scorer = make_scorer(spark, [registry.load_bundle(model)], has_timeline=False)
    parts = table.score(spark, table.files, scorer).where("part is not null").select("part.*")
    by_track = parts.groupBy("track_id").agg(F.collect_list(F.struct("first_segment", "n_segments", "m0")))
    by_track.write.format("noop").mode("overwrite").save()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
