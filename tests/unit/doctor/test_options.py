import os

import pytest

from deepsound.doctor.options import options_in_force, read_options
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
    conf = ("spark.executor.memory=1g", "spark.x=a=b")
    assert read_options(properties, conf=conf, master="local[2]") == {
        "spark.master": "local[2]",
        "spark.pyspark.python": "./environment/bin/python",
        "spark.executor.memory": "1g",
        "spark.executor.extraJavaOptions": "-Da=b -Dc=d",
        "spark.x": "a=b",
    }
    assert read_options(properties, conf=(), master=None)["spark.master"] == "spark://host:7077"


def test_what_spark_is_told_within_the_block_and_no_longer(monkeypatch):
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    monkeypatch.setenv("PYSPARK_PYTHON", "before")
    options = {"spark.master": "yarn", "spark.a": "b c", "spark.pyspark.python": "./environment/bin/python"}
    with options_in_force(options):
        assert os.environ["PYSPARK_SUBMIT_ARGS"] == (
            "--conf spark.ui.enabled=false --conf spark.master=yarn --conf 'spark.a=b c' "
            "--conf spark.pyspark.python=./environment/bin/python pyspark-shell"
        )
        assert os.environ["PYSPARK_PYTHON"] == "./environment/bin/python"
    assert "PYSPARK_SUBMIT_ARGS" not in os.environ
    assert os.environ["PYSPARK_PYTHON"] == "before"


def test_nothing_said_changes_nothing():
    before = dict(os.environ)
    assert read_options(None, conf=(), master=None) == {}
    with options_in_force({}):
        assert dict(os.environ) == before


def test_mistakes(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the Spark settings .*nowhere"):
        read_options(str(tmp_path / "nowhere"), conf=(), master=None)
    with pytest.raises(ParameterError, match=r"--conf got 'spark\.a'; wanted key=value"):
        read_options(None, conf=("spark.a",), master=None)
