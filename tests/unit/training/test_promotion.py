"""Who becomes champion, and who does not."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from deepsound.config import TrainSettings
from deepsound.errors import TrackingError
from deepsound.evaluation.predictions import make_predictions
from deepsound.models.bundle import ModelFeature
from deepsound.training import promotion
from deepsound.training.dataset import load_dataset
from deepsound.training.promotion import decide_promotion
from deepsound.training.registry import RegisteredModel

GENRES = ("high", "low", "noise")
CHAMPION = RegisteredModel(name="deepsound-toy", version="3")
N_TRACKS = 90


@pytest.fixture
def good(head_weights):
    """Weights of a head that knows what the tracks of :func:`dataset` are."""
    return head_weights


@pytest.fixture
def dataset(write_features, make_bundle, good):
    """Tracks that the good head is right about, in nine of ten cases; every third is a test track."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_TRACKS, 1, 4, 3))
    spec = make_bundle().head.spec
    logits = ((values - spec.mean) / spec.std).reshape(N_TRACKS, -1) @ good
    genres = np.where(rng.random(N_TRACKS) < 0.9, logits.argmax(axis=1), rng.integers(0, 3, N_TRACKS))
    rows = [
        {
            "track_id": f"t{i:02}",
            "genre": GENRES[genres[i]],
            "split": ("test", "train", "validation")[i % 3],
            "values": values[i],
        }
        for i in range(N_TRACKS)
    ]
    return load_dataset(str(write_features(rows)), settings=TrainSettings(feature="toy"))


@pytest.fixture
def decide(dataset, make_bundle, monkeypatch):
    """A function that holds a new model's weights against a champion's bundle (or the error of loading it)."""

    def run(weights, champion, *, data=None, former=CHAMPION, is_asked_for=False, **changes):
        def load_bundle(uri):
            assert uri == "models:/deepsound-toy/3"
            if isinstance(champion, Exception):
                raise champion
            return champion

        monkeypatch.setattr(promotion.registry, "load_bundle", load_bundle)
        data = data or dataset
        new = make_bundle(weights=weights, **{"splits": own_split(data), **changes})
        return decide_promotion(new, data, champion=former, is_asked_for=is_asked_for)

    return run


def own_split(dataset, **changes):
    splits = {row["track_id"]: row["split"] for row in dataset.split.to_pylist()}
    return {**splits, **changes}


def say(genres_of, *, genres=GENRES):
    """Out-of-fold predictions: of each track, the genre that it is sure of."""
    indices = np.array([genres.index(genre) for genre in genres_of.values()])
    table = make_predictions(
        list(genres_of),
        artists=[None] * len(indices),
        true_indices=indices,
        probabilities=np.eye(len(genres))[indices],
        genres=genres,
    )
    return table.append_column("fold", pa.array(np.ones(len(indices)), pa.int32()))


def test_the_first_model_is_promoted(decide, good):
    decision = decide(good, None, former=None)
    assert decision.is_promoted
    assert decision.describe() == "promoted to champion: the first model of this name"


def test_a_better_one_is_promoted(decide, good, dataset, make_bundle):
    decision = decide(good, make_bundle(weights=-good, splits=own_split(dataset)))
    assert decision.is_promoted
    assert decision.paired.n_tracks == 30
    assert decision.paired.p_value < 0.05
    assert decision.reason.startswith(
        "better than version 3 on 30 tracks that neither had learned from: alone right on "
    )
    assert "a difference of 5 points would be found in " in decision.reason


def test_a_worse_one_is_not(decide, good, dataset, make_bundle):
    decision = decide(-good, make_bundle(splits=own_split(dataset)))
    assert not decision.is_promoted
    assert decision.paired.difference < 0
    assert decision.paired.p_value < 0.05
    assert decision.reason.startswith("not shown to be better than version 3")


def test_the_same_again_is_not(decide, good, dataset, make_bundle):
    decision = decide(good, make_bundle(splits=own_split(dataset)))
    assert (decision.is_promoted, decision.paired.n_discordant) == (False, 0)


def test_a_little_better_by_luck_is_not(decide, good, dataset, make_bundle):
    rng = np.random.default_rng(4)
    for _ in range(200):
        other = good + 0.35 * rng.normal(size=good.shape)
        decision = decide(good, make_bundle(weights=other, splits=own_split(dataset)))
        if decision.paired.difference > 0 and decision.paired.p_value > 0.05:
            break
    assert decision.paired.difference > 0
    assert not decision.is_promoted


def test_the_order_of_the_champions_genres_does_not_matter(decide, good, dataset, make_bundle):
    turned = make_bundle(genres=("noise", "high", "low"), weights=good[:, [2, 0, 1]], splits=own_split(dataset))
    assert decide(good, turned).paired.n_discordant == 0


def test_tracks_that_the_champion_has_learned_from_are_left_out(decide, good, dataset, make_bundle):
    learned = {f"t{i:02}": "train" for i in range(0, 60, 3)}
    decision = decide(good, make_bundle(weights=-good, splits=own_split(dataset, **learned)))
    assert decision.paired.n_tracks == 10


def test_a_collection_that_has_moved_is_known_again_by_content(decide, good, dataset, make_bundle):
    rows = {f"old/{row['track_id']}": row for row in dataset.split.to_pylist()}
    splits = {track_id: row["split"] for track_id, row in rows.items()}
    splits |= {f"old/t{i:02}": "train" for i in range(0, 60, 3)}
    contents = {track_id: row["content_sha256"] for track_id, row in rows.items()}
    decision = decide(good, make_bundle(weights=-good, splits=splits, contents=contents))
    assert decision.paired.n_tracks == 10


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"features": (ModelFeature(name="toy", fingerprint="0" * 64),)},
            "cannot be compared with, so it stays: the model was trained on toy",
        ),
        ({"genres": ("high", "low", "polka")}, "knows other genres (high, low, polka), so it stays"),
        ({"splits": {"elsewhere": "test"}}, "another collection, without a track in common, so it stays"),
        ({"splits": {f"t{i:02}": "train" for i in range(N_TRACKS)}}, "there is no track to compare on"),
    ],
)
def test_a_champion_that_cannot_be_compared_with_stays(decide, good, make_bundle, changes, words):
    champion = make_bundle(weights=-good, **changes)
    decision = decide(good, champion)
    assert not decision.is_promoted
    assert words in decision.reason
    asked = decide(good, champion, is_asked_for=True)
    assert asked.is_promoted
    assert asked.reason.startswith(f"asked for by --promote ({decision.reason}")


def test_tracks_that_both_have_out_of_fold_count_whatever_they_were_used_for(decide, good, dataset, make_bundle):
    """The heads say the same of the test tracks; by their folds, one is right and the other wrong everywhere."""
    truth = {row["track_id"]: row["genre"] for row in dataset.split.to_pylist()}
    wrong = {track_id: GENRES[(GENRES.index(genre) + 1) % 3] for track_id, genre in truth.items()}
    former = make_bundle(splits=own_split(dataset), out_of_fold=say(wrong))
    decision = decide(good, former, out_of_fold=say(truth))
    assert (decision.is_promoted, decision.paired.n_tracks, decision.paired.n_only_a) == (True, 90, 90)
    back = decide(good, make_bundle(splits=own_split(dataset), out_of_fold=say(truth)), out_of_fold=say(wrong))
    assert (back.is_promoted, back.paired.n_only_b) == (False, 90)
    # The champion has no folds: its own test tracks are what it can be asked about.
    own = decide(good, make_bundle(weights=-good, splits=own_split(dataset)), out_of_fold=say(truth))
    assert own.paired.n_tracks == 30
    # Neither in its folds nor in its split: new tracks, of which its head is asked.
    some = dict(list(wrong.items())[:60])
    kept = {track_id: own_split(dataset)[track_id] for track_id in some}
    grown = decide(good, make_bundle(weights=good, splits=kept, out_of_fold=say(some)), out_of_fold=say(truth))
    assert (grown.paired.n_tracks, grown.paired.n_only_b) == (90, 0)
    assert 60 < grown.paired.n_only_a < 90


def test_folds_in_another_order_of_genres(decide, good, dataset, make_bundle):
    truth = {row["track_id"]: row["genre"] for row in dataset.split.to_pylist()}
    turned = ("noise", "high", "low")
    former = make_bundle(genres=turned, splits=own_split(dataset), out_of_fold=say(truth, genres=turned))
    decision = decide(good, former, out_of_fold=say(truth))
    assert (decision.paired.n_tracks, decision.paired.n_both) == (90, 90)
    assert "how large a difference would be found cannot be said" in decision.reason


def test_folds_are_known_again_by_content_and_not_by_name_alone(decide, good, dataset, make_bundle):
    rows = dataset.split.to_pylist()
    truth = {row["track_id"]: row["genre"] for row in rows}
    # Moved: t00 is elsewhere now, and another recording stands under its name.
    splits = {f"old/{track_id}": split for track_id, split in own_split(dataset).items()} | {"t01": "train"}
    contents = {f"old/{row['track_id']}": row["content_sha256"] for row in rows if row["track_id"] != "t01"}
    contents["t01"] = "of another recording"
    former = make_bundle(
        splits=splits,
        contents=contents,
        out_of_fold=say({f"old/{name}": genre for name, genre in truth.items() if name != "t01"} | {"t01": "low"}),
    )
    decision = decide(good, former, out_of_fold=say(truth))
    assert (decision.paired.n_tracks, decision.paired.n_both) == (89, 89)


def test_a_champion_that_cannot_be_loaded_stays(decide, good):
    decision = decide(good, TrackingError("the model is gone"))
    assert (decision.is_promoted, decision.paired) == (False, None)
    assert decision.reason == "version 3 cannot be compared with, so it stays: the model is gone"


def test_a_model_whose_split_leaks_has_to_be_asked_for(decide, good, dataset, make_bundle):
    leaky = dataclasses.replace(dataset, audit=dataclasses.replace(dataset.audit, leaks=("a leak",)))
    champion = make_bundle(weights=-good, splits=own_split(dataset))
    decision = decide(good, champion, data=leaky)
    assert not decision.is_promoted
    assert "split leaks, so that its figures flatter" in decision.reason
    assert decide(good, champion, data=leaky, is_asked_for=True).is_promoted


def test_the_first_model_is_not_promoted_either_where_its_split_leaks(decide, good, dataset):
    leaky = dataclasses.replace(dataset, audit=dataclasses.replace(dataset.audit, leaks=("a leak",)))
    decision = decide(good, None, data=leaky, former=None)
    assert not decision.is_promoted
    assert decision.reason == "this model's split leaks, so that its figures flatter; there is no champion yet"
    asked = decide(good, None, data=leaky, former=None, is_asked_for=True)
    assert asked.is_promoted
    assert asked.reason.startswith("asked for by --promote (this model's split leaks")


def test_a_worse_one_that_is_asked_for_is_promoted_and_the_comparison_told(decide, good, dataset, make_bundle):
    decision = decide(-good, make_bundle(splits=own_split(dataset)), is_asked_for=True)
    assert decision.is_promoted
    assert decision.paired.difference < 0
    assert "asked for by --promote (not shown to be better than version 3" in decision.reason
