"""Embeddings in Spark: equal to the pure function, one network a worker, no TensorFlow on an executor."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from deepsound.config import ExtractSettings
from deepsound.errors import ConfigError, ParameterError
from deepsound.features.fingerprint import declare_features
from deepsound.features.registry import find_features, load_extractors
from deepsound.features.track import extract_track
from deepsound.spark.extract import extract

FEATURES = ("mfcc", "vggish", "musicnn")
SETTINGS = ExtractSettings(features=FEATURES, segment_s=3.0, min_duration_s=0.5)


@pytest.fixture(scope="module")
def features(spark, music, networks, tmp_path_factory):
    output = tmp_path_factory.mktemp("embeddings") / "features"
    extract(spark, str(music), str(output), settings=SETTINGS, networks=networks, report=lambda _: None)
    return output


def test_rows_equal_the_pure_function(features, music, networks):
    failed = [row["error_detail"] for row in pq.read_table(features / "tracks").to_pylist() if row["error_code"]]
    assert failed == []
    rows = pq.read_table(features / "segments").to_pylist()
    assert len(rows) == 24
    extractors = load_extractors(find_features(FEATURES), networks=networks)
    for row in rows[::7]:
        with (music / row["track_id"]).open("rb") as file:
            outcome = extract_track(file, extractors=extractors, settings=SETTINGS)
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
        extractors = load_extractors(find_features(FEATURES), networks=changed)
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


def test_workers_load_each_network_once_and_no_tensorflow(spark, music, networks, tmp_path, count_loads):
    n_loads, n_uses, engines = count_loads(
        "deepsound.networks.engine",
        "load_engine",
        lambda: extract(
            spark, str(music), str(tmp_path / "f"), settings=SETTINGS, networks=networks, report=lambda _: None
        ),
    )
    # Two networks on each of 24 segments, loaded once by each of the workers, or found loaded already.
    assert max(n_loads.values()) <= 2
    assert n_uses == 2 * 24
    assert engines == []


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
