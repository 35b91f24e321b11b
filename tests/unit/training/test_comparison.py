"""Two models on the same tracks: which tracks are taken, what is told, what is refused."""

import numpy as np
import pyarrow as pa
import pytest
import scipy.special
import sklearn.metrics

from deepsound.commands.compare import _describe
from deepsound.errors import ComparisonError, FingerprintMismatchError, UnknownFeatureError
from deepsound.evaluation.paired import compare_paired
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.units import number_units
from deepsound.models.bundle import ModelFeature
from deepsound.training.comparison import compare_models
from deepsound.training.held_out import learned_by

NAMES = ("A", "B")
GENRES = ("high", "low", "noise")
OLD = {"t00": "train", "t01": "validation", "t02": "test"}
OTHER = {"t00": "train", "t03": "train", "t04": "test"}


def make_rows(n_tracks=60):
    values = np.random.default_rng(0).normal(size=(n_tracks, 2, 4, 3))
    return [
        {"track_id": f"t{i:02}", "genre": GENRES[i % 3], "artist": f"artist {i // 2}", "values": values[i]}
        for i in range(n_tracks)
    ]


def answers_of(bundle, rows, weights):
    """What a linear head says of tracks, by numpy."""
    spec = bundle.head.spec
    values = (np.stack([row["values"] for row in rows]) - spec.mean) / spec.std
    logits = values.reshape(*values.shape[:2], -1) @ weights
    return scipy.special.softmax(logits / spec.temperature, axis=2).mean(axis=1)


def compare(first, second, features, **options):
    return compare_models(first, second, features=str(features), names=NAMES, **options)


def test_figures_are_those_of_the_tracks_that_neither_has_learned_from(make_bundle, write_features, head_weights):
    rows = make_rows()
    first, second = make_bundle(splits=OLD), make_bundle(weights=-head_weights, splits=OTHER)
    result = compare(first, second, write_features(rows))
    kept = [row for row in rows if row["track_id"] not in ("t00", "t01", "t03")]
    truth = np.array([GENRES.index(row["genre"]) for row in kept])
    says = [answers_of(first, kept, w).argmax(axis=1) for w in (head_weights, -head_weights)]
    units = number_units([row["artist"] for row in kept])
    assert result.paired == compare_paired(says[0] == truth, says[1] == truth, units=units)
    assert result.paired.n_units < len(kept)
    for metrics, said in zip((result.metrics_a, result.metrics_b), says, strict=True):
        assert metrics.accuracy == pytest.approx(np.mean(said == truth))
        assert metrics.macro_f1 == pytest.approx(sklearn.metrics.f1_score(truth, said, average="macro"))
    assert "3 tracks left out that a model has learned from" in result.notes
    assert not any("WARNING" in note for note in result.notes)


def test_out_of_fold_predictions_take_the_place_of_what_a_model_has_learned(make_bundle, write_features):
    rows = make_rows()
    truth = np.array([GENRES.index(row["genre"]) for row in rows])
    folds = make_predictions(
        [row["track_id"] for row in rows],
        artists=[None] * len(rows),
        true_indices=truth,
        probabilities=np.eye(3)[(truth + (truth == 0)) % 3],
        genres=GENRES,
    )
    splits = {row["track_id"]: "train" for row in rows}
    first = make_bundle(splits=splits, out_of_fold=folds.append_column("fold", pa.array(truth, pa.int32())))
    result = compare(first, make_bundle(splits=OTHER), write_features(rows))
    assert result.paired.n_tracks == 58
    assert result.metrics_a.accuracy == pytest.approx(np.mean([g > 0 for g in np.delete(truth, [0, 3])]))
    assert result.notes == (
        "2 tracks left out that a model has learned from",
        "A: out-of-fold predictions of 58 of these tracks",
    )
    alone = compare(first, make_bundle(splits=OTHER), write_features(rows, name="again"), subset="all")
    assert alone.paired.n_discordant == 0
    assert alone.notes[0] == "WARNING: A has learned from 60 of these 60 tracks, which flatters it"


def test_all_tracks_with_a_warning(make_bundle, write_features):
    first, second = make_bundle(splits=OLD), make_bundle(splits={"elsewhere": "train"})
    result = compare(first, second, write_features(make_rows()), subset="all")
    assert result.paired.n_tracks == 60
    assert result.paired.n_discordant == 0
    [note] = result.notes
    assert note == "WARNING: A has learned from 2 of these 60 tracks, which flatters it"


def test_tracks_are_known_again_by_content_and_artists_are_told(make_bundle, write_features):
    rows = [{**row, "sha": f"sha {row['track_id']}"} for row in make_rows()]
    renamed = make_bundle(
        splits={"old name": "train"}, contents={"old name": "sha t07"}, artists={"old name": "artist 5"}
    )
    result = compare(renamed, make_bundle(splits={"elsewhere": "train"}), write_features(rows))
    assert result.paired.n_tracks == 59
    assert result.notes == (
        "1 tracks left out that a model has learned from",
        "A has learned from other tracks of the artists of 2 of these tracks",
    )


def test_bundles_of_early_versions_know_tracks_by_id(make_bundle):
    learned = learned_by(make_bundle(splits=OLD))
    row = {"content_sha256": None, "artist": None}
    assert [learned.has_seen({**row, "track_id": f"t0{i}"}) for i in range(3)] == [True, True, False]
    assert not learned.knows_artist({**row, "track_id": "t00"})


def test_genres_in_another_order_are_the_same_genres(make_bundle, write_features, head_weights):
    turned = make_bundle(genres=("noise", "high", "low"), weights=head_weights[:, [2, 0, 1]], splits=OTHER)
    result = compare(make_bundle(splits=OLD), turned, write_features(make_rows()))
    assert result.paired.n_discordant == 0
    assert result.metrics_a.accuracy == result.metrics_b.accuracy


def test_other_genres_are_reduced_to_the_common_ones(make_bundle, write_features, head_weights):
    rows = make_rows()
    first, second = make_bundle(splits=OLD), make_bundle(genres=("high", "noise", "polka"), splits=OTHER)
    result = compare(first, second, write_features(rows))
    assert result.genres == ("high", "noise")
    kept = [r for r in rows if r["genre"] in result.genres and r["track_id"] not in ("t00", "t03")]
    truth = np.array([result.genres.index(row["genre"]) for row in kept])
    chances = answers_of(first, kept, head_weights)
    assert result.metrics_a.accuracy == pytest.approx(np.mean(chances[:, [0, 2]].argmax(axis=1) == truth))
    assert result.metrics_b.accuracy == pytest.approx(np.mean(chances[:, [0, 1]].argmax(axis=1) == truth))
    assert result.notes[0].startswith("A also knows low: both are asked among the 2 common genres")
    assert result.notes[1].startswith("B also knows polka")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"genres": ("ska", "polka", "noise")}, ComparisonError, "fewer than two genres in common"),
        (
            {"features": (ModelFeature(name="toy", fingerprint="0" * 64),)},
            FingerprintMismatchError,
            "other settings or another definition",
        ),
        ({"features": (ModelFeature(name="mfcc", fingerprint="f"),)}, UnknownFeatureError, "declare no 'mfcc'"),
        ({"splits": {f"t{i:02}": "train" for i in range(60)}}, ComparisonError, "has learned from all of them"),
    ],
)
def test_what_cannot_be_compared(make_bundle, write_features, changes, error, words):
    with pytest.raises(error, match=words):
        compare(make_bundle(splits=OLD), make_bundle(**changes), write_features(make_rows()))


def test_without_a_labelled_track(make_bundle, write_features):
    features = write_features([{**row, "genre": None} for row in make_rows()])
    with pytest.raises(ComparisonError, match="of 0 labelled tracks of common genres, none is there"):
        compare(make_bundle(), make_bundle(), features, subset="all")


def test_failed_tracks_are_no_tracks(make_bundle, write_features):
    rows = make_rows()
    rows[9] = {"track_id": "t09", "genre": "high", "error_code": "silent"}
    assert compare(make_bundle(), make_bundle(), write_features(rows), subset="all").paired.n_tracks == 59


def test_the_comparison_in_words(make_bundle, write_features, head_weights):
    first, second = make_bundle(splits=OLD), make_bundle(weights=-head_weights, splits=OTHER)
    result = compare(first, second, write_features(make_rows()))
    text = _describe(result, names=("models:/one/1", "models:/two/1"))
    paired = result.paired
    assert text[:3] == ["A: models:/one/1", "B: models:/two/1", "57 tracks, 3 genres"]
    one, two, *words = text[-5:]
    low, high = result.metrics_a.accuracy_low, result.metrics_a.accuracy_high
    assert one.startswith(
        f"A: accuracy {result.metrics_a.accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}), macro F1 "
    )
    assert f"macro F1 {result.metrics_b.macro_f1:.3f} (" in two
    assert words[0].startswith(f"A is right on {paired.n_only_a} tracks where B is wrong, B on {paired.n_only_b} ")
    assert words[1] == (
        f"A less B: {100 * paired.difference:+.1f} percentage points, 95 % interval {100 * paired.low:+.1f} to "
        f"{100 * paired.high:+.1f}"
    )
    assert f"29 artists as units): p = {paired.p_value:.3f}" in words[2]
    same = compare(first, first, write_features(make_rows(), name="again"))
    assert _describe(same, names=NAMES)[-1] == "They are right on the very same tracks: nothing tells them apart"
