"""The pandas UDF: on DataFrames, in SQL, on Spark Connect; the same numbers as the head alone."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from deepsound.models.bundle import read_bundle
from deepsound.models.head import load_head
from deepsound.models.rows import score_rows
from deepsound.spark import udf
from deepsound.spark.udf import genre_udf, register_udf

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "tests" / "data" / "bundles" / "v2"


@pytest.fixture
def rows():
    values = np.random.default_rng(3).normal(size=(9, 12)).astype(np.float32)
    values[4, 2] = np.nan
    return [*values.tolist(), None, [1.0, 2.0]]


def frame(spark, rows):
    return spark.createDataFrame(list(enumerate(rows)), "i int, toy array<float>").repartition(3)


def check(found, rows, bundle):
    column = pa.array(rows, pa.list_(pa.float32()))
    expected = score_rows(load_head(bundle.head), column, ood_score=bundle.ood.score).to_pylist()
    assert len(found) == len(rows)
    for row in found:
        wanted = expected[row["i"]]
        for name in ("predicted_genre", "reason"):
            assert row[name] == wanted[name]
        for name in ("confidence", "probabilities", "ood_score"):
            assert (row[name] is None) == (wanted[name] is None)
            if wanted[name] is not None:
                np.testing.assert_allclose(row[name], wanted[name], atol=1e-5)


@pytest.mark.parametrize("is_arrow", [True, False], ids=["arrow", "pandas, as before Spark 4.1"])
def test_a_column_of_scores_on_any_frame(spark, tiny_bundle, rows, monkeypatch, is_arrow):
    if is_arrow:
        assert udf._arrow_udf is not None
    else:
        monkeypatch.setattr(udf, "_arrow_udf", None)
    scored = frame(spark, rows).withColumn("g", genre_udf(tiny_bundle)("toy"))
    check(scored.select("i", "g.*").collect(), rows, tiny_bundle)


def test_in_sql(spark, tiny_bundle, rows):
    register_udf(spark, "genre_of", tiny_bundle)
    frame(spark, rows).createOrReplaceTempView("segments_of_a_test")
    found = spark.sql("select i, genre_of(toy) as g from segments_of_a_test").select("i", "g.*").collect()
    check(found, rows, tiny_bundle)


@pytest.mark.parametrize("is_arrow", [True, False], ids=["arrow", "pandas, as before Spark 4.1"])
def test_a_model_of_two_features_takes_two_columns(spark, monkeypatch, is_arrow):
    if not is_arrow:
        monkeypatch.setattr(udf, "_arrow_udf", None)
    bundle = read_bundle(BUNDLE.parent / "v3")
    rng = np.random.default_rng(4)
    toy, tune = rng.normal(size=(7, 12)).tolist(), rng.normal(size=(7, 6)).tolist()
    toy[1], tune[2] = None, None
    schema = "i int, toy array<float>, tune array<float>"
    rows = spark.createDataFrame(list(zip(range(7), toy, tune, strict=True)), schema)
    rows = rows.repartition(3)
    columns = [pa.array(values, pa.list_(pa.float32())) for values in (toy, tune)]
    expected = score_rows(load_head(bundle.head), *columns, ood_score=bundle.ood.score).to_pylist()
    register_udf(spark, "genre_of_two", bundle)
    rows.createOrReplaceTempView("two_columns")
    in_sql = spark.sql("select i, genre_of_two(toy, tune) as g from two_columns")
    for scored in (rows.select("i", genre_udf(bundle)("toy", "tune").alias("g")), in_sql):
        found = [row["g"] for row in scored.orderBy("i").collect()]
        assert [row["reason"] for row in found] == [None, "missing", "missing", None, None, None, None]
        for row, wanted in zip(found, expected, strict=True):
            assert row["predicted_genre"] == wanted["predicted_genre"]
            if wanted["probabilities"] is not None:
                np.testing.assert_allclose(row["probabilities"], wanted["probabilities"], atol=1e-6)


def test_several_models_are_several_columns(spark, tiny_bundle, linear_onnx, rows):
    import dataclasses

    weights = np.random.default_rng(9).normal(size=(12, 3))
    other = dataclasses.replace(
        tiny_bundle, head=dataclasses.replace(tiny_bundle.head, onnx_bytes=linear_onnx(weights))
    )
    scored = frame(spark, rows).select(
        "i", genre_udf(tiny_bundle)("toy").alias("a"), genre_udf(other)(F.col("toy")).alias("b")
    )
    collected = scored.collect()
    for name, bundle in (("a", tiny_bundle), ("b", other)):
        check([{"i": row["i"], **row[name].asDict()} for row in collected], rows, bundle)


def test_the_model_is_loaded_once_a_worker(spark, tiny_bundle, rows, count_loads):
    values = F.array(*map(F.lit, rows[0])).cast("array<float>")
    many = spark.range(0, 64, 1, numPartitions=8).select((values[0] + F.col("id")).alias("x"), values.alias("toy"))

    def score():
        assert many.select("x", genre_udf(tiny_bundle)("toy").alias("g")).where("g.reason is null").count() == 64

    n_loads, n_uses, engines = count_loads("deepsound.models.head", "load_head", score)
    assert max(n_loads.values()) <= 1
    assert n_uses == 8
    assert engines == []


# In a process of its own: one that has a classic session cannot have a remote one.
ON_CONNECT = """
import json, sys
import numpy as np
from pyspark.sql import SparkSession
from deepsound.models.bundle import read_bundle
from deepsound.spark import udf
from deepsound.config import ExtractSettings
from deepsound.errors import EngineError
from deepsound.spark.extract import extract
from deepsound.spark.udf import genre_udf, register_udf
import pathlib

bundle = read_bundle(pathlib.Path(sys.argv[1]))
spark = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false").getOrCreate()
shape = bundle.head.spec.shape
values = np.random.default_rng(3).normal(size=(5, shape[0] * shape[1])).astype(np.float32)
rows = [(i, row) for i, row in enumerate([*values.tolist(), None])]
frame = spark.createDataFrame(rows, f"i int, feature array<float>")
register_udf(spark, "genre_of", bundle)
frame.createOrReplaceTempView("segments")
by_sql = spark.sql("select i, genre_of(feature) as g from segments order by i").select("i", "g.*").collect()
scored = frame.withColumn("g", genre_udf(bundle)("feature")).orderBy("i").select("i", "g.*").collect()
assert by_sql == scored
try:
    extract(spark, "music", "features", settings=ExtractSettings(), report=print)
except EngineError as exc:
    refusal = str(exc)
print(json.dumps([type(spark).__module__, [row.asDict() for row in scored], refusal]))
spark.stop()
"""


def test_on_spark_connect():
    import json

    from deepsound.models.bundle import read_bundle

    script = [sys.executable, "-c", ON_CONNECT, str(BUNDLE)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment.pop("SPARK_REMOTE", None)
    ended = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    module, found, refusal = json.loads(ended.stdout.splitlines()[-1])
    assert "connect" in module
    assert refusal.startswith("an extraction moves files through Spark's own Java, which a Spark Connect session")
    bundle = read_bundle(BUNDLE)
    n_values = bundle.head.spec.shape[0] * bundle.head.spec.shape[1]
    values = np.random.default_rng(3).normal(size=(5, n_values)).astype(np.float32)
    check(found, [*values.tolist(), None], bundle)
