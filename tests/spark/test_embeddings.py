"""Embeddings in Spark: equal to the pure function, one network a worker, no TensorFlow on an executor."""

import json
import os
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.config import ExtractSettings
from deepsound.errors import ConfigError, ParameterError
from deepsound.features.fingerprint import declare_features
from deepsound.features.registry import load_extractors
from deepsound.features.track import extract_track
from deepsound.networks.engine import load_engine
from deepsound.spark.extract import extract

FEATURES = ("mfcc", "vggish", "musicnn")
_SEEN = pa.schema(
    [("pid", pa.int32()), ("hits", pa.int32()), ("misses", pa.int32()), ("modules", pa.list_(pa.string()))]
)
SETTINGS = ExtractSettings(features=FEATURES, segment_s=3.0, min_duration_s=0.5)


@pytest.fixture(scope="module")
def features(spark, music, networks, tmp_path_factory):
    output = tmp_path_factory.mktemp("embeddings") / "features"
    extract(spark, str(music), str(output), settings=SETTINGS, networks=networks, report=lambda _: None)
    return output


def test_rows_equal_the_pure_function(features, music, networks):
    rows = pq.read_table(features / "segments").to_pylist()
    assert len(rows) == 24
    extractors = load_extractors(FEATURES, networks=networks)
    for row in rows[::7]:
        outcome = extract_track((music / row["track_id"]).read_bytes(), extractors=extractors, settings=SETTINGS)
        for name in FEATURES:
            expected = outcome.segments[row["segment_index"]].arrays[name].ravel()
            np.testing.assert_allclose(row[name], expected, atol=1e-4)


def test_summary_tells_of_the_networks(features, networks):
    declared = json.loads((features / "extract.json").read_text())["features"]
    assert declared["vggish"]["shape"] == [3, 128]
    assert declared["musicnn"]["shape"] == [1, 200]
    for network in networks:
        assert declared[network.feature]["definition"]["network"]["digest"] == network.digest
        assert declared[network.feature]["network"] == network.source


def test_fingerprint_depends_on_the_weights_not_on_their_place(features, networks):
    def fingerprint(**changes):
        changed = tuple(replace(network, **changes) for network in networks)
        extractors = load_extractors(FEATURES, networks=changed)
        return {
            name: spec["fingerprint"] for name, spec in declare_features(extractors, settings=SETTINGS).items()
        }

    written = json.loads((features / "extract.json").read_text())["features"]
    original = fingerprint()
    assert original == {name: spec["fingerprint"] for name, spec in written.items()}
    assert fingerprint(path="/elsewhere", source="another mirror") == original
    for change in ({"digest": "0" * 64}, {"engine": "tensorflow"}, {"source": "random:3"}):
        changed = fingerprint(**change)
        assert changed["mfcc"] == original["mfcc"]
        assert changed["vggish"] != original["vggish"]


def _look_around(batches):
    """What the process that serves a task has loaded so far; a task gets one of the idle workers."""
    for _ in batches:
        loaded = sorted({"tensorflow", "keras", "mlflow", "librosa"} & set(sys.modules))
        cache = load_engine.cache_info()
        seen = {"pid": [os.getpid()], "hits": [cache.hits], "misses": [cache.misses], "modules": [loaded]}
        time.sleep(0.2)  # so that both workers get a share of the tasks
        yield pa.RecordBatch.from_pydict(seen, schema=_SEEN)


def _look_at_workers(spark):
    tasks = spark.range(0, 8, numPartitions=8)
    rows = tasks.mapInArrow(_look_around, "pid int, hits int, misses int, modules array<string>").collect()
    return {row.pid: row for row in rows}


def test_workers_load_each_network_once_and_no_tensorflow(spark, music, networks, tmp_path):
    """Spark keeps its Python workers for a minute: a task right after finds the processes that extracted."""
    before = _look_at_workers(spark)
    extract(spark, str(music), str(tmp_path / "f"), settings=SETTINGS, networks=networks, report=lambda _: None)
    after = _look_at_workers(spark)

    def grown(name):
        return {pid: row[name] - (before[pid][name] if pid in before else 0) for pid, row in after.items()}

    # Two networks on each of 24 segments, loaded once by each of the workers, or found loaded already.
    n_loads = grown("misses")
    assert max(n_loads.values()) <= 2
    assert sum(n_loads.values()) + sum(grown("hits").values()) == 2 * 24
    assert [row.modules for row in after.values() if row.modules] == []


def test_a_segment_shorter_than_a_patch_is_refused_at_once(spark, music, networks, tmp_path):
    with pytest.raises(ConfigError, match=r"one patch of 'musicnn' takes 2\.976 seconds"):
        extract(
            spark,
            str(music),
            str(tmp_path / "f"),
            settings=ExtractSettings(features=FEATURES, segment_s=2.9),
            networks=networks,
            report=lambda _: None,
        )
    assert not (tmp_path / "f").exists()


def test_an_embedding_without_a_network_is_a_bug_that_stops(spark, music, tmp_path):
    with pytest.raises(ParameterError, match="'vggish' needs a network"):
        extract(
            spark,
            str(music),
            str(tmp_path / "f"),
            settings=ExtractSettings(features=("vggish",)),
            report=lambda _: None,
        )
