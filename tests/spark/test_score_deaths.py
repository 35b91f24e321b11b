"""A scoring that dies behind any of its changes of the storage is made good by a rerun."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from deepsound.config import ScoreSettings
from deepsound.models.own_extraction import name_models
from deepsound.spark.score import score
from tests.spark.deaths import outlives

TABLES = ("predictions", "per_genre", "segments")


def run(spark, bundle, features, output):
    score(
        spark,
        str(features),
        str(output),
        models=name_models([("models:/toy", bundle)]),
        settings=ScoreSettings(segments=True),
        prepare=lambda _: (),
        draw=lambda scores, _: f"{scores.model.name}: {scores.report.n_tracks}",
        report=lambda _: None,
    )


def contents(output):
    tables = {name: sorted(map(repr, pq.read_table(output / name).to_pylist())) for name in TABLES}
    texts = {name: (output / name).read_text() for name in ("metrics.json", "scorecard.html")}
    return {**tables, **texts, "names": {path.name for path in output.iterdir() if not path.name.startswith(".")}}


@pytest.mark.soak
def test_a_killed_scoring_goes_on_to_the_same_scores(spark, tiny_bundle, write_features, tmp_path):
    rng = np.random.default_rng(0)
    genres = tiny_bundle.head.spec.genres
    rows = [
        {"track_id": f"t{i}", "genre": genres[i % len(genres)], "values": rng.normal(size=(1 + i % 2, 4, 3))}
        for i in range(6)
    ]
    features = write_features(rows)
    run(spark, tiny_bundle, features, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert json.loads(whole["metrics.json"])["n_tracks"] == 6
    n = 1
    while not outlives(n, run, spark, tiny_bundle, features, tmp_path / f"s{n}"):
        run(spark, tiny_bundle, features, tmp_path / f"s{n}")
        assert contents(tmp_path / f"s{n}") == whole, n
        n += 1
    # Lease, parts, tables' neighbours and the end: fewer would say that it was over before it was killed.
    assert n >= 8
