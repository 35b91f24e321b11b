"""Submitted by a test: prints, as JSON, what the Python of each executor is and what it can import."""

import importlib
import json
import sys

from pyspark.sql import SparkSession


def look(_):
    import deepsound

    missing = []
    for name in ("tensorflow", "keras", "mlflow", "librosa", "sklearn"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            missing.append(name)
    yield {
        "executable": sys.executable,
        "base_prefix": sys.base_prefix,
        "deepsound": deepsound.__file__,
        "path": sys.path,
        "missing": missing,
    }


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    seen = spark.sparkContext.parallelize(range(4), 4).mapPartitions(look).collect()
    print("LOOK", json.dumps({"driver": sys.executable, "executors": seen}))
    spark.stop()
