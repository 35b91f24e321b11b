"""Cross-validation with a fake that remembers what it was shown, and once with a real network."""

import numpy as np
import pytest
import scipy.special

from deepsound.config import SplitSettings, TrainSettings
from deepsound.data.groups import LabelledTrack
from deepsound.errors import SplitError
from deepsound.taxonomy import Taxonomy
from deepsound.training import crossval
from deepsound.training.crossval import cross_validate, iterate_folds
from deepsound.training.dataset import Collection, Subset
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
    assert result.groups[0] == "artist:high 0"
    assert (
        "3-fold cross-validation of 36 tracks in 18 groups: accuracy 0.667, sd over folds 0.577"
        in result.describe()
    )


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
