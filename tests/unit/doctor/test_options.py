import os

import pytest

from deepsound.doctor.options import SparkOptions
from deepsound.errors import ConfigError, ParameterError


@pytest.fixture
def properties(tmp_path):
    path = tmp_path / "spark.conf"
    path.write_text(
        "# a comment\n\nspark.master   spark://host:7077\nspark.pyspark.python=./environment/bin/python\n"
        "spark.executor.memory: 4g\nspark.executor.extraJavaOptions -Da=b -Dc=d\n"
    )
    return str(path)


def test_settings_as_spark_reads_them(properties):
    options = SparkOptions(properties_file=properties, conf=("spark.executor.memory=1g", "spark.x=a=b"))
    assert options.settings() == {
        "spark.master": "spark://host:7077",
        "spark.pyspark.python": "./environment/bin/python",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": "-Da=b -Dc=d",
        "spark.x": "a=b",
    }


def test_which_master_is_meant(properties):
    assert SparkOptions().is_local
    assert not SparkOptions().is_given
    assert not SparkOptions(properties_file=properties).is_local
    assert SparkOptions(properties_file=properties, master="local[2]").is_local
    assert SparkOptions(conf=("spark.master=yarn",)).master_url == "yarn"


def test_what_spark_is_told_within_the_block_and_no_longer(properties, monkeypatch):
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    monkeypatch.setenv("PYSPARK_PYTHON", "before")
    with SparkOptions(master="yarn", properties_file=properties, conf=("spark.a=b c",)).in_force():
        assert os.environ["PYSPARK_SUBMIT_ARGS"] == (
            "--conf spark.ui.enabled=false --master yarn --properties-file "
            f"{properties} --conf 'spark.a=b c' pyspark-shell"
        )
        assert os.environ["PYSPARK_PYTHON"] == "./environment/bin/python"
    assert "PYSPARK_SUBMIT_ARGS" not in os.environ
    assert os.environ["PYSPARK_PYTHON"] == "before"


def test_nothing_said_changes_nothing():
    before = dict(os.environ)
    with SparkOptions().in_force():
        assert dict(os.environ) == before


def test_mistakes(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the Spark settings .*nowhere"):
        SparkOptions(properties_file=str(tmp_path / "nowhere")).settings()
    with pytest.raises(ParameterError, match=r"--conf got 'spark\.a'; wanted key=value"):
        SparkOptions(conf=("spark.a",)).settings()
