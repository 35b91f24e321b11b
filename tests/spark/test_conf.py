"""The settings of conf/spark: Spark reads each file, and knows every setting and value in it."""

import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "conf" / "spark"
FILES = sorted(path.name for path in FOLDER.glob("*.conf"))
MANAGERS = [name for name in FILES if name != "object-store.conf"]
# The objects that register Spark's settings when they are loaded.
_REGISTRIES = (
    *("org.apache.spark.internal.config.package$", "org.apache.spark.internal.config.Python$"),
    *("org.apache.spark.internal.config.Deploy$", "org.apache.spark.sql.internal.SQLConf$"),
    *("org.apache.spark.sql.internal.StaticSQLConf$", "org.apache.spark.deploy.k8s.Config$"),
    "org.apache.spark.deploy.yarn.config.package$",
)
# Documented (docs/configuration.md), but read by name and not registered.
_UNREGISTERED = re.compile(r"spark\.(master|local\.dir|executorEnv\.[A-Z_]+|hadoop\.fs\.s3a\.[a-z.]+)")


@pytest.fixture(scope="module")
def find_entry(spark):
    """A function that gives Spark's own entry for a setting, or None."""
    jvm = spark.sparkContext._jvm
    for name in _REGISTRIES:
        jvm.java.lang.Class.forName(name)
    return jvm.org.apache.spark.internal.config.ConfigEntry.findEntry


@pytest.fixture(scope="module")
def convert(spark):
    """A function that has an entry convert a value; Spark raises for one of the wrong kind."""
    # In an Option, as py4j cannot bring back every kind of number.
    return lambda entry, value: spark.sparkContext._jvm.scala.Option.apply(value).map(entry.valueConverter())


def settings_of(spark, name):
    """A file as spark-submit reads it."""
    read = spark.sparkContext._jvm.org.apache.spark.util.Utils.getPropertiesFromFile
    pairs = read(str(FOLDER / name)).iterator()
    settings = {}
    while pairs.hasNext():
        pair = pairs.next()
        settings[pair._1()] = pair._2()
    return settings


@pytest.fixture(params=FILES)
def settings(request, spark):
    return settings_of(spark, request.param)


def test_there_is_a_file_for_every_cluster_manager():
    assert MANAGERS == ["kubernetes.conf", "local.conf", "standalone.conf", "yarn.conf"]


def test_a_line_of_a_file_is_a_setting(spark):
    for name in FILES:
        lines = [line for line in (FOLDER / name).read_text().splitlines() if line and not line.startswith("#")]
        assert len(settings_of(spark, name)) == len(lines)


def test_spark_knows_every_setting_and_takes_its_value(find_entry, convert, settings):
    for key, value in settings.items():
        entry = find_entry(key)
        if entry is None:
            assert _UNREGISTERED.fullmatch(key), f"Spark knows no {key}"
        else:
            convert(entry, value)


def test_the_look_up_tells_a_misspelt_setting(find_entry, convert):
    assert find_entry("spark.excludeOnFailure.enabled") is not None
    assert find_entry("spark.excludeOnFailures.enabled") is None
    assert not _UNREGISTERED.fullmatch("spark.local.dirs")
    with pytest.raises(Exception, match="INVALID_CONF_VALUE"):
        convert(find_entry("spark.speculation"), "no")


@pytest.mark.parametrize("name", MANAGERS)
def test_what_every_file_for_a_manager_says(spark, name):
    settings = settings_of(spark, name)
    assert settings["spark.sql.execution.arrow.maxBytesPerBatch"] == "64m"
    assert settings["spark.executorEnv.OMP_NUM_THREADS"] == settings["spark.task.cpus"] == "1"
    assert settings["spark.executorEnv.PYTHONSAFEPATH"] == "1"
    assert settings["spark.speculation"] == "false"
    # RLIMIT_AS: a worker reserves more addresses than it uses memory.
    assert "spark.executor.pyspark.memory" not in settings


def test_a_cluster_gets_the_packed_environment_and_the_driver_keeps_its_own(spark):
    for name in ("standalone.conf", "yarn.conf", "kubernetes.conf"):
        settings = settings_of(spark, name)
        archive, _, folder = settings["spark.archives"].partition("#")
        assert archive == "build/deepsound-executor.tar.gz"
        assert settings["spark.pyspark.python"] == f"./{folder}/bin/python"
        assert settings["spark.pyspark.driver.python"] == "python3"
        assert settings["spark.task.maxFailures"] == "4"
        # Only these two count what Python takes.
        assert ("spark.executor.memoryOverhead" in settings) == (name != "standalone.conf")
