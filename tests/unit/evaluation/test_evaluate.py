"""One call from a table of predictions to a report, held against scikit-learn; whole, sampled, broken tables."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics

from deepsound.errors import ParameterError
from deepsound.evaluation.counts import count_table
from deepsound.evaluation.detection import evaluate_detection
from deepsound.evaluation.evaluate import distance_edges, evaluate
from deepsound.evaluation.ood.threshold import fit_rule
from deepsound.evaluation.predictions import read_predictions
from deepsound.evaluation.units import number_units

GENRES = ("blues", "jazz", "ska")


def make_table(n=120, *, seed=0, artists=True):
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    confidences = rng.uniform(0.34, 1, n)
    predicted = np.where(rng.random(n) < confidences, true, (true + 1) % 3)
    label = [None if i % 10 == 0 else GENRES[g] for i, g in enumerate(true)]
    return pa.table(
        {
            "track_id": [f"t{i}" for i in range(n)],
            "artist": pa.array([f"a{i // 4}" if artists and i % 9 else None for i in range(n)], pa.string()),
            "genre": pa.array(label, pa.string()),
            "label": pa.array([x or ("polka" if i % 20 else None) for i, x in enumerate(label)], pa.string()),
            "label_outcome": [
                ("mapped" if x else "unmapped" if i % 20 else "unlabelled") for i, x in enumerate(label)
            ],
            "predicted_genre": pa.array([None if i % 11 == 5 else GENRES[g] for i, g in enumerate(predicted)]),
            "confidence": pa.array([None if i % 11 == 5 else c for i, c in enumerate(confidences)], pa.float64()),
            "ood_score": pa.array([None if i % 11 == 5 else s for i, s in enumerate(rng.normal(size=n))]),
            "is_ood": pa.array([None if i % 11 == 5 else i % 6 == 1 for i in range(n)]),
            "error_code": pa.array(["silent" if i % 11 == 5 else None for i in range(n)]),
        }
    )


@pytest.fixture
def rule():
    scores = {"energy": np.random.default_rng(4).normal(size=40)}
    return fit_rule(scores, decides="energy", false_alarm_rate=0.05)


def test_figures_are_scikit_learns(rule):
    table = make_table()
    report = evaluate(table, genres=GENRES, rule=rule)
    rows = table.to_pylist()
    scored = [row for row in rows if row["predicted_genre"]]
    judged = [row for row in scored if row["genre"]]
    true, predicted = ([row[key] for row in judged] for key in ("genre", "predicted_genre"))
    assert (report.n_tracks, report.n_scored, report.n_failed) == (120, len(scored), 120 - len(scored))
    assert report.failures == {"silent": 120 - len(scored)}
    assert report.metrics.accuracy == pytest.approx(sklearn.metrics.accuracy_score(true, predicted))
    assert report.metrics.macro_f1 == pytest.approx(sklearn.metrics.f1_score(true, predicted, average="macro"))
    assert report.metrics.n_labelled == report.coverage.n_tracks == report.reliability.n_tracks == len(judged)
    right = np.array([row["genre"] == row["predicted_genre"] for row in judged])
    surest = np.argsort([-row["confidence"] for row in judged])[: len(judged) // 2]
    assert report.coverage.accuracy_at(len(surest) / len(judged)) == pytest.approx(right[surest].mean())
    assert report.labels == {
        name: sum(row["label_outcome"] == name for row in scored) for name in ("mapped", "unlabelled", "unmapped")
    }
    foreign = [row["ood_score"] for row in scored]
    is_foreign = np.r_[np.zeros(40), np.ones(len(foreign))]
    auroc = sklearn.metrics.roc_auc_score(is_foreign, [*rule.home_scores, *foreign])
    assert report.distances.detection["all"].auroc == pytest.approx(auroc)
    same_artist = dataclasses.replace(rule, home_units=tuple(np.arange(40) // 4))
    by_artist = evaluate(table, genres=GENRES, rule=same_artist).distances.detection["all"]
    artists = number_units([row["artist"] for row in scored])
    assert by_artist == evaluate_detection(
        np.array(rule.home_scores), np.array(foreign), home_units=np.arange(40) // 4, foreign_units=artists
    )
    assert by_artist.auroc_high - by_artist.auroc_low > 1.2 * (
        report.distances.detection["all"].auroc_high - report.distances.detection["all"].auroc_low
    )
    n_other = sum(row["label_outcome"] == "unmapped" for row in scored)
    assert report.distances.detection["other labels"].n_foreign == n_other
    accepted = [row for row in judged if not row["is_ood"]]
    n_right = sum(row["genre"] == row["predicted_genre"] for row in accepted)
    assert report.distances.accepted_accuracy == (n_right, len(accepted))
    assert report.distances.accepted_interval[0] < n_right / len(accepted) < report.distances.accepted_interval[1]
    assert report.n_ood == report.distances.n_ood == sum(row["is_ood"] for row in scored)
    assert report.distances.collection.sum() == len(scored)
    assert not report.is_sampled


def test_each_predicted_genre_has_its_confidence_and_its_error():
    table = make_table(400)
    report = evaluate(table, genres=GENRES)
    for line in report.genres:
        rows = [row for row in table.to_pylist() if row["predicted_genre"] == line.genre]
        assert line.n_tracks == len(rows)
        assert line.n_ood == sum(row["is_ood"] for row in rows)
        assert line.mean_confidence == pytest.approx(np.mean([row["confidence"] for row in rows]))
        judged = [(row["confidence"], row["genre"] == line.genre) for row in rows if row["genre"]]
        confidences, right = map(np.array, zip(*judged, strict=True))
        bins = np.minimum((confidences * 15).astype(int), 14)
        gap = sum(abs((right[bins == b] - confidences[bins == b]).sum()) for b in range(15)) / len(judged)
        assert line.calibration_error == pytest.approx(gap)


def test_what_is_not_there_is_not_asked_for():
    table = make_table().select(["artist", "genre", "predicted_genre", "confidence"])
    report = evaluate(table, genres=GENRES)
    assert (report.distances, report.shares, report.drift, report.n_ood) == (None, None, None, 0)
    assert report.metrics.interval_unit == "artist"
    assert report.failures == {"internal": 11}


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_track(n, rule):
    report = evaluate(make_table(20).slice(1, n), genres=GENRES, rule=rule)
    assert (report.n_tracks, report.n_scored) == (n, n)
    assert (report.metrics.accuracy is None) == (n == 0)


def test_counts_of_all_stand_beside_curves_of_a_sample(rule):
    table = make_table(400)
    whole = count_table(table, read_predictions(table, genres=GENRES))
    sample = table.slice(0, 100)
    report = evaluate(sample, genres=GENRES, rule=rule, counts=whole)
    assert report.is_sampled
    assert report.n_tracks == 400
    assert report.n_sampled == sum(row["predicted_genre"] is not None for row in sample.to_pylist())
    assert report.metrics == dataclasses.replace(
        evaluate(table, genres=GENRES).metrics, confusion=report.metrics.confusion
    )
    assert report.coverage.n_tracks < report.metrics.n_labelled


def test_artists_that_are_not_known_are_said_to_be_so():
    known, unknown = (evaluate(make_table(artists=a), genres=GENRES).metrics for a in (True, False))
    assert (known.interval_unit, unknown.interval_unit) == ("artist", "track")
    assert unknown.n_artists == 0 < known.n_artists


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(["confidence"]), "predictions without confidence"),
        (lambda t: t.set_column(2, "genre", pa.array(["disco"] * 120)), "the genre 'disco' is none of blues"),
        (lambda t: t.set_column(6, "confidence", pa.array([7.0] * 120)), "did you pass logits"),
        (lambda t: t.set_column(6, "confidence", pa.array([float("nan")] * 120)), "outside 0..1"),
    ],
)
def test_a_table_that_is_none_of_predictions(change, message):
    with pytest.raises(ParameterError, match=message):
        evaluate(change(make_table()), genres=GENRES)


def test_the_histogram_reaches_beyond_what_was_held_out(rule):
    edges = distance_edges(rule)
    assert edges[0] == rule.home_scores[0]
    assert edges[-1] == pytest.approx(2 * max(rule.home_scores[-1], rule.threshold) - edges[0])
    assert distance_edges(dataclasses.replace(rule, home_scores=None)) is None
