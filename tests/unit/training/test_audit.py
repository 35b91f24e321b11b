"""The audit that stands before every fit, on FEATURES folders."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepsound.config import SplitSettings, TrainSettings
from deepsound.data.store import read_segments
from deepsound.errors import LeakageError, SchemaMismatchError
from deepsound.training.dataset import load_dataset


def make_rows(n_tracks=40, **columns):
    """Tracks of two genres, an artist each; a given split where one is asked for."""
    values = np.random.default_rng(0).normal(size=(n_tracks, 3, 4, 3))
    rows = [
        {"track_id": f"t{i:02}", "genre": f"g{i % 2}", "artist": f"artist {i}", "values": values[i]}
        for i in range(n_tracks)
    ]
    for i, row in enumerate(rows):
        row |= {name: give(i) for name, give in columns.items()}
    return rows


def divide(i):
    return ("train", "train", "validation", "test")[i % 4]


def load(features, **settings):
    lines = []
    return load_dataset(
        str(features), settings=TrainSettings(feature="toy", **settings), report=lines.append
    ), lines


def test_an_honest_collection_passes(write_features):
    dataset, lines = load(write_features(make_rows()))
    assert dataset.audit.leaks == ()
    assert dataset.audit.near_duplicates == ()
    assert not any(line.startswith("leak") for line in lines)
    assert dataset.split.column_names == ["track_id", "genre", "artist", "content_sha256", "split"]


def test_a_noisy_copy_on_the_other_side_is_refused(write_features):
    rows = make_rows(split=divide)
    rng = np.random.default_rng(1)
    copies = [{**rows[i], "track_id": f"copy of {i}", "artist": None, "split": "test"} for i in (0, 1, 4, 5)]
    for copy in copies:
        copy["values"] = copy["values"] + 0.1 * rng.normal(size=copy["values"].shape)
    lines = []
    with pytest.raises(
        LeakageError, match=r"^4 leaks between the splits \(4 near-duplicate\).*; and 1 more.*allow_leaks=true"
    ):
        load_dataset(
            str(write_features(rows + copies)),
            settings=TrainSettings(feature="toy"),
            report=lines.append,
        )
    # All of them, one a line; the error names the first ones.
    assert len(lines) == 4
    assert all(line.startswith("leak: near-duplicate (course at ") for line in lines)
    for i in (0, 1, 4, 5):
        assert sum(f"copy of {i} (test), t0{i} (train)" in line for line in lines) == 1


def test_a_copy_on_the_same_side_is_no_leak(write_features):
    rows = make_rows(split=divide)
    rows.append({**rows[0], "track_id": "twin", "sha": "other"})
    dataset, _ = load(write_features(rows))
    assert len(dataset.audit.near_duplicates) == 1
    assert dataset.audit.leaks == ()


def test_leaks_that_are_allowed_are_kept(write_features):
    rows = make_rows(split=divide, artist=lambda i: "Same Old" if i in (0, 3) else None)
    dataset, lines = load(write_features(rows), allow_leaks=True)
    assert [leak.reason for leak in dataset.audit.leaks] == ["artist"]
    assert lines[:1] == ["leak: artist 'Same Old': t00 (train), t03 (test)"]


def test_a_split_by_track_of_known_artists_is_refused(write_features):
    features = write_features(make_rows(artist=lambda i: f"artist {i % 8}"))
    load(features)
    with pytest.raises(LeakageError, match=r"leaks between the splits \(\d artist\).*split.by=artist"):
        load(features, split=SplitSettings(by="track"))


def test_labels_are_those_of_the_table_of_tracks(write_features):
    """Copies of them in segments, as the first edition wrote, are not read."""
    features = write_features(make_rows(split=divide))
    before, _ = load(features)
    path = features / "segments" / "part-0.parquet"
    table = pq.read_table(path)
    for name in ("genre", "artist", "split"):
        odd = pa.array(["test" if name == "split" else "odd"] * table.num_rows)
        table = table.set_column(table.column_names.index(name), name, odd)
    pq.write_table(table, path)
    after, _ = load(features)
    assert after.split.equals(before.split)
    assert after.audit.leaks == ()


def test_a_track_that_is_listed_twice(write_features):
    features = write_features(make_rows())
    path = features / "tracks" / "part-0.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(3, 1)]), path)
    with pytest.raises(SchemaMismatchError, match="holds t03 2 times: was a file there copied"):
        load(features)


def test_segments_of_some_tracks(write_features):
    features = str(write_features(make_rows()))
    some = read_segments(features, names=["toy"], track_ids=["t03", "t07", "absent"])
    assert list(some.track_ids) == ["t03"] * 3 + ["t07"] * 3
    everything = read_segments(features, names=["toy"])
    np.testing.assert_array_equal(some.values[:3], everything.values[9:12])
    assert len(read_segments(features, names=["toy"], track_ids=[]).values) == 0
