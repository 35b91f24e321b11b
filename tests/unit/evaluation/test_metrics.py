import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from deepsound.errors import ParameterError
from deepsound.evaluation.calibration import fit_temperature, mean_by_track
from deepsound.evaluation.intervals import wilson_interval
from deepsound.evaluation.metrics import compute_metrics, count_confusion, measure
from deepsound.evaluation.ood.statistics import compute_energy
from deepsound.evaluation.ood.threshold import fit_threshold
from deepsound.evaluation.render.plain import (
    figure_rows,
    headline_numbers,
    listed_numbers,
    metrics_to_plain,
    per_genre_rows,
)
from deepsound.evaluation.render.text import format_per_genre
from tests.confusions import metrics_of

GENRES = ("a", "b", "c", "d")


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 4, 80), rng.integers(0, 4, 80)
    predicted[:40] = truth[:40]
    metrics = measure(truth, predicted, genres=GENRES)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(truth, predicted)
    np.testing.assert_array_equal(metrics.confusion, sklearn.metrics.confusion_matrix(truth, predicted))
    assert [line.precision for line in metrics.per_genre] == pytest.approx(precision)
    assert [line.recall for line in metrics.per_genre] == pytest.approx(recall)
    assert [line.f1 for line in metrics.per_genre] == pytest.approx(f1)
    assert [line.n_true for line in metrics.per_genre] == list(support)
    assert metrics.accuracy == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert metrics.macro_f1 == pytest.approx(f1.mean())


def test_undefined_is_none_and_left_out_of_means():
    metrics = metrics_of(np.array([[2, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), genres=GENRES)
    a, b, c, d = metrics.per_genre
    assert (a.precision, a.recall, a.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (b.precision, b.recall, b.f1) == (None, 0.0, 0.0)
    assert (c.precision, c.recall, c.f1, c.recall_low) == (0.0, None, None, None)
    assert (d.precision, d.recall) == (None, None)
    assert metrics.macro_recall == pytest.approx(1 / 3)
    assert metrics.macro_precision == pytest.approx(1 / 3)
    assert metrics.macro_f1 == pytest.approx(1 / 3)


def test_every_figure_has_its_interval():
    confusion = np.array([[8, 1, 1, 0], [2, 6, 0, 2], [0, 0, 9, 1], [1, 0, 0, 0]])
    metrics = metrics_of(confusion, genres=GENRES)
    a = metrics.per_genre[0]
    assert (a.recall_low, a.recall_high) == wilson_interval(8, 10)
    assert (a.precision_low, a.precision_high) == wilson_interval(8, 11)
    assert a.f1_low < a.f1 < a.f1_high
    plain = metrics_to_plain(metrics)
    for name in ("f1", "recall", "precision"):
        low, high = plain[f"macro_{name}_low"], plain[f"macro_{name}_high"]
        assert (low, high) == getattr(metrics, f"macro_{name}_interval")
        assert low < plain[f"macro_{name}"] < high
    assert headline_numbers(metrics) == {
        key: value for key, value in plain.items() if key.startswith(("accuracy", "macro_"))
    }
    assert (plain["interval_unit"], plain["n_artists"]) == ("track", 0)


def test_means_say_what_they_leave_out():
    metrics = metrics_of(np.array([[2, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]), genres=GENRES)
    assert metrics.remarks == (
        "macro precision leaves out b, d: no track was predicted so",
        "macro recall and F1 leave out c, d: no track is of it",
    )
    assert metrics_of(np.diag([1, 1, 1, 1]), genres=GENRES).remarks == ()
    assert metrics_of(np.zeros((4, 4), int), genres=GENRES).remarks == ()


def test_artists_must_be_one_a_track():
    with pytest.raises(ParameterError, match="2 artists of 1 tracks"):
        measure(np.array([0]), np.array([0]), genres=GENRES, artists=["a", "b"])


def test_nothing_labelled():
    metrics = metrics_of(np.zeros((4, 4), int), genres=GENRES)
    plain = metrics_to_plain(metrics)
    assert {plain[key] for key in plain if key.startswith(("accuracy", "macro_"))} == {None}
    assert headline_numbers(metrics) == {}


def test_bad_indices():
    with pytest.raises(ParameterError, match=r"outside 0\.\.3"):
        count_confusion([0, 4], [0, 0], n_genres=4)
    with pytest.raises(ParameterError, match="2 true genres against 1"):
        count_confusion([0, 1], [0], n_genres=4)
    with pytest.raises(ParameterError, match="for 4 genres"):
        compute_metrics(np.zeros((3, 3), int), spread=None, genres=GENRES)


def test_temperature_finds_the_scale_of_overconfident_logits():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=p) for p in probabilities])
    temperature = fit_temperature(4 * logits, true_indices=truth, track_indices=np.arange(4000))
    assert temperature == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("n_tracks", [1, 10, 50, 300])
def test_tracks_that_are_all_right_make_no_model_certain(n_tracks):
    """Their likelihood alone would be highest at a temperature of 0."""
    logits = np.repeat([[2.0, 0.0, 0.0]], n_tracks, axis=0)
    truth, tracks = np.zeros(n_tracks, int), np.arange(n_tracks)
    temperature = fit_temperature(logits, true_indices=truth, track_indices=tracks)
    assert 0.2 < temperature < 1
    confidence = scipy.special.softmax(logits[0] / temperature)[0]
    # What can be known of so many that were right, by Laplace's rule of succession, and no more by far.
    assert 1 - confidence > 0.1 / (n_tracks + 2)
    wrong = fit_temperature(-logits, true_indices=truth, track_indices=tracks)
    assert 1 < wrong <= 20


def test_mean_by_track():
    means = mean_by_track(np.array([[1.0], [3.0], [10.0]]), track_indices=np.array([0, 0, 1]), n_tracks=2)
    np.testing.assert_array_equal(means, [[2.0], [10.0]])
    with pytest.raises(ParameterError, match="no segment to average"):
        mean_by_track(np.ones((1, 1)), track_indices=np.array([0]), n_tracks=2)


def test_energy_and_threshold():
    np.testing.assert_allclose(compute_energy(np.log([[1.0, 3.0]])), [-np.log(4)])
    scores = np.arange(100.0)
    threshold = fit_threshold(scores, false_alarm_rate=0.05)
    assert np.mean(scores > threshold) <= 0.05
    assert np.mean(scores > threshold) >= 0.03
    with pytest.raises(ParameterError, match="wanted at least one score"):
        fit_threshold(np.zeros(0), false_alarm_rate=0.05)


def test_table_has_a_dash_for_undefined():
    rows = per_genre_rows(metrics_of(np.diag([1, 0, 0, 0]), genres=GENRES))
    assert format_per_genre(rows).splitlines()[2].split() == ["b", "0", "0", "-", "-", "-", "-"]


def test_runs_are_listed_by_few_figures_and_the_table_has_all():
    figures = headline_numbers(metrics_of(np.diag([3, 2, 1, 1]) + 1, genres=GENRES))
    listed = listed_numbers(metrics_of(np.diag([3, 2, 1, 1]) + 1, genres=GENRES))
    ends = ("", "_low", "_high")
    assert listed == {name + end: figures[name + end] for name in ("accuracy", "macro_f1") for end in ends}
    rows = figure_rows(
        {f"test/{name}": value for name, value in figures.items()} | {"validation/temperature": 2.0}
    )
    assert [(row["of"], row["figure"]) for row in rows] == [
        *(("test", name) for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1")),
        ("validation", "temperature"),
    ]
    assert rows[3] == {
        "of": "test",
        "figure": "macro_f1",
        **{name: figures[f"macro_f1{end}"] for name, end in zip(("value", "low", "high"), ends, strict=True)},
    }
    assert (rows[-1]["value"], rows[-1]["low"]) == (2.0, None)
