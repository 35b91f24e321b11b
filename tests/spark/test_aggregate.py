"""Counts by Spark SQL are those of Arrow and NumPy, to the last track and the tenth digit."""

import numpy as np
import pyarrow as pa
import pytest

from deepsound.evaluation.counts import count_table
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.predictions import PREDICTION_SCHEMA, read_predictions
from deepsound.spark.aggregate import count_predictions
from deepsound.spark.score_job import compare_all

GENRES = ("blues", "jazz", "metal", "ska")


def make_table(n=300, *, seed=0, artists="some", accuracy=0.6):
    rng = np.random.default_rng(seed)
    names = {"all": 25, "some": 25, "none": 0}[artists]
    rows = []
    for i in range(n):
        artist = f"artist {rng.integers(names)}" if names and (artists == "all" or rng.random() < 0.7) else None
        # ska is never true; an empty name is no name.
        genre = GENRES[rng.integers(3)] if rng.random() < 0.8 else None
        predicted = genre if genre and rng.random() < accuracy else GENRES[rng.integers(4)]
        failed = rng.random() < 0.1
        confidence = float(rng.uniform(0.3, 1.0))
        rows.append(
            {
                "track_id": f"t{i}",
                "artist": "" if artist is None and i % 7 == 0 else artist,
                "genre": genre,
                "label": genre or ("polka" if i % 3 else None),
                "label_outcome": "mapped" if genre else ("unmapped" if i % 3 else "unlabelled"),
                "predicted_genre": None if failed else predicted,
                "confidence": None if failed else confidence,
                "probabilities": None if failed else [confidence, 1 - confidence, 0.0, 0.0],
                "ood_score": None if failed else float(rng.normal()),
                "is_ood": None if failed else bool(rng.random() < 0.2),
                "n_segments": 3,
                "error_code": ("silent" if i % 2 else None) if failed else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def to_spark(spark, table, path):
    import pyarrow.parquet as pq

    pq.write_table(table, path)
    return spark.read.parquet(str(path))


@pytest.mark.parametrize("artists", ["some", "all", "none"])
def test_counts_are_those_of_arrow(spark, tmp_path, artists):
    table = make_table(artists=artists)
    here = count_table(table, read_predictions(table, genres=GENRES))
    there = count_predictions(to_spark(spark, table, tmp_path / "p.parquet"), genres=GENRES)
    np.testing.assert_array_equal(here.confusion, there.confusion)
    np.testing.assert_array_equal(here.ood, there.ood)
    np.testing.assert_allclose(here.confidence, there.confidence, rtol=1e-12)
    assert here.failures == there.failures
    assert set(here.failures) == {"silent", "internal"}
    assert here.outcomes == there.outcomes
    assert (here.n_tracks, here.n_scored) == (300, there.n_scored)
    assert (here.spread.unit, here.spread.n_artists) == (there.spread.unit, there.spread.n_artists)
    assert here.spread.unit == ("track" if artists == "none" else "artist")
    np.testing.assert_array_equal(here.spread.n_units, there.spread.n_units)
    np.testing.assert_array_equal(here.spread.freedoms, there.spread.freedoms)
    np.testing.assert_allclose(here.spread.variances, there.spread.variances, rtol=1e-10)
    assert (here.spread.variances > 0).sum() >= 12


def test_without_a_label_nothing_is_spread(spark, tmp_path):
    table = make_table(40)
    unlabelled = table.set_column(2, "genre", pa.nulls(40, pa.string()))
    counts = count_predictions(to_spark(spark, unlabelled, tmp_path / "p.parquet"), genres=GENRES)
    assert counts.confusion[:-1].sum() == 0
    report = evaluate(unlabelled, genres=GENRES, counts=counts)
    assert report.metrics.accuracy is None
    assert report.n_scored == counts.n_scored > 30


@pytest.mark.parametrize("artists", ["some", "none"])
def test_two_models_are_compared_as_by_numpy(spark, tmp_path, artists):
    a = make_table(artists=artists)
    other = make_table(seed=7, artists="none", accuracy=0.3)
    b = a.set_column(5, "predicted_genre", other["predicted_genre"])
    frames = [to_spark(spark, table, tmp_path / f"{name}.parquet") for name, table in (("a", a), ("b", b))]
    (pair,) = compare_all(frames, ["a", "b"])
    rows = [
        (x["artist"] or x["track_id"], x["genre"] == x["predicted_genre"], x["genre"] == y["predicted_genre"])
        for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)
        if x["genre"] and x["predicted_genre"] and y["predicted_genre"]
    ]
    units = np.unique([row[0] for row in rows], return_inverse=True)[1]
    right = [np.array([row[k] for row in rows]) for k in (1, 2)]
    assert pair.comparison == compare_paired(*right, units=units)
    assert pair.comparison.n_discordant > 30
    none = frames[0].where("false")
    assert compare_all([frames[0], none], ["a", "b"])[0].comparison is None
