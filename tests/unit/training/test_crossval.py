"""Cross-validation with a fake that remembers what it was shown, and once with a real network."""

import itertools

import numpy as np
import pytest
import scipy.special

from deepsound.config import SplitSettings, TrainSettings
from deepsound.data.groups import LabelledTrack
from deepsound.errors import LeakageError, SplitError
from deepsound.evaluation.evaluate import evaluate
from deepsound.taxonomy import Taxonomy
from deepsound.training import crossval
from deepsound.training.crossval import FoldPlan, cross_validate, iterate_folds, plan_folds
from deepsound.training.dataset import Collection, Subset, load_dataset
from tests.confusions import metrics_of

GENRES = ("high", "low", "noise")
SETTINGS = TrainSettings(feature="toy", seed=3)


def make_collection(n_artists=6, per_artist=2, n_segments=2, genres=GENRES, shape=(4, 3)):
    """Track i of genre g, whose every number is i."""
    tracks = [
        LabelledTrack(track_id=f"{genre}/{artist}/{i}", genre=genre, artist=f"{genre} {artist}")
        for genre in genres
        for artist in range(n_artists)
        for i in range(per_artist)
    ]
    taxonomy = Taxonomy(genres)
    track_indices = np.repeat(np.arange(len(tracks)), n_segments)
    return Collection(
        taxonomy=taxonomy,
        tracks=tuple(tracks),
        segments=Subset(
            values=np.broadcast_to(track_indices[:, None, None], (len(track_indices), *shape)).astype(np.float32),
            track_indices=track_indices,
            genre_indices=np.array([taxonomy.index(track.genre) for track in tracks]),
        ),
    )


def tracks_of(subset):
    return set(subset.values[:, 0, 0].astype(int))


def run(collection, predict, n_folds=3, settings=SETTINGS):
    lines = []
    result = cross_validate(collection, settings=settings, n_folds=n_folds, report=lines.append, predict=predict)
    return result, lines


def test_every_track_is_judged_once_by_who_knows_neither_it_nor_its_artist():
    collection, judged = make_collection(), []

    def predict(fold, settings):
        assert settings is SETTINGS
        parts = [tracks_of(s) for s in (fold.train, fold.validation, fold.test)]
        assert sorted(set.union(*parts)) == list(range(36))
        assert sum(map(len, parts)) == 36
        artists = [{collection.tracks[i].artist for i in part} for part in parts]
        assert len(set.union(*artists)) == sum(map(len, artists))
        assert list(fold.positions) == sorted(parts[2])
        assert 3 <= len(parts[1]) <= 10
        for subset in (fold.train, fold.validation, fold.test):
            assert len(subset.values) == 2 * len(subset.genre_indices)
            first = subset.values[:, 0, 0].astype(int)
            assert [collection.tracks[i].genre for i in first] == [GENRES[g] for g in subset.segment_genres]
        judged.extend(parts[2])
        return np.eye(3)[fold.test.genre_indices]

    result, lines = run(collection, predict)
    assert sorted(judged) == list(range(36))
    assert result.mean == result.pooled.accuracy == 1
    assert [line.split(":")[0] for line in lines] == ["fold 1/3", "fold 2/3", "fold 3/3"]


def test_figures_per_fold_and_pooled():
    """One fold all wrong, the others right: computed again by hand."""
    result, _ = run(
        make_collection(),
        lambda fold, _: np.eye(3)[(fold.test.genre_indices + (fold.number == 1)) % 3],
    )
    is_wrong = result.fold_indices == 1
    np.testing.assert_array_equal(result.predicted_indices, (result.true_indices + is_wrong) % 3)
    assert list(result.fold_accuracies) == [1, 0, 1]
    assert result.mean == pytest.approx(2 / 3)
    assert result.spread == pytest.approx(np.sqrt(((1 / 3) ** 2 * 2 + (2 / 3) ** 2) / 2))
    confusion = np.zeros((3, 3), int)
    for true, predicted in zip(result.true_indices, result.predicted_indices, strict=True):
        confusion[true, predicted] += 1
    assert (result.pooled.confusion == confusion).all()
    assert result.pooled.accuracy == metrics_of(confusion, genres=GENRES).accuracy == np.mean(~is_wrong)
    low, high = result.pooled.accuracy_low, result.pooled.accuracy_high
    assert result.describe() == (
        f"accuracy 0.67 [{low:.2f}, {high:.2f}] on 36 tracks; mean 0.67, sd 0.58 over 3 folds"
    )
    table = result.to_table()
    assert table["fold"].to_pylist() == (result.fold_indices + 1).tolist()
    assert table["track_id"].to_pylist() == list(result.track_ids)
    assert evaluate(table, genres=GENRES).metrics.accuracy == result.pooled.accuracy


def test_folds_of_unequal_size_count_the_same_in_the_mean_and_by_track_in_the_pool():
    result, _ = run(
        make_collection(n_artists=5, per_artist=3),
        lambda fold, _: np.eye(3)[np.full(len(fold.positions), fold.number % 3)],
        n_folds=4,
    )
    sizes = np.bincount(result.fold_indices)
    assert len(set(sizes)) > 1
    assert result.mean == pytest.approx(result.fold_accuracies.mean())
    assert result.mean != pytest.approx(result.pooled.accuracy)
    assert result.pooled.accuracy == pytest.approx((result.fold_accuracies * sizes).sum() / sizes.sum())


def test_same_seed_same_folds_other_seed_others():
    collection = make_collection()

    def folds(seed):
        settings = TrainSettings(seed=seed)
        return [set(f.positions) for f in iterate_folds(collection, settings=settings, n_folds=3)]

    assert folds(0) == folds(0)
    assert sorted(map(sorted, folds(0))) != sorted(map(sorted, folds(1)))


def test_a_genre_of_one_artist_is_said_and_never_taken_for_validation():
    collection = make_collection()
    lone = tuple(
        LabelledTrack(track_id=t.track_id, genre=t.genre, artist="only" if t.genre == "low" else t.artist)
        for t in collection.tracks
    )
    collection = Collection(taxonomy=collection.taxonomy, tracks=lone, segments=collection.segments)

    def predict(fold, _):
        assert 1 not in fold.validation.genre_indices
        return np.eye(3)[np.zeros(len(fold.positions), int)]

    for seed in range(8):
        result, lines = run(collection, predict, settings=TrainSettings(seed=seed))
        assert "low has one group only" in lines[0]
        assert len(set(result.fold_indices[result.true_indices == 1])) == 1


def test_by_track():
    collection = make_collection(n_artists=1, per_artist=6)
    with pytest.raises(SplitError, match=r"without fold 1 of 3 there are not two genres .* too few artists"):
        run(collection, lambda fold, _: np.zeros((len(fold.positions), 3)))
    settings = TrainSettings(split=SplitSettings(by="track"))
    result, lines = run(collection, lambda fold, _: np.eye(3)[fold.test.genre_indices], settings=settings)
    assert result.mean == 1
    assert len(lines) == 3


def test_probabilities_are_those_of_the_folds_own_temperature(monkeypatch):
    collection = make_collection()
    (fold, *_) = iterate_folds(collection, settings=SETTINGS, n_folds=3)
    logits = np.random.default_rng(0).normal(size=(len(fold.test.values), 3))

    class Trained:
        def compute_logits(self, values):
            assert values is fold.test.values
            return logits

    def compute_temperature(trained, validation):
        assert (type(trained), validation) == (Trained, fold.validation)
        return 4.0

    monkeypatch.setattr(crossval, "train_model", lambda *_, **__: Trained())
    monkeypatch.setattr(crossval, "compute_temperature", compute_temperature)
    expected = scipy.special.softmax(logits / 4, axis=1).reshape(-1, 2, 3).mean(axis=1)
    np.testing.assert_allclose(crossval.predict_fold(fold, SETTINGS), expected)


def test_too_few_artists_for_the_folds():
    with pytest.raises(SplitError, match="7 folds need at least 7 artists"):
        run(make_collection(n_artists=2), None, n_folds=7)


def test_a_real_network_learns_what_can_be_learned():
    collection = make_collection(n_artists=8, per_artist=1)
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(3, 4, 3))
    values = centres[collection.segments.segment_genres] + rng.normal(size=collection.segments.values.shape)
    segments = Subset(
        values=values.astype(np.float32),
        track_indices=collection.segments.track_indices,
        genre_indices=collection.segments.genre_indices,
    )
    collection = Collection(taxonomy=collection.taxonomy, tracks=collection.tracks, segments=segments)
    settings = TrainSettings(feature="toy", learning_rate=0.01, epochs=20, patience=20)
    lines = []
    result = cross_validate(collection, settings=settings, n_folds=2, report=lines.append)
    assert result.mean > 0.8
    np.testing.assert_allclose(result.probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.fixture
def load(write_features):
    """A function from genres' numbers of artists, two tracks each, to a dataset and to what plans its folds."""

    numbers = itertools.count()

    def make(n_artists, *, folds="auto", allow_leaks=False, n_twins=0):
        rng = np.random.default_rng(0)
        rows = [
            {
                "track_id": f"{genre} {a} {i}",
                "genre": genre,
                "artist": f"{genre} {a}",
                "values": rng.normal(size=(2, 4, 3)),
            }
            for genre, n in n_artists.items()
            for a in range(n)
            for i in range(2)
        ]
        for row in rows[: 2 * n_twins : 2]:
            # Of one side with what they resemble, as the split has it.
            rows.append({**row, "track_id": f"{row['track_id']} louder", "artist": f"cover of {row['artist']}"})
            rows[-1]["values"] = row["values"] + 3
        for row in rows:
            order = ("train", "validation", "test") if row["genre"] == "high" else ("train", "test", "validation")
            row["split"] = order[int(row["track_id"].split()[1]) % 3]
        settings, lines = TrainSettings(feature="toy", folds=folds, allow_leaks=allow_leaks), []
        dataset = load_dataset(str(write_features(rows, name=f"features {next(numbers)}")), settings=settings)
        return dataset, lambda: (plan_folds(dataset, settings=settings, report=lines.append), lines)

    return make


def test_auto_is_five_folds_where_test_tracks_are_few(load, monkeypatch):
    dataset, plan = load({"high": 8, "low": 8})
    found, (line,) = plan()
    assert found == FoldPlan(n_folds=5)
    assert line.startswith(f"5 folds first, as {len(dataset.test.genre_indices)} test tracks are few")
    monkeypatch.setattr(crossval, "_MANY_TEST_TRACKS", len(dataset.test.genre_indices))
    assert plan() == (FoldPlan(n_folds=0), [line])


def test_folds_are_as_asked_or_refused(load):
    assert load({"high": 8, "low": 8}, folds=0)[1]() == (FoldPlan(n_folds=0), [])
    assert load({"high": 8, "low": 8}, folds=3)[1]() == (FoldPlan(n_folds=3), [])
    assert load({"high": 8, "low": 8, "lone": 1})[1]()[0] == FoldPlan(n_folds=5)
    with pytest.raises(SplitError, match="17 folds need at least 17 artists"):
        load({"high": 8, "low": 8}, folds=17)[1]()


@pytest.mark.parametrize(
    ("n_artists", "words"),
    [
        ({"high": 1, "low": 8}, "without fold "),
        ({"high": 2, "low": 2}, "5 folds need at least 5 artists"),
    ],
    ids=["one artist of a genre", "four artists"],
)
def test_auto_does_without_in_a_line_where_artists_are_too_few(load, n_artists, words):
    found, lines = load(n_artists)[1]()
    assert found.n_folds == 0
    (line,) = lines
    assert line.startswith(f"no cross-validation, so the headline is the test part's: {words}")


def test_near_duplicates_that_part_in_the_folds(load):
    many = {"high": 40, "low": 40}
    found, (line,) = load(many, n_twins=8)[1]()
    assert found.n_folds == 0
    assert "near-duplicate" in line
    with pytest.raises(LeakageError, match="near-duplicate"):
        load(many, n_twins=8, folds=5)[1]()
    dataset, plan = load(many, n_twins=8, allow_leaks=True)
    found, _ = plan()
    assert found.n_folds == 5
    assert {leak.reason for leak in found.leaks} == {"near-duplicate"}
    assert dataset.with_leaks(found.leaks).audit.leaks == found.leaks
