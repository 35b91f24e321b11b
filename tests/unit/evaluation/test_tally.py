"""Counts of a collection: parts add up, and what they say is what numpy says of the tracks themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepsound.errors import ParameterError
from deepsound.evaluation.conclusions import distance_edges, evaluate_collection
from deepsound.evaluation.coverage import compute_coverage
from deepsound.evaluation.detection import evaluate_detection
from deepsound.evaluation.drift import build_reference, compare, count_tracks
from deepsound.evaluation.metrics import compute_metrics, count_confusion
from deepsound.evaluation.ood import OodRule
from deepsound.evaluation.quantification import estimate_shares
from deepsound.evaluation.reliability import compute_reliability
from deepsound.evaluation.tally import ScoredTracks, Tally, TallyPlan

GENRES = ("blues", "jazz", "rock")
RULE = OodRule(
    score="energy",
    thresholds={"energy": 1.2},
    false_alarm_rate=0.05,
    n_tracks=40,
    # Some of them equal, and equal to those of the tracks.
    home_scores=tuple(np.round(np.linspace(-1, 1.5, 40), 1).tolist()),
)
CONFUSION = np.array([[9, 1, 0], [1, 8, 1], [0, 2, 8]])


def make_reference():
    rng = np.random.default_rng(3)
    return build_reference(
        "toy",
        feature_means=rng.normal(size=(60, 2)),
        columns={"duration_s": rng.uniform(10, 40, 60)},
        confidences=rng.uniform(0.3, 1, 60),
        containers=["wav"] * 50 + ["mp3"] * 10,
    )


REFERENCE = make_reference()
PLAN = TallyPlan(n_genres=3, home_scores=np.asarray(RULE.home_scores), edges=distance_edges(RULE), drift=REFERENCE)


def make_tracks(n, *, seed=0):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(-1, 3, n)
    true = rng.integers(-1, 3, n)
    scores = np.round(rng.normal(0.5, 1, n), 1)
    known = np.where(rng.random(n) < 0.5, "unmapped", "unlabelled")
    return ScoredTracks(
        true_indices=true,
        predicted_indices=predicted,
        # Thousandths, so that levels of confidence lose nothing.
        confidences=np.round(rng.uniform(0.34, 1, n), 3),
        ood_scores=scores,
        is_ood=(scores > RULE.threshold) & (predicted >= 0),
        outcomes=["mapped" if t >= 0 else str(k) for t, k in zip(true, known, strict=True)],
        error_codes=[None if p >= 0 else str(rng.choice(["silent", "empty"])) for p in predicted],
        feature_means=rng.normal(0.3, 1, (n, 2)),
        columns={"duration_s": rng.uniform(5, 30, n)},
        containers=rng.choice(["wav", "ogg"], n).tolist(),
    )


def pick(tracks, chosen):
    return ScoredTracks(
        **{
            name: getattr(tracks, name)[chosen]
            for name in ("true_indices", "predicted_indices", "confidences", "ood_scores", "is_ood")
        },
        **{
            name: [value for value, c in zip(getattr(tracks, name), chosen, strict=True) if c]
            for name in ("outcomes", "error_codes", "containers")
        },
        feature_means=tracks.feature_means[chosen],
        columns={name: values[chosen] for name, values in tracks.columns.items()},
    )


def tally_of(*parts):
    tally = Tally(PLAN)
    for part in parts:
        tally.count(part)
    return tally


def evaluate(tally, **changes):
    return evaluate_collection(
        tally, **{"genres": GENRES, "rule": RULE, "validation_confusion": CONFUSION, **changes}
    )


@given(st.lists(st.booleans(), min_size=30, max_size=30))
def test_parts_add_up_to_the_whole_even_as_cells(is_first):
    tracks = make_tracks(30)
    chosen = np.array(is_first)
    whole, travelled = tally_of(tracks), Tally(PLAN)
    for part in (pick(tracks, chosen), pick(tracks, ~chosen)):
        travelled.add_cells(tally_of(part).cells())
    assert whole.words == travelled.words
    for name, table in whole.tables.items():
        np.testing.assert_array_equal(table, travelled.tables[name], err_msg=name)


def test_what_the_counts_say_is_what_the_tracks_say():
    tracks = make_tracks(400, seed=1)
    found = evaluate(tally_of(tracks))
    scored = tracks.predicted_indices >= 0
    true, predicted = tracks.true_indices[scored], tracks.predicted_indices[scored]
    confidences, scores, is_ood = (
        values[scored] for values in (tracks.confidences, tracks.ood_scores, tracks.is_ood)
    )
    known = true >= 0
    confusion = count_confusion(true[known], predicted[known], n_genres=3)
    expected = compute_metrics(confusion, genres=GENRES)
    np.testing.assert_array_equal(found.metrics.confusion, confusion)
    assert found.metrics.macro_f1_interval == expected.macro_f1_interval
    assert (found.n_tracks, found.n_scored, found.n_failed) == (400, scored.sum(), (~scored).sum())
    codes = np.array([str(code) for code in tracks.error_codes])
    assert found.failures == {code: (codes == code).sum() for code in ("empty", "silent")}
    outcomes = np.array(tracks.outcomes)[scored]
    assert found.labels == {name: (outcomes == name).sum() for name in ("mapped", "unmapped", "unlabelled")}
    right = true == predicted
    reliability = compute_reliability(confidences[known], is_right=right[known])
    assert found.reliability.ece == pytest.approx(reliability.ece, abs=1e-6)
    assert found.reliability.adaptive_ece == pytest.approx(reliability.adaptive_ece, abs=1e-6)
    coverage = compute_coverage(confidences[known], is_right=right[known])
    assert found.coverage.aurc == pytest.approx(coverage.aurc, abs=1e-9)
    np.testing.assert_allclose(found.coverage.thresholds, coverage.thresholds, atol=1e-9)
    assert found.shares == estimate_shares(
        np.bincount(predicted[~is_ood], minlength=3), confusion=CONFUSION, genres=GENRES
    )
    counts = count_tracks(
        REFERENCE,
        feature_means=tracks.feature_means[scored],
        columns={"duration_s": tracks.columns["duration_s"][scored], "confidence": confidences},
        containers=np.array(tracks.containers)[scored].tolist(),
    )
    assert found.drift == compare(REFERENCE, counts)
    home = np.asarray(RULE.home_scores)
    kinds = {"all": scored[scored], "known genres": known, "other labels": ~known & (outcomes == "unmapped")}
    assert found.distances.detection == {
        name: evaluate_detection(home, scores[kind]) for name, kind in kinds.items()
    }
    assert found.distances.n_ood == is_ood.sum()
    accepted = known & ~is_ood
    assert found.distances.accepted_accuracy == (right[accepted].sum(), accepted.sum())
    edges = found.distances.edges
    np.testing.assert_array_equal(
        found.distances.collection, np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
    )
    assert found.distances.home.sum() == 40


def test_what_is_said_of_each_predicted_genre():
    tracks = make_tracks(300, seed=2)
    found = evaluate(tally_of(tracks))
    known = tracks.true_indices >= 0
    for index, line in enumerate(found.genres):
        chosen = tracks.predicted_indices == index
        judged = chosen & known
        bins = np.minimum((tracks.confidences[judged] * 15).astype(int), 14)
        gaps = np.bincount(bins, (tracks.true_indices[judged] == index) - tracks.confidences[judged])
        assert (line.genre, line.n_tracks, line.n_ood) == (
            GENRES[index],
            chosen.sum(),
            (chosen & tracks.is_ood).sum(),
        )
        assert line.mean_confidence == pytest.approx(tracks.confidences[chosen].mean())
        assert line.calibration_error == pytest.approx(np.abs(gaps).sum() / judged.sum())


def test_nothing_scored_and_an_old_bundle():
    failed = pick(make_tracks(60), make_tracks(60).predicted_indices < 0)
    found = evaluate(tally_of(failed))
    assert (found.n_scored, found.shares, found.coverage, found.reliability) == (0, None, None, None)
    assert found.distances.detection == {}
    old = Tally(TallyPlan(n_genres=3))
    old.count(make_tracks(20))
    rule = OodRule(score="energy", thresholds={"energy": 1.2}, false_alarm_rate=0.05, n_tracks=None)
    found = evaluate(old, rule=rule, validation_confusion=None)
    assert (found.shares, found.drift, found.distances.edges, found.distances.home) == (None, None, None, None)
    assert distance_edges(rule) is None


def test_a_confidence_that_cannot_be():
    tracks = make_tracks(5)
    tracks.confidences[tracks.predicted_indices >= 0] = 1.5
    with pytest.raises(ParameterError, match="a confidence is outside"):
        tally_of(tracks)
