"""What a FEATURES folder becomes for training, and what is said about it."""

import numpy as np
import pytest

from deepsound.config import SplitFiles, SplitSettings, TrainSettings
from deepsound.errors import LabelError, LeakageError, SchemaMismatchError, SplitError
from deepsound.training.dataset import load_dataset

SETTINGS = TrainSettings(feature="toy")


def make_rows(n_artists=8, genres=("high", "low"), per_artist=2, **labels):
    """Track i, whose every number is i but for the last dimension, which is always 7."""
    rows = []
    for genre in genres:
        for artist in range(n_artists):
            for n in range(per_artist):
                values = np.full((2, 4, 3), len(rows), np.float32)
                values[..., 2] = 7
                track_id = f"{genre}/{artist}-{n}.wav"
                rows.append(
                    {
                        "track_id": track_id,
                        "genre": genre,
                        "artist": f"{genre} {artist}",
                        "values": values,
                        **labels,
                    }
                )
    return rows


def write_lists(tmp_path, **lists):
    paths = {}
    for name, lines in lists.items():
        paths[name] = str(tmp_path / f"{name}.txt")
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    return TrainSettings(feature="toy", split=SplitSettings(files=SplitFiles(**paths)))


def load(features, settings=SETTINGS):
    """The dataset, and what was said about it."""
    lines = []
    return load_dataset(str(features), settings=settings, report=lines.append), lines


def ids_of(dataset, name):
    rows = dataset.split.to_pylist()
    return [row["track_id"] for row in rows if row["split"] == name]


def test_split_lists_win_over_a_split_column(write_features, tmp_path):
    rows = make_rows(split="test")
    ids = [row["track_id"] for row in rows]
    train, validation, test = (
        [t for t in ids if t.split("/")[1][0] in artists] for artists in ("0123", "45", "6")
    )
    settings = write_lists(
        tmp_path, train=[t[:-4] for t in train], validation=validation, test=[*test, "low/99-0.wav"]
    )
    dataset, lines = load(write_features(rows), settings)
    assert [ids_of(dataset, name) for name in ("train", "validation", "test")] == [train, validation, test]
    assert dataset.n_left_out == 4
    assert lines[:2] == [
        "1 lines of the test list name no readable, labelled track: low/99-0.wav",
        "4 tracks are in no split list and left out",
    ]


def test_without_a_validation_list_some_of_train_is_taken_by_artist(write_features, tmp_path):
    rows = make_rows()
    ids = [row["track_id"] for row in rows]
    test = [t for t in ids if t.split("/")[1][0] in "67"]
    settings = write_lists(tmp_path, train=[t for t in ids if t not in test], test=test)
    dataset = load_dataset(str(write_features(rows)), settings=settings)
    assert ids_of(dataset, "test") == test
    sides = {}
    for row in dataset.split.to_pylist():
        sides.setdefault(row["artist"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert len(ids_of(dataset, "validation")) >= 4


def test_lists_that_part_an_artist_are_refused(write_features, tmp_path):
    ids = [row["track_id"] for row in make_rows()]
    settings = write_lists(tmp_path, train=ids[::2], test=ids[1::2])
    with pytest.raises(LeakageError, match="leaks between the splits"):
        load_dataset(str(write_features(make_rows())), settings=settings)


def test_what_is_missing_and_what_never_changes_is_said(write_features):
    rows = make_rows(genres=("high", "low", "noise"))
    rows = [row for row in rows if not row["track_id"].startswith("noise") or "/0-" in row["track_id"]]
    assert load(write_features(rows))[1] == [
        "no validation track of noise",
        "no test track of noise",
        "1 of 3 dimensions of toy never change in training: 2",
    ]


def test_nothing_to_say(write_features):
    rows = make_rows()
    rng = np.random.default_rng(0)
    for row in rows:
        row["values"] = rng.normal(size=(1, 4, 3))
    assert load(write_features(rows))[1] == []


def test_collect_gives_the_tracks_back_in_step_with_their_segments(write_features):
    dataset = load_dataset(str(write_features(make_rows())), settings=SETTINGS)
    everything = dataset.collect()
    assert sorted(track.track_id for track in everything.tracks) == dataset.split["track_id"].to_pylist()
    some = dataset.collect("validation", "train")
    assert [t.track_id for t in some.tracks] == [*ids_of(dataset, "validation"), *ids_of(dataset, "train")]
    order = {row["track_id"]: number for number, row in enumerate(make_rows())}
    for collection in (everything, some):
        numbers = [order[track.track_id] for track in collection.tracks]
        segments = collection.segments
        assert segments.values[:, 0, 0].astype(int).tolist() == np.repeat(numbers, 2).tolist()
        assert segments.track_indices.tolist() == np.repeat(np.arange(len(numbers)), 2).tolist()
        genres = [collection.taxonomy.genres[index] for index in segments.genre_indices]
        assert genres == [track.genre for track in collection.tracks]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (make_rows(genres=("high",)), LabelError, "at least two genres, found only 'high'"),
        (make_rows(n_artists=1), SplitError, "no validation and no test track; each genre needs"),
        (make_rows(n_artists=2, per_artist=3), SplitError, "12 tracks of 2 genres leave no validation track"),
        ([{**row, "values": row["values"] * np.nan} for row in make_rows()], SchemaMismatchError, "holds NaN"),
    ],
)
def test_refusals(write_features, rows, error, message):
    with pytest.raises(error, match=message):
        load_dataset(str(write_features(rows)), settings=SETTINGS)


def test_twelve_tracks_are_enough_where_each_genre_has_three_artists(write_features):
    dataset = load_dataset(str(write_features(make_rows(n_artists=6, per_artist=1))), settings=SETTINGS)
    sizes = [len(s.genre_indices) for s in (dataset.train, dataset.validation, dataset.test)]
    assert sum(sizes) == 12
    assert min(sizes) >= 2
    assert sizes[0] >= 6
