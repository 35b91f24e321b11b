"""Splits from elsewhere: lists that come with the package, and an earlier model's."""

from dataclasses import replace

import numpy as np
import pytest

from deepsound.config import SplitFiles, SplitSettings, TrainSettings
from deepsound.data.gtzan import fault_filtered_lists
from deepsound.errors import BundleError, SplitError
from deepsound.training import registry
from deepsound.training.dataset import load_dataset
from deepsound.training.given_split import find_known_splits

LIKE = TrainSettings(feature="toy", split=SplitSettings(like="models:/deepsound-toy@champion"))


def row(track_id, artist=None, content=None):
    return {"track_id": track_id, "artist": artist, "content_sha256": content, "genre": "high"}


@pytest.fixture
def find(make_bundle, monkeypatch):
    """A function from rows to known splits and what is said, where the registry has one model."""
    splits = {"a/1": "train", "a/2": "train", "b/1": "validation", "c/1": "test", "d/1": "train", "d/2": "test"}
    artists = {name: name[0].upper() for name in splits}
    bundle = make_bundle(splits=splits, artists=artists, contents={"c/1": "song", "a/1": "other"})
    monkeypatch.setattr(registry, "load_bundle", {"models:/deepsound-toy@champion": bundle}.__getitem__)

    def find_splits(rows, settings=LIKE):
        lines = []
        return find_known_splits(rows, settings, lines.append), lines

    return find_splits


def test_known_by_name_and_by_content(find):
    found, lines = find([row("a/1", content="other"), row("moved.wav", content="song"), row("new", content="new")])
    assert found == {"a/1": "train", "moved.wav": "test"}
    assert lines == [
        "split like models:/deepsound-toy@champion: 2 tracks stay where it had them, 1 new ones are dealt out, "
        "0 of them with their artists"
    ]


def test_new_tracks_go_with_their_artist_however_spelled_and_wherever_the_old_ones_are(find):
    rows = [row("a/1", "A"), row("b/2", " b "), row("c/2", "C"), row("d/3", "D"), row("e/1", "E"), row("x")]
    found, lines = find(rows)
    assert found == {"a/1": "train", "b/2": "validation", "c/2": "test", "d/3": "test"}
    assert lines[0].endswith(
        "1 tracks stay where it had them, 5 new ones are dealt out, 3 of them with their artists"
    )
    by_track = replace(LIKE, split=replace(LIKE.split, by="track"))
    assert find(rows, by_track)[0] == {"a/1": "train"}


def test_a_model_of_another_collection_is_refused(find):
    with pytest.raises(SplitError, match="has divided 6 tracks, such as 'a/1', and none of these 1"):
        find([row("song.wav", "A")])


def test_no_model_no_split(find):
    assert find([row("a/1")], TrainSettings(feature="toy")) == ({}, [])


def test_no_such_model(tmp_path):
    settings = TrainSettings(feature="toy", split=SplitSettings(like=str(tmp_path / "absent")))
    with pytest.raises(BundleError, match="absent"):
        find_known_splits([row("a/1")], settings, print)


def make_rows(names, **labels):
    return [
        {"track_id": name, "genre": name.split(".")[0], "values": np.full((1, 4, 3), i, np.float32), **labels}
        for i, name in enumerate(names)
    ]


def splits_of(dataset):
    return {row["track_id"]: row["split"] for row in dataset.split.to_pylist()}


def test_a_grown_collection_keeps_what_the_model_was_tested_on(write_features, make_bundle, monkeypatch):
    names = [f"{genre}.{i}" for genre in ("high", "low") for i in range(20)]
    settings = TrainSettings(feature="toy")
    former = load_dataset(str(write_features(make_rows(names))), settings=settings)
    bundle = replace(make_bundle(), split=former.split)
    monkeypatch.setattr(registry, "load_bundle", lambda _: bundle)
    more = make_rows([*names, *(f"{genre}.{i}" for genre in ("high", "low") for i in range(20, 40))])
    grown = load_dataset(str(write_features(more, name="grown")), settings=replace(LIKE, seed=1))
    old, new = splits_of(former), splits_of(grown)
    assert len(new) == 80
    assert {name: new[name] for name in names} == old
    assert [len(subset.genre_indices) for subset in (grown.test, grown.validation)] == [16, 12]


def test_gtzans_split_without_faults_by_its_name(write_features):
    lists = fault_filtered_lists()
    names = [f"{split[0]}/{name}.wav" for split, some in lists.items() for name in some[::40]]
    rows = [{**r, "genre": r["track_id"][2:].split(".")[0]} for r in make_rows([*names, "x/jazz.00033.wav"])]
    settings = TrainSettings(
        feature="toy", split=SplitSettings(files=SplitFiles(published="gtzan-fault-filtered"))
    )
    lines = []
    dataset = load_dataset(str(write_features(rows)), settings=settings, report=lines.append)
    found = splits_of(dataset)
    assert {name: split[0] for name, split in found.items()} == {name: name[0] for name in names}
    assert "1 tracks are in no split list and left out" in lines
