"""A scored collection on the terminal."""

import dataclasses

import numpy as np
import pytest

from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.detection import evaluate_detection
from deepsound.evaluation.drift.report import DriftReport
from deepsound.evaluation.ood.threshold import fit_rule
from deepsound.evaluation.quantification import estimate_shares
from deepsound.evaluation.render.plain import report_to_plain, report_to_rows
from deepsound.evaluation.render.text import format_report, format_scorecard
from deepsound.evaluation.report import Distances, PredictedGenre, Report
from deepsound.label_maps.label_map import LabelOutcome, TakenLabel
from tests.confusions import metrics_of

GENRES = ("blues", "jazz")
HOME = np.arange(40.0)


def make_report(confusion=((4, 1), (2, 3)), **changes):
    metrics = metrics_of(np.array(confusion), genres=GENRES)
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
        ood_interval=(0.1, 0.5),
        accepted_accuracy=(6, 8),
        accepted_interval=(0.4, 0.9),
    )
    parts = {
        "metrics": metrics,
        "n_tracks": 17,
        "n_scored": 12,
        "failures": {"audio_decode": 1, "audio_silent": 4},
        "labels": {"mapped": 10, "unmapped": 2},
        "genres": tuple(
            PredictedGenre(genre=genre, n_tracks=n, n_ood=n_ood, mean_confidence=0.5, calibration_error=None)
            for genre, n, n_ood in zip(GENRES, (7, 5), (2, 1), strict=True)
        ),
        "reliability": None,
        "coverage": compute_coverage(np.linspace(1, 0.1, 10), is_right=np.arange(10) < 7),
        "distances": distances,
        "shares": estimate_shares(
            np.repeat([[0.9, 0.1], [0.2, 0.8]], (7, 5), axis=0), prior=np.array([20, 20]), genres=GENRES
        ),
        "slices": None,
        "drift": DriftReport(
            n_tracks=12, n_reference=50, features=(), tracks=(), containers=None, words=("louder", "longer")
        ),
        "n_sampled": 12,
        "taken_labels": (),
    }
    return Report(**{**parts, **changes})


def make_unlabelled(**changes):
    return make_report(((0, 0), (0, 0)), coverage=None, **{"labels": {"unlabelled": 12}, **changes})


def test_a_labelled_collection_has_its_scorecard_and_what_it_is_worth():
    report = make_report()
    card = format_scorecard(report_to_plain(report), report_to_rows(report))
    text = format_report(report)
    assert text.startswith(f"{card}\n")
    rule = report.distances.rule
    every, other = (report.distances.detection[kind] for kind in ("all", "other labels"))
    assert text.removeprefix(f"{card}\n").splitlines() == [
        "accuracy of the tracks that it is surest of: 50 % 1.000, 80 % 0.875",
        f"out-of-distribution: 25.0%; {rule.describe()}",
        f"AUROC, in-distribution tracks against: all 0.50 [{every.auroc_low:.2f}, {every.auroc_high:.2f}], "
        f"other labels 1.00 [{other.auroc_low:.2f}, 1.00]",
        "drift: louder",
        "drift: longer",
        "failed: 4 audio_silent, 1 audio_decode",
    ]


def test_an_unlabelled_collection_has_shares_instead():
    report = make_unlabelled()
    shares = dataclasses.replace(report.shares, notes=("few tracks",))
    lines = format_report(dataclasses.replace(report, shares=shares)).splitlines()
    assert lines[0].startswith(
        "17 tracks: 12 scored, 5 failed, 0 with a known genre, 3 called out-of-distribution"
    )
    assert lines[1].startswith("no known genre, so no accuracy; shares of 12 tracks")
    assert lines[2].split() == ["genre", "tracks", "predicted", "estimated", "95", "%", "interval"]
    blues = shares.shares[0]
    interval = [f"{blues.estimated_low:.2f}", "to", f"{blues.estimated_high:.2f}"]
    assert lines[3].split() == ["blues", "7", "0.58", f"{blues.estimated:.2f}", *interval]
    assert lines[5:7] == ["the estimate holds where genres sound as they do in training", "note: few tracks"]
    assert not any("surest" in line for line in lines)


def test_old_bundles_give_predicted_counts_and_no_drift():
    lines = format_report(make_unlabelled(shares=None, drift=None)).splitlines()
    assert "no known genre, so no accuracy; tracks by predicted genre:" in lines
    assert [line.split() for line in lines[2:4]] == [["blues", "7"], ["jazz", "5"]]
    assert not any(line.startswith("drift") for line in lines)


def test_labels_that_were_taken_for_their_last_words_are_told():
    taken = [
        TakenLabel(
            label=f"Kind {i} Rock", taken_for="rock", outcome=LabelOutcome("mapped", "rock"), n_tracks=9 - i
        )
        for i in range(6)
    ]
    (line,) = [
        line for line in format_report(make_report(taken_labels=tuple(taken))).splitlines() if "Kind" in line
    ]
    assert line.startswith("labels taken for their last words: 'Kind 0 Rock' for rock (9), 'Kind 1 Rock' for rock")
    assert "Kind 4" in line
    assert line.endswith(", …; labels.endings=false switches this off")
    assert "Kind" not in format_report(make_report())


@pytest.mark.parametrize("n_ambiguous", [0, 3])
def test_labels_that_are_left_out_are_told(n_ambiguous):
    labels = {"mapped": 10, "unmapped": 2, "ambiguous": n_ambiguous}
    text = format_report(make_report(labels=labels))
    assert "2 tracks have a label the model does not know; not counted below" in text
    assert ("labels that could be several genres: 3 tracks, not counted" in text) is (n_ambiguous > 0)


def test_nothing_scored_is_no_error():
    report = make_unlabelled(n_scored=0, n_tracks=5, shares=None, drift=None)
    distances = dataclasses.replace(report.distances, n_ood=0, n_scored=0, detection={})
    assert format_report(dataclasses.replace(report, distances=distances)).splitlines() == [
        "5 tracks: 0 scored, 5 failed, 0 with a known genre, 0 called out-of-distribution",
        "failed: 4 audio_silent, 1 audio_decode",
    ]
    whole = format_report(make_report(failures={}, n_tracks=12))
    assert "failed:" not in whole
