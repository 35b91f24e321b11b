"""A scored collection on the terminal."""

import dataclasses

import numpy as np
import pytest

from deepsound.evaluation.adjusted_counts import estimate_shares_by_counts as estimate_shares
from deepsound.evaluation.collection import CollectionEvaluation, Distances, PredictedGenre
from deepsound.evaluation.collection_report import format_collection
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.detection import evaluate_detection
from deepsound.evaluation.drift import DriftReport
from deepsound.evaluation.metrics import compute_metrics
from deepsound.evaluation.ood import fit_rule
from deepsound.evaluation.report import format_scorecard, metrics_to_plain, per_genre_rows

GENRES = ("blues", "jazz")
HOME = np.arange(40.0)


def make_evaluation(confusion=((4, 1), (2, 3)), **changes):
    metrics = compute_metrics(np.array(confusion), genres=GENRES)
    rule = fit_rule({"knn": HOME}, decides="knn", false_alarm_rate=0.05)
    distances = Distances(
        rule=rule,
        edges=None,
        home=None,
        collection=None,
        detection={
            "all": evaluate_detection(HOME, HOME),
            "other labels": evaluate_detection(HOME, HOME + 100),
        },
        n_ood=3,
        n_scored=12,
        accepted_accuracy=(6, 8),
    )
    parts = {
        "metrics": metrics,
        "n_tracks": 17,
        "n_scored": 12,
        "failures": {"audio_decode": 1, "audio_silent": 4},
        "labels": {"mapped": 10, "unmapped": 2},
        "genres": tuple(
            PredictedGenre(genre=genre, n_tracks=n, n_ood=0, mean_confidence=0.5, calibration_error=None)
            for genre, n in zip(GENRES, (7, 5), strict=True)
        ),
        "reliability": None,
        "coverage": compute_coverage(np.linspace(1, 0.1, 10), is_right=np.arange(10) < 7),
        "distances": distances,
        "shares": estimate_shares(np.array([7, 5]), confusion=np.diag([20, 20]), genres=GENRES),
        "drift": DriftReport(
            n_tracks=12, n_reference=50, features=(), tracks=(), containers=None, words=("louder", "longer")
        ),
    }
    return CollectionEvaluation(**{**parts, **changes})


def make_unlabelled(**changes):
    return make_evaluation(((0, 0), (0, 0)), coverage=None, **{"labels": {"unlabelled": 12}, **changes})


def test_a_labelled_collection_has_its_scorecard_and_what_it_is_worth():
    evaluation = make_evaluation()
    counts = {"n_tracks": 17, "n_scored": 12, "n_failed": 5, "n_ood": 3, "n_foreign_label": 2}
    card = format_scorecard({**counts, **metrics_to_plain(evaluation.metrics)}, per_genre_rows(evaluation.metrics))
    text = format_collection(evaluation)
    assert text.startswith(f"{card}\n")
    rule, other = evaluation.distances.rule, evaluation.distances.detection["other labels"]
    assert text.removeprefix(f"{card}\n").splitlines() == [
        "accuracy of the tracks that it is surest of: 50 % 1.000, 80 % 0.875",
        f"out-of-distribution: 25.0%; {rule.describe()}",
        f"AUROC of home against: all 0.50 [0.38, 0.62], other labels 1.00 [{other.auroc_low:.2f}, 1.00]",
        "drift: louder",
        "drift: longer",
        "failed: 4 audio_silent, 1 audio_decode",
    ]


def test_an_unlabelled_collection_has_shares_instead():
    evaluation = make_unlabelled()
    shares = dataclasses.replace(evaluation.shares, notes=("few tracks",))
    lines = format_collection(dataclasses.replace(evaluation, shares=shares)).splitlines()
    assert lines[0].startswith(
        "17 tracks: 12 scored, 5 failed, 0 with a known genre, 3 called out-of-distribution"
    )
    assert lines[1].startswith("no known genre, so no accuracy; shares of 12 tracks")
    assert lines[2].split() == ["genre", "tracks", "predicted", "estimated", "95", "%", "interval"]
    blues = shares.shares[0]
    interval = [f"{blues.estimated_low:.2f}", "to", f"{blues.estimated_high:.2f}"]
    assert lines[3].split() == ["blues", "7", "0.58", f"{blues.estimated:.2f}", *interval]
    assert lines[5:7] == ["the estimate holds where genres sound as they do at home", "note: few tracks"]
    assert not any("surest" in line for line in lines)


def test_old_bundles_give_predicted_counts_and_no_drift():
    lines = format_collection(make_unlabelled(shares=None, drift=None)).splitlines()
    assert "no known genre, so no accuracy; tracks by predicted genre:" in lines
    assert [line.split() for line in lines[2:4]] == [["blues", "7"], ["jazz", "5"]]
    assert not any(line.startswith("drift") for line in lines)


@pytest.mark.parametrize("n_ambiguous", [0, 3])
def test_labels_that_are_left_out_are_told(n_ambiguous):
    labels = {"mapped": 10, "unmapped": 2, "ambiguous": n_ambiguous}
    text = format_collection(make_evaluation(labels=labels))
    assert "2 tracks have a label the model does not know; not counted below" in text
    assert ("labels that could be several genres: 3 tracks, not counted" in text) is (n_ambiguous > 0)


def test_nothing_scored_is_no_error():
    evaluation = make_unlabelled(n_scored=0, n_tracks=5, shares=None, drift=None)
    distances = dataclasses.replace(evaluation.distances, n_ood=0, n_scored=0, detection={})
    assert format_collection(dataclasses.replace(evaluation, distances=distances)).splitlines() == [
        "5 tracks: 0 scored, 5 failed, 0 with a known genre, 0 called out-of-distribution",
        "failed: 4 audio_silent, 1 audio_decode",
    ]
    whole = format_collection(make_evaluation(failures={}, n_tracks=12))
    assert "failed:" not in whole
